//! `CW.DEL key [CONTEXT token] [W n|one|quorum|all] [STRICT|SLOPPY] [TIMEOUT ms]`.

use super::{
    Command, Row,
    options::{self, Accepts},
    params,
};
use crate::{error::WireError, resp::Args};

pub(super) static ROW: Row = Row {
    name: "cw.del",
    arity: -2,
    flags: &["write", "fast"],
    categories: &["@keyspace", "@write", "@fast"],
    key_flags: &["RM", "delete"],
    summary: "Deletes exactly the versions that its context covers",
    syntax: "key [CONTEXT token] [W n|one|quorum|all] [STRICT|SLOPPY] [TIMEOUT ms]",
    group: "generic",
    since: "0.1.0",
    parse,
    ..Row::ONE_KEY
};

const ACCEPTS: Accepts = Accepts { command: "cw.del", need: "w", context: true, expiry: false };

fn parse(args: &Args) -> Result<Command, WireError> {
    let options = options::parse(args, 2, &ACCEPTS)?;
    Ok(Command::CausalDelete { key: params::key(args, 1)?, context: options.context, wish: options.wish })
}
