//! What a slot remembers of records that left it.
//!
//! Lines only rise. `gone` is never above `used`. Only the own actor's counters are remembered: claiming to have
//! seen another's would hide writes of it that are still on their way.
//!
//! When a record may leave, and in which batch the lines become durable, is decided elsewhere.

use super::{
    COUNTER_MAX, Record,
    codec::{get_actor, get_time, minimal_u64, put_actor, put_time},
};
use crate::{
    hlc::Hlc,
    ids::Actor,
    varint::{Malformed, Reader, put_u64},
};
use alloc::vec::Vec;
use bytes::Bytes;

/// First byte of the stored form.
const FORMAT: u8 = 2;
/// The form before slots had a state: all of them were complete.
const FORMAT_WITHOUT_STATE: u8 = 1;

/// What an owner's copy of a slot is worth.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum SlotState {
    /// All that this owner has taken is there: it may be read, and what lacks in it lacks.
    #[default]
    Complete,
    /// Damage may have hit it: what can be read is told to the other owners, and nothing else is made of it.
    Salvaging,
    /// It began anew from nothing and fetches what the other owners have. `lined`: it has the lines of one of them, so
    /// that it may acknowledge writes.
    Filling {
        /// Whether it has taken the lines of a complete owner.
        lined: bool,
    },
}

impl SlotState {
    fn number(self) -> u8 {
        match self {
            SlotState::Complete => 0,
            SlotState::Salvaging => 1,
            SlotState::Filling { lined: false } => 2,
            SlotState::Filling { lined: true } => 3,
        }
    }

    fn from_number(number: u8) -> Result<SlotState, Malformed> {
        Ok(match number {
            0 => SlotState::Complete,
            1 => SlotState::Salvaging,
            2 => SlotState::Filling { lined: false },
            3 => SlotState::Filling { lined: true },
            _ => return Err(Malformed),
        })
    }
}

/// Per slot and own actor: what outlives forgotten records.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SlotLines {
    /// Refuse line g: nothing unknown at or below it is taken any more.
    pub refuse: Hlc,
    /// Collect line W, never above `refuse`.
    pub collect: Hlc,
    /// The actor whose counters `used` and `gone` are; with another actor they count as 0.
    pub actor: Option<Actor>,
    /// The next counter is above this.
    pub used: u64,
    /// Counters up to here may be alive elsewhere: a fill must not claim them.
    pub gone: u64,
    /// The next time is above this.
    pub time_floor: Hlc,
    /// What the copy of an owner is worth.
    pub state: SlotState,
}

impl SlotLines {
    /// `used` for this actor.
    pub fn used(&self, me: Actor) -> u64 {
        if self.actor == Some(me) { self.used } else { 0 }
    }

    /// `gone` for this actor.
    pub fn gone(&self, me: Actor) -> u64 {
        if self.actor == Some(me) { self.gone } else { 0 }
    }

    /// The record is collected: dead everywhere. No floor of time is needed, because all its times are at or
    /// below `collect`.
    pub fn collected(&mut self, me: Actor, record: &Record) {
        self.take_actor(me);
        self.used = self.used.max(record.seen.top(me));
    }

    /// The record is handed over: alive elsewhere. Later writes of this actor must neither claim its counters nor
    /// fall behind its times.
    pub fn handed_over(&mut self, me: Actor, record: &Record) {
        self.take_actor(me);
        self.used = self.used.max(record.seen.top(me));
        self.gone = self.gone.max(record.seen.top(me));
        self.time_floor = self.time_floor.max(record.hi);
    }

    /// The stand-in minted a write that it holds: its counter is used from now on.
    pub fn held(&mut self, me: Actor, counter: u64) {
        self.take_actor(me);
        self.used = self.used.max(counter);
    }

    /// These lines, and what the same server remembers of the slot in its other role: as a stand-in beside an owner, or
    /// as an owner of before beside a stand-in. All that it minted there may be alive where this role does not see it.
    pub fn beside(mut self, me: Actor, other: &SlotLines) -> SlotLines {
        self.time_floor = self.time_floor.max(other.time_floor).max(other.refuse).max(other.collect);
        if other.used(me) > 0 {
            self.take_actor(me);
            self.used = self.used.max(other.used);
            self.gone = self.gone.max(other.used);
        }
        self
    }

    /// A new actor has minted nothing yet.
    fn take_actor(&mut self, me: Actor) {
        if self.actor != Some(me) {
            (self.actor, self.used, self.gone) = (Some(me), 0, 0);
        }
    }

    /// Appends the stored form.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(FORMAT);
        out.push(self.state.number());
        put_time(out, self.refuse);
        put_time(out, self.collect);
        put_time(out, self.time_floor);
        let Some(actor) = self.actor else { return };
        put_actor(out, actor);
        put_u64(out, self.used);
        put_u64(out, self.gone);
    }

    /// Reads the stored form.
    pub fn decode(bytes: Bytes) -> Result<SlotLines, Malformed> {
        let mut reader = Reader::new(bytes);
        let state = match reader.u8()? {
            FORMAT_WITHOUT_STATE => SlotState::Complete,
            FORMAT => SlotState::from_number(reader.u8()?)?,
            _ => return Err(Malformed),
        };
        let refuse = get_time(&mut reader)?;
        let collect = get_time(&mut reader)?;
        let time_floor = get_time(&mut reader)?;
        let (mut actor, mut used, mut gone) = (None, 0, 0);
        if reader.remaining() > 0 {
            actor = Some(get_actor(&mut reader)?);
            used = minimal_u64(&mut reader)?;
            gone = minimal_u64(&mut reader)?;
        }
        reader.end()?;
        if collect > refuse || gone > used || used > COUNTER_MAX {
            return Err(Malformed);
        }
        Ok(SlotLines { refuse, collect, actor, used, gone, time_floor, state })
    }
}
