//! The options of `CW.` commands: how many answers, whose, until when, over which context.

use super::{
    expiry::{self, Expiry},
    params::{Params, is, syntax},
};
use crate::{context, decimal, error::WireError, resp::Args};
use bytes::Bytes;
use clockwise_core::{
    limits::{MAX_TIMEOUT_MS, REPLICAS},
    request::{Level, Need},
};

/// What a command says about its level and deadline; the rest is the connection's default.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Wish {
    /// R or W.
    pub need: Option<Need>,
    /// Strict or sloppy.
    pub strict: Option<bool>,
    /// How long the client waits, in milliseconds.
    pub timeout_ms: Option<u64>,
}

impl Wish {
    /// The level, over the connection's default.
    pub fn level(&self, default: Level) -> Level {
        Level { need: self.need.unwrap_or(default.need), strict: self.strict.unwrap_or(default.strict) }
    }
}

/// Everything that a `CW.` command may say behind its key and value.
#[derive(Default)]
pub(super) struct Options {
    pub(super) wish: Wish,
    pub(super) context: Option<Bytes>,
    pub(super) expiry: Option<Expiry>,
}

/// Which options a command has.
pub(super) struct Accepts {
    /// For messages.
    pub(super) command: &'static str,
    /// `r` or `w`.
    pub(super) need: &'static str,
    pub(super) context: bool,
    pub(super) expiry: bool,
}

/// Reads all arguments from `at` on. An option twice is a syntax error.
pub(super) fn parse(args: &Args, at: usize, accepts: &Accepts) -> Result<Options, WireError> {
    let mut options = Options::default();
    let mut params = Params::from(args, at);
    while let Some(word) = params.next() {
        if is(word, accepts.need) {
            once(&mut options.wish.need, need(params.value()?)?)?;
        } else if let Some(strict) = strictness(word) {
            once(&mut options.wish.strict, strict)?;
        } else if is(word, "timeout") {
            once(&mut options.wish.timeout_ms, timeout_ms(params.value()?)?)?;
        } else if accepts.context && is(word, "context") {
            once(&mut options.context, Bytes::from(context::from_text(params.value()?)?))?;
        } else {
            let expiry =
                if accepts.expiry { expiry::parse(word, &mut params, accepts.command)? } else { None };
            once(&mut options.expiry, expiry.ok_or_else(syntax)?)?;
        }
    }
    Ok(options)
}

/// Fills a place that must be empty.
pub(super) fn once<T>(place: &mut Option<T>, value: T) -> Result<(), WireError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(syntax()),
    }
}

/// `strict` or `sloppy`.
pub(super) fn strictness(word: &[u8]) -> Option<bool> {
    match word {
        word if is(word, "strict") => Some(true),
        word if is(word, "sloppy") => Some(false),
        _ => None,
    }
}

/// `one`, `quorum`, `all`, or a number.
pub(super) fn need(text: &[u8]) -> Result<Need, WireError> {
    match text {
        text if is(text, "one") => Ok(Need::One),
        text if is(text, "quorum") => Ok(Need::Quorum),
        text if is(text, "all") => Ok(Need::All),
        text => match decimal::parse_u64(text) {
            Some(count) if (1..=REPLICAS as u64).contains(&count) => Ok(Need::Count(count as u8)),
            _ => Err(WireError::answer(
                "ERR invalid level: expected one, quorum, all or a number from 1 to 16",
            )),
        },
    }
}

/// A deadline, in milliseconds.
pub(super) fn timeout_ms(text: &[u8]) -> Result<u64, WireError> {
    match decimal::parse_u64(text) {
        Some(ms) if (1..=MAX_TIMEOUT_MS).contains(&ms) => Ok(ms),
        _ => Err(WireError::answer("ERR timeout is not an integer or out of range (1 to 60000 ms)")),
    }
}

// The texts above name these.
const _: () = assert!(REPLICAS == 16 && MAX_TIMEOUT_MS == 60_000);
