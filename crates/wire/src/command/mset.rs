//! `MSET key value …`. Each pair is a write of its own: not atomic across keys, unlike in Redis.

use super::{Command, Row, params};
use crate::{error::WireError, resp::Args};

pub(super) static ROW: Row = Row {
    name: "mset",
    arity: -3,
    flags: &["write", "denyoom"],
    step: 2,
    categories: &["@write", "@string", "@slow"],
    tips: &["request_policy:multi_shard", "response_policy:all_succeeded"],
    key_flags: &["OW", "update"],
    summary: "Sets several keys, each by itself",
    syntax: "key value [key value ...]",
    group: "string",
    since: "1.0.1",
    parse,
    ..Row::ALL_KEYS
};

fn parse(args: &Args) -> Result<Command, WireError> {
    if args.len().is_multiple_of(2) {
        return Err(ROW.wrong_arity());
    }
    let pair = |at| Ok((params::key(args, at)?, params::value(args, at + 1)?));
    Ok(Command::MultiSet { pairs: (1..args.len()).step_by(2).map(pair).collect::<Result<_, WireError>>()? })
}
