//! `GET key`.

use super::{Command, Row, params};
use crate::{error::WireError, resp::Args};

pub(super) static ROW: Row = Row {
    name: "get",
    arity: 2,
    flags: &["readonly", "fast"],
    categories: &["@read", "@string", "@fast"],
    key_flags: &["RO", "access"],
    summary: "Answers the value of a key, or null",
    syntax: "key",
    parse,
    ..Row::ONE_KEY
};

#[inline]
pub(super) fn parse(args: &Args) -> Result<Command, WireError> {
    Ok(Command::Get { key: params::key(args, 1)? })
}
