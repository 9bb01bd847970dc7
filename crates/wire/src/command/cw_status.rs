//! `CW.STATUS`: the cluster as this server sees it.

use super::{Command, Row};

pub(super) static ROW: Row = Row {
    name: "cw.status",
    flags: &["loading", "stale"],
    categories: &["@slow", "@connection"],
    tips: &["nondeterministic_output"],
    summary: "Answers the members and their state as this server sees them",
    group: "cluster",
    since: "0.1.0",
    parse: |_| Ok(Command::Status),
    ..Row::BASE
};
