//! When a value is to be hidden: `EX`, `PX`, `EXAT`, `PXAT`.

use super::params::{Params, is};
use crate::error::{Text, WireError};
use alloc::format;

/// When a value is to be hidden.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expiry {
    /// This many milliseconds from now, at least 1.
    InMs(u64),
    /// At this instant, in wall-clock milliseconds since the Unix epoch, at least 1; may be past.
    AtMs(u64),
}

/// Furthest that an expiry may be, in milliseconds: added to any wall clock it still fits.
const FURTHEST_MS: i64 = i64::MAX / 2;

impl Expiry {
    /// The instant, in wall-clock milliseconds, seen from `wall_ms`.
    pub fn at_ms(self, wall_ms: u64) -> u64 {
        match self {
            Expiry::InMs(ms) => wall_ms.saturating_add(ms),
            Expiry::AtMs(ms) => ms,
        }
    }
}

/// Reads the number behind one of the four words; `None` if the word is none of them.
pub(super) fn parse(
    word: &[u8],
    params: &mut Params<'_>,
    command: &str,
) -> Result<Option<Expiry>, WireError> {
    let (unit_ms, absolute) = match word {
        word if is(word, "ex") => (1000, false),
        word if is(word, "px") => (1, false),
        word if is(word, "exat") => (1000, true),
        word if is(word, "pxat") => (1, true),
        _ => return Ok(None),
    };
    let number = params.integer()?;
    match number.checked_mul(unit_ms) {
        Some(ms @ 1..=FURTHEST_MS) if absolute => Ok(Some(Expiry::AtMs(ms as u64))),
        Some(ms @ 1..=FURTHEST_MS) => Ok(Some(Expiry::InMs(ms as u64))),
        _ => Err(WireError::Answer(Text::Owned(format!("ERR invalid expire time in '{command}' command")))),
    }
}
