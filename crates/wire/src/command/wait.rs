//! `WAIT replicas timeout`.

use super::{Command, Row, params::Params};
use crate::{error::WireError, resp::Args};

pub(super) static ROW: Row = Row {
    name: "wait",
    arity: 3,
    flags: &["noscript"],
    categories: &["@slow", "@connection"],
    tips: &["request_policy:all_shards", "response_policy:agg_min"],
    summary: "Waits until the connection's writes are on that many replicas, and answers on how many they are",
    syntax: "replicas timeout-ms",
    group: "generic",
    since: "3.0.0",
    parse,
    ..Row::BASE
};

fn parse(args: &Args) -> Result<Command, WireError> {
    let mut params = Params::from(args, 1);
    let replicas = params.integer()?.max(0) as u64;
    match params.integer() {
        Ok(timeout_ms @ 0..) => Ok(Command::Wait { replicas, timeout_ms: timeout_ms as u64 }),
        Ok(_) => Err(WireError::answer("ERR timeout is negative")),
        Err(_) => Err(WireError::answer("ERR timeout is not an integer or out of range")),
    }
}
