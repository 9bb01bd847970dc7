//! `ECHO message`.

use super::{Command, Row, params::Params};
use crate::{error::WireError, resp::Args};

pub(super) static ROW: Row = Row {
    name: "echo",
    arity: 2,
    flags: &["loading", "stale", "fast"],
    categories: &["@fast", "@connection"],
    summary: "Answers the message",
    syntax: "message",
    parse,
    ..Row::BASE
};

fn parse(args: &Args) -> Result<Command, WireError> {
    Ok(Command::Echo { message: Params::from(args, 1).bytes()? })
}
