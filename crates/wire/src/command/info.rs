//! `INFO [section …]`.

use super::{Command, Row};
use crate::{error::WireError, resp::Args};
use bytes::Bytes;

pub(super) static ROW: Row = Row {
    name: "info",
    arity: -1,
    flags: &["loading", "stale"],
    categories: &["@slow", "@dangerous"],
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    summary: "Answers facts and figures about the server",
    syntax: "[section [section ...]]",
    group: "server",
    parse,
    ..Row::BASE
};

fn parse(args: &Args) -> Result<Command, WireError> {
    let sections = args.iter().skip(1).map(|section| Bytes::from(section.to_ascii_lowercase())).collect();
    Ok(Command::Info { sections })
}
