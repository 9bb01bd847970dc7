//! `CW.SET key value [CONTEXT token] [W n|one|quorum|all] [STRICT|SLOPPY] [EX|PX|EXAT|PXAT n] [TIMEOUT ms]`.

use super::{
    Command, Row,
    options::{self, Accepts},
    params,
};
use crate::{error::WireError, resp::Args};

pub(super) static ROW: Row = Row {
    name: "cw.set",
    arity: -3,
    flags: &["write", "denyoom", "fast"],
    categories: &["@write", "@string", "@fast"],
    key_flags: &["RW", "update"],
    summary: "Writes a version that replaces exactly what its context covers",
    syntax: "key value [CONTEXT token] [W n|one|quorum|all] [STRICT|SLOPPY] \
             [EX seconds|PX milliseconds|EXAT unix-seconds|PXAT unix-milliseconds] [TIMEOUT ms]",
    since: "0.1.0",
    parse,
    ..Row::ONE_KEY
};

const ACCEPTS: Accepts = Accepts { command: "cw.set", need: "w", context: true, expiry: true };

fn parse(args: &Args) -> Result<Command, WireError> {
    let options = options::parse(args, 3, &ACCEPTS)?;
    Ok(Command::CausalSet {
        key: params::key(args, 1)?,
        value: params::value(args, 2)?,
        context: options.context,
        wish: options.wish,
        expiry: options.expiry,
    })
}
