//! `RESET`.

use super::{Command, Row};

pub(super) static ROW: Row = Row {
    name: "reset",
    flags: &["noscript", "loading", "stale", "fast", "no_auth", "allow_busy"],
    categories: &["@fast", "@connection"],
    summary: "Makes the connection as it was when it was new",
    since: "6.2.0",
    parse: |_| Ok(Command::Reset),
    ..Row::BASE
};
