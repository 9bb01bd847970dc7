//! What a slot remembers of records that left.
use super::Record;
use crate::{hlc::Hlc, ids::Actor, varint::Malformed};
use alloc::vec::Vec;
use bytes::Bytes;

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
    /// The record is collected: dead everywhere.
    pub fn collected(&mut self, me: Actor, record: &Record) {
        let _ = (me, record);
        todo!()
    }
    /// The record is handed over: alive elsewhere.
    pub fn handed_over(&mut self, me: Actor, record: &Record) {
        let _ = (me, record);
        todo!()
    }
    /// Appends the stored form.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let _ = out;
        todo!()
    }
    /// Reads the stored form.
    pub fn decode(bytes: Bytes) -> Result<SlotLines, Malformed> {
        let _ = bytes;
        todo!()
    }
}
