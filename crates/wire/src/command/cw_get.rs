//! `CW.GET key [R n|one|quorum|all] [STRICT|SLOPPY] [TIMEOUT ms]`: all concurrent versions with their context.

use super::{
    Command, Row,
    options::{self, Accepts},
    params,
};
use crate::{error::WireError, resp::Args};

pub(super) static ROW: Row = Row {
    name: "cw.get",
    arity: -2,
    flags: &["readonly", "fast"],
    categories: &["@read", "@string", "@fast"],
    key_flags: &["RO", "access"],
    summary: "Answers all concurrent versions of a key with their context",
    syntax: "key [R n|one|quorum|all] [STRICT|SLOPPY] [TIMEOUT ms]",
    since: "0.1.0",
    parse,
    ..Row::ONE_KEY
};

const ACCEPTS: Accepts = Accepts { command: "cw.get", need: "r", context: false, expiry: false };

fn parse(args: &Args) -> Result<Command, WireError> {
    let options = options::parse(args, 2, &ACCEPTS)?;
    Ok(Command::CausalGet { key: params::key(args, 1)?, wish: options.wish })
}
