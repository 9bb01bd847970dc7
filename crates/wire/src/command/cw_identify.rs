//! `CW.IDENTIFY`: who a server is, before it belongs to a cluster and after.

use super::{Command, Row};

pub(super) static ROW: Row = Row {
    name: "cw.identify",
    flags: &["loading", "stale", "fast"],
    categories: &["@fast", "@connection"],
    summary: "Answers node id, addresses, weight, data centre, rack and epoch of this server",
    group: "cluster",
    since: "0.1.0",
    parse: |_| Ok(Command::Identify),
    ..Row::BASE
};
