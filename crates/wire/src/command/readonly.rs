//! `READONLY` and `READWRITE`. A connection that said READONLY still writes: several clients count on it.

use super::{Command, Row};

pub(super) static ROW: Row = Row {
    name: "readonly",
    summary: "Welcomes reads from any replica on this connection",
    parse: |_| Ok(Command::ReadOnly),
    ..BOTH
};

pub(super) static READWRITE: Row =
    Row { name: "readwrite", summary: "Takes READONLY back", parse: |_| Ok(Command::ReadWrite), ..BOTH };

const BOTH: Row = Row {
    flags: &["loading", "stale", "fast"],
    categories: &["@fast", "@connection"],
    group: "cluster",
    since: "3.0.0",
    ..Row::BASE
};
