//! Bytes of a set of dots: two or three a server in the usual case.
//!
//! ```text
//! set   = number of actors · actor …                     in order
//! actor = head · [incarnation] · body
//! head  = (member − member before) << 2 | later life << 1 | ranges
//! body  = highest counter                                 ranges = 0: one range from 1
//!       | number of ranges · (gap · counters − 1) …       ranges = 1
//! gap   = counters left out since the range before, less the one that must be
//! ```

use super::{FIRST_LIFE, get_incarnation, minimal_u64};
use crate::{
    ids::{Actor, MemberNumber},
    limits::DOT_RANGES,
    varint::{Malformed, Reader, put_u64},
    version::{COUNTER_MAX, DotRange, DotSet},
};
use alloc::vec::Vec;

impl DotSet {
    /// Appends its form.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let groups = || self.ranges().chunk_by(|a, b| a.actor == b.actor);
        put_u64(out, groups().count() as u64);
        let mut member_before = 0;
        for ranges in groups() {
            let Actor { member, incarnation } = ranges[0].actor;
            let later = incarnation != FIRST_LIFE;
            let plain = ranges.len() == 1 && ranges[0].lo == 1;
            let head = u64::from(member.0 - member_before) << 2 | u64::from(later) << 1 | u64::from(!plain);
            member_before = member.0;
            put_u64(out, head);
            if later {
                put_u64(out, u64::from(incarnation));
            }
            if plain {
                put_u64(out, ranges[0].hi);
            } else {
                put_ranges(out, ranges);
            }
        }
    }

    /// Reads its form.
    pub fn decode(reader: &mut Reader) -> Result<DotSet, Malformed> {
        let mut set = DotSet::EMPTY;
        let actors = minimal_u64(reader)?;
        let mut member_before = 0u32;
        for _ in 0..actors {
            let head = minimal_u64(reader)?;
            let step = u32::try_from(head >> 2).map_err(|_| Malformed)?;
            let member = member_before.checked_add(step).ok_or(Malformed)?;
            member_before = member;
            let actor =
                Actor { member: MemberNumber(member), incarnation: get_incarnation(reader, head & 2 != 0)? };
            if set.ranges().last().is_some_and(|last| last.actor >= actor) {
                return Err(Malformed);
            }
            if head & 1 == 0 {
                push(&mut set, actor, 1, minimal_u64(reader)?)?;
            } else {
                get_ranges(reader, &mut set, actor)?;
            }
        }
        Ok(set)
    }
}

fn put_ranges(out: &mut Vec<u8>, ranges: &[DotRange]) {
    put_u64(out, ranges.len() as u64);
    let mut lowest = 1;
    for range in ranges {
        put_u64(out, range.lo - lowest);
        put_u64(out, range.hi - range.lo);
        // The next range leaves out at least one counter, or it would be part of this one.
        lowest = range.hi + 2;
    }
}

fn get_ranges(reader: &mut Reader, set: &mut DotSet, actor: Actor) -> Result<(), Malformed> {
    let count = minimal_u64(reader)?;
    let mut lowest = 1u64;
    for _ in 0..count {
        let lo = lowest.checked_add(minimal_u64(reader)?).ok_or(Malformed)?;
        let hi = lo.checked_add(minimal_u64(reader)?).ok_or(Malformed)?;
        if count == 1 && lo == 1 {
            return Err(Malformed);
        }
        push(set, actor, lo, hi)?;
        lowest = hi + 2;
    }
    if count == 0 { Err(Malformed) } else { Ok(()) }
}

fn push(set: &mut DotSet, actor: Actor, lo: u64, hi: u64) -> Result<(), Malformed> {
    let sound = lo <= hi && hi <= COUNTER_MAX && set.ranges().len() < DOT_RANGES;
    if sound && set.push_behind(DotRange { actor, lo, hi }) { Ok(()) } else { Err(Malformed) }
}
