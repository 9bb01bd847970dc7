//! `QUIT`.

use super::{Command, Row};

pub(super) static ROW: Row = Row {
    name: "quit",
    arity: -1,
    flags: &["noscript", "loading", "stale", "fast", "no_auth", "allow_busy"],
    categories: &["@fast", "@connection"],
    summary: "Closes the connection",
    parse: |_| Ok(Command::Quit),
    ..Row::BASE
};
