//! Bytes: the small pieces that all formats of this room are made of.
//!
//! Every value has exactly one form and decoding takes no other: what decodes, encodes to the same bytes. So
//! equal bytes are equal values, and a form that nobody can have written is found at once.
//!
//! Decoding checks form, not sense; [`super::Record::check`] checks sense.

mod dot_set;
mod record;
mod token;
mod write;

use super::{COUNTER_MAX, Mark};
use crate::{
    hlc::Hlc,
    ids::{Actor, Dot, MemberNumber},
    varint::{Malformed, Reader, put_u64},
};
use alloc::vec::Vec;
use bytes::Bytes;

/// The incarnation that takes no byte: nearly every actor is in its first life.
const FIRST_LIFE: u32 = 1;

/// A LEB128 integer that is no longer than it must be.
pub(super) fn minimal_u64(reader: &mut Reader) -> Result<u64, Malformed> {
    let before = reader.remaining();
    let value = reader.u64()?;
    let significant_bits = 64 - (value | 1).leading_zeros() as usize;
    if before - reader.remaining() == significant_bits.div_ceil(7) { Ok(value) } else { Err(Malformed) }
}

fn minimal_u32(reader: &mut Reader) -> Result<u32, Malformed> {
    u32::try_from(minimal_u64(reader)?).map_err(|_| Malformed)
}

/// Bytes behind their length, sharing the buffer.
fn get_bytes(reader: &mut Reader, limit: usize) -> Result<Bytes, Malformed> {
    let length = usize::try_from(minimal_u64(reader)?).map_err(|_| Malformed)?;
    if length > limit { Err(Malformed) } else { reader.take(length) }
}

/// Eight bytes: a time of this century would take nine as a varint.
pub(super) fn put_time(out: &mut Vec<u8>, time: Hlc) {
    out.extend_from_slice(&time.0.to_le_bytes());
}

pub(super) fn get_time(reader: &mut Reader) -> Result<Hlc, Malformed> {
    reader.array().map(|bytes| Hlc(u64::from_le_bytes(bytes)))
}

/// A time as its distance below `base`. Wraps, so that even a record that breaks the rules keeps its times.
fn put_time_below(out: &mut Vec<u8>, base: Hlc, time: Hlc) {
    put_u64(out, base.0.wrapping_sub(time.0));
}

fn get_time_below(reader: &mut Reader, base: Hlc) -> Result<Hlc, Malformed> {
    Ok(Hlc(base.0.wrapping_sub(minimal_u64(reader)?)))
}

/// `member << 1 | later life`, then the incarnation of a later life.
pub(super) fn put_actor(out: &mut Vec<u8>, actor: Actor) {
    let later = actor.incarnation != FIRST_LIFE;
    put_u64(out, u64::from(actor.member.0) << 1 | u64::from(later));
    if later {
        put_u64(out, u64::from(actor.incarnation));
    }
}

pub(super) fn get_actor(reader: &mut Reader) -> Result<Actor, Malformed> {
    let head = minimal_u64(reader)?;
    let member = MemberNumber(u32::try_from(head >> 1).map_err(|_| Malformed)?);
    Ok(Actor { member, incarnation: get_incarnation(reader, head & 1 == 1)? })
}

fn get_incarnation(reader: &mut Reader, later: bool) -> Result<u32, Malformed> {
    if !later {
        return Ok(FIRST_LIFE);
    }
    let incarnation = minimal_u32(reader)?;
    if incarnation == FIRST_LIFE { Err(Malformed) } else { Ok(incarnation) }
}

fn put_dot(out: &mut Vec<u8>, dot: Dot) {
    put_actor(out, dot.actor);
    put_u64(out, dot.counter);
}

fn get_dot(reader: &mut Reader) -> Result<Dot, Malformed> {
    let actor = get_actor(reader)?;
    let counter = minimal_u64(reader)?;
    if (1..=COUNTER_MAX).contains(&counter) { Ok(Dot { actor, counter }) } else { Err(Malformed) }
}

/// 0, or 1 with the dot and the time below `base`.
fn put_mark(out: &mut Vec<u8>, mark: Mark, base: Hlc) {
    out.push(u8::from(mark.is_some()));
    if let Some((time, dot)) = mark {
        put_dot(out, dot);
        put_time_below(out, base, time);
    }
}

fn get_mark(reader: &mut Reader, base: Hlc) -> Result<Mark, Malformed> {
    match reader.u8()? {
        0 => Ok(None),
        1 => {
            let dot = get_dot(reader)?;
            Ok(Some((get_time_below(reader, base)?, dot)))
        }
        _ => Err(Malformed),
    }
}
