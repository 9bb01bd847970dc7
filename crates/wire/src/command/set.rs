//! `SET key value [EX s|PX ms|EXAT s|PXAT ms]`.
//!
//! `NX`, `XX`, `GET` and `KEEPTTL` need a read and a write in one step, which is not built yet: they are refused.

use super::{
    Command, Row, expiry,
    options::once,
    params::{self, Params, is, syntax},
};
use crate::{
    error::{Text, WireError},
    resp::Args,
};
use alloc::format;

pub(super) static ROW: Row = Row {
    name: "set",
    arity: -3,
    flags: &["write", "denyoom"],
    categories: &["@write", "@string", "@slow"],
    key_flags: &["RW", "access", "update", "variable_flags"],
    summary: "Sets a key to a value, with or without an expiry",
    syntax: "key value [EX seconds|PX milliseconds|EXAT unix-seconds|PXAT unix-milliseconds]",
    parse,
    ..Row::ONE_KEY
};

#[inline]
pub(super) fn parse(args: &Args) -> Result<Command, WireError> {
    let expiry = if args.len() == 3 { None } else { options(args)? };
    Ok(Command::Set { key: params::key(args, 1)?, value: params::value(args, 2)?, expiry })
}

fn options(args: &Args) -> Result<Option<expiry::Expiry>, WireError> {
    let mut found = None;
    let mut params = Params::from(args, 3);
    while let Some(word) = params.next() {
        for unsupported in ["nx", "xx", "get", "keepttl"] {
            if is(word, unsupported) {
                return Err(not_supported(unsupported));
            }
        }
        let expiry = expiry::parse(word, &mut params, "set")?.ok_or_else(syntax)?;
        once(&mut found, expiry)?;
    }
    Ok(found)
}

#[cold]
fn not_supported(option: &str) -> WireError {
    let option = option.to_ascii_uppercase();
    WireError::Answer(Text::Owned(format!(
        "ERR option {option} of 'set' is not supported yet; nothing was written"
    )))
}
