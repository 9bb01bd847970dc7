//! `MGET key …`.

use super::{Command, Row, params};
use crate::{error::WireError, resp::Args};

pub(super) static ROW: Row = Row {
    name: "mget",
    arity: -2,
    flags: &["readonly", "fast"],
    categories: &["@read", "@string", "@fast"],
    tips: &["request_policy:multi_shard"],
    key_flags: &["RO", "access"],
    summary: "Answers the values of several keys",
    syntax: "key [key ...]",
    group: "string",
    parse,
    ..Row::ALL_KEYS
};

fn parse(args: &Args) -> Result<Command, WireError> {
    Ok(Command::MultiGet { keys: params::keys(args)? })
}
