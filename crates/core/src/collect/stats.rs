//! How far collection is, in numbers, and for whom it waits.

use crate::{
    coordinator::operation::Members,
    hlc::{Hlc, Now},
    ids::MemberNumber,
    shard::Shard,
};
use alloc::collections::BTreeMap;

/// What a shard has collected, and what waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CollectStats {
    /// Rounds begun as the hub.
    pub rounds_begun: u64,
    /// Of these, rounds that raised the collect line.
    pub rounds_done: u64,
    /// Of these, rounds that came to nothing.
    pub rounds_void: u64,
    /// Messages of rounds sent, for many slots each, without what was fetched.
    pub frames: u64,
    /// Slots of which something was fetched, as the hub or from it.
    pub fetches: u64,
    /// Of these, those that failed.
    pub fetches_failed: u64,
    /// Bytes received by them.
    pub fetched_bytes: u64,
    /// Records collected since the start.
    pub collected: u64,
    /// Slots read through for it.
    pub slots_swept: u64,
    /// Own slots with something that could go if their collect line were here, when all were looked at last.
    pub slots_waiting: u64,
    /// For how long the first of it has been, in milliseconds.
    pub oldest_wait_ms: u64,
}

/// A slot whose rounds come to nothing.
#[derive(Clone, Debug)]
pub(super) struct Wait {
    /// The members that were not there, or hold something older.
    pub(super) on: Members,
}

/// Counters.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) begun: u64,
    pub(super) done: u64,
    pub(super) void: u64,
    pub(super) frames: u64,
    pub(super) fetches: u64,
    pub(super) failed_fetches: u64,
    pub(super) bytes: u64,
    pub(super) collected: u64,
    pub(super) sweeps: u64,
    /// Of the look that is under way, and of the one before.
    looking: Look,
    looked: Look,
}

#[derive(Clone, Copy, Debug, Default)]
struct Look {
    slots: u64,
    oldest_ms: u64,
}

impl Tally {
    /// A slot was looked at: since when it has had something that its collect line keeps, if it has.
    pub(super) fn look(&mut self, since: Option<Hlc>, now: Hlc) {
        let Some(since) = since else { return };
        self.looking.slots += 1;
        self.looking.oldest_ms = self.looking.oldest_ms.max(now.wall_ms().saturating_sub(since.wall_ms()));
    }

    /// All own slots were looked at.
    pub(super) fn look_done(&mut self, _now: Now) {
        self.looked = core::mem::take(&mut self.looking);
    }
}

impl Shard {
    /// Numbers of rounds and collections.
    pub(crate) fn collect_stats(&self) -> CollectStats {
        let tally = &self.collecting.tally;
        CollectStats {
            rounds_begun: tally.begun,
            rounds_done: tally.done,
            rounds_void: tally.void,
            frames: tally.frames,
            fetches: tally.fetches,
            fetches_failed: tally.failed_fetches,
            fetched_bytes: tally.bytes,
            collected: tally.collected,
            slots_swept: tally.sweeps,
            slots_waiting: tally.looked.slots,
            oldest_wait_ms: tally.looked.oldest_ms,
        }
    }

    /// Whether this shard is in the middle of a round, as the hub or as another owner.
    pub fn is_in_round(&self) -> bool {
        !self.collecting.rounds.is_empty() || !self.collecting.notes.is_empty()
    }

    /// For whom the collection of slots waits of which this shard is the hub: members, with the number of slots.
    pub fn collect_waits(&self) -> BTreeMap<MemberNumber, u64> {
        let mut members = BTreeMap::new();
        for member in self.collecting.waits.values().flat_map(|wait| &wait.on) {
            *members.entry(*member).or_default() += 1;
        }
        members
    }
}
