//! `EXISTS key …`.

use super::{Command, Row, params};
use crate::{error::WireError, resp::Args};

pub(super) static ROW: Row = Row {
    name: "exists",
    arity: -2,
    flags: &["readonly", "fast"],
    categories: &["@keyspace", "@read", "@fast"],
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    key_flags: &["RO"],
    summary: "Answers how many of the keys exist; a key named twice counts twice",
    syntax: "key [key ...]",
    parse,
    ..Row::ALL_KEYS
};

fn parse(args: &Args) -> Result<Command, WireError> {
    Ok(Command::Exists { keys: params::keys(args)? })
}
