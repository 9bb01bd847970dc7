//! `PING [message]`.

use super::{Command, Row};
use crate::{error::WireError, resp::Args};

pub(super) static ROW: Row = Row {
    name: "ping",
    arity: -1,
    flags: &["fast"],
    categories: &["@fast", "@connection"],
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    summary: "Answers PONG, or the message",
    syntax: "[message]",
    parse,
    ..Row::BASE
};

fn parse(args: &Args) -> Result<Command, WireError> {
    if args.len() > 2 {
        return Err(ROW.wrong_arity());
    }
    Ok(Command::Ping { message: args.bytes(1) })
}
