//! `TTL key` and `PTTL key`.

use super::{Command, Row, params};
use crate::{error::WireError, resp::Args};

pub(super) static ROW: Row = Row {
    name: "ttl",
    summary: "Answers the seconds until a key expires, -1 without an expiry, -2 without the key",
    since: "1.0.0",
    parse: |args| parse(args, false),
    ..BOTH
};

pub(super) static PTTL: Row = Row {
    name: "pttl",
    summary: "Answers the milliseconds until a key expires, -1 without an expiry, -2 without the key",
    since: "2.6.0",
    parse: |args| parse(args, true),
    ..BOTH
};

const BOTH: Row = Row {
    arity: 2,
    flags: &["readonly", "fast"],
    categories: &["@keyspace", "@read", "@fast"],
    tips: &["nondeterministic_output"],
    key_flags: &["RO", "access"],
    syntax: "key",
    group: "generic",
    ..Row::ONE_KEY
};

fn parse(args: &Args, in_ms: bool) -> Result<Command, WireError> {
    Ok(Command::TimeToLive { key: params::key(args, 1)?, in_ms })
}
