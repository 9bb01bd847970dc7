//! Arguments one after the other, with the errors of Redis.

use crate::{
    decimal,
    error::{Text, WireError},
    resp::Args,
};
use alloc::format;
use bytes::Bytes;
use clockwise_core::limits::{KEY_BYTES, VALUE_BYTES};

/// "What stands here does not belong here."
#[cold]
pub(super) fn syntax() -> WireError {
    WireError::answer("ERR syntax error")
}

/// "This is no integer."
#[cold]
pub(super) fn not_an_integer() -> WireError {
    WireError::answer("ERR value is not an integer or out of range")
}

/// Walks over arguments.
pub(super) struct Params<'a> {
    args: &'a Args,
    at: usize,
}

impl<'a> Params<'a> {
    /// Starts at this argument.
    pub(super) fn from(args: &'a Args, at: usize) -> Params<'a> {
        Params { args, at }
    }

    /// The next argument, if there is one.
    pub(super) fn next(&mut self) -> Option<&'a [u8]> {
        let argument = self.args.get(self.at)?;
        self.at += 1;
        Some(argument)
    }

    /// The next argument, which must be there.
    pub(super) fn value(&mut self) -> Result<&'a [u8], WireError> {
        self.next().ok_or_else(syntax)
    }

    /// The next argument, sharing the buffer.
    pub(super) fn bytes(&mut self) -> Result<Bytes, WireError> {
        let argument = self.args.bytes(self.at).ok_or_else(syntax)?;
        self.at += 1;
        Ok(argument)
    }

    /// The next argument as an integer.
    pub(super) fn integer(&mut self) -> Result<i64, WireError> {
        decimal::parse_i64(self.value()?).ok_or_else(not_an_integer)
    }
}

/// Whether an argument is this word (in lower case), in any case.
pub(super) fn is(argument: &[u8], word: &str) -> bool {
    argument.eq_ignore_ascii_case(word.as_bytes())
}

/// An argument that is a key.
#[inline]
pub(super) fn key(args: &Args, index: usize) -> Result<Bytes, WireError> {
    let key = args.bytes(index).ok_or_else(syntax)?;
    if key.len() <= KEY_BYTES { Ok(key) } else { Err(too_long("key", KEY_BYTES)) }
}

/// An argument that is a value.
#[inline]
pub(super) fn value(args: &Args, index: usize) -> Result<Bytes, WireError> {
    let value = args.bytes(index).ok_or_else(syntax)?;
    if value.len() <= VALUE_BYTES { Ok(value) } else { Err(too_long("value", VALUE_BYTES)) }
}

/// All arguments behind the command's name, as keys.
pub(super) fn keys(args: &Args) -> Result<super::Keys, WireError> {
    let mut keys = super::Keys::with_capacity(args.len() - 1);
    for index in 1..args.len() {
        keys.push(key(args, index)?);
    }
    Ok(keys)
}

#[cold]
fn too_long(what: &str, limit_bytes: usize) -> WireError {
    WireError::Answer(Text::Owned(format!("ERR {what} is too long (at most {limit_bytes} bytes)")))
}
