//! `SELECT 0`: there is one database.

use super::{Command, Row, params::Params};
use crate::{error::WireError, resp::Args};

pub(super) static ROW: Row = Row {
    name: "select",
    arity: 2,
    flags: &["loading", "stale", "fast"],
    categories: &["@fast", "@connection"],
    summary: "Selects the database; there is only number 0",
    syntax: "index",
    parse,
    ..Row::BASE
};

fn parse(args: &Args) -> Result<Command, WireError> {
    match Params::from(args, 1).integer()? {
        0 => Ok(Command::Select),
        _ => Err(WireError::answer("ERR DB index is out of range")),
    }
}
