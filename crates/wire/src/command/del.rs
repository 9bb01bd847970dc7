//! `DEL key …` and `UNLINK key …`, which are the same here: freeing is always in the background.

use super::{Command, Row, params};
use crate::{error::WireError, resp::Args};

pub(super) static ROW: Row = Row {
    name: "del",
    arity: -2,
    flags: &["write"],
    categories: &["@keyspace", "@write", "@slow"],
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    key_flags: &["RM", "delete"],
    summary: "Deletes keys and answers how many of them existed",
    syntax: "key [key ...]",
    parse,
    ..Row::ALL_KEYS
};

pub(super) static UNLINK: Row = Row {
    name: "unlink",
    arity: -2,
    flags: &["write", "fast"],
    categories: &["@keyspace", "@write", "@fast"],
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    key_flags: &["RM", "delete"],
    summary: "Another name of DEL",
    syntax: "key [key ...]",
    since: "4.0.0",
    parse,
    ..Row::ALL_KEYS
};

#[inline]
pub(super) fn parse(args: &Args) -> Result<Command, WireError> {
    Ok(Command::Delete { keys: params::keys(args)? })
}
