//! How far slots that are not complete are, and for whom they wait.

use super::work::Phase;
use crate::{ids::MemberNumber, shard::Shard};
use alloc::collections::BTreeMap;

/// Counts of a shard since it started.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) damaged: u64,
    pub(super) completed: u64,
    pub(super) forced: u64,
    pub(super) offered: u64,
    pub(super) not_offered: u64,
    pub(super) records: u64,
    pub(super) buffered: u64,
    pub(super) discarded: u64,
}

/// Slots that are not complete, in numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FillStats {
    /// Slots of which what can be read is told to other owners now.
    pub slots_salvaging: u64,
    /// Slots that are fetched from other owners now.
    pub slots_filling: u64,
    /// Of both, slots that wait for an owner that gives no answer.
    pub slots_waiting: u64,
    /// Slots that damage has hit.
    pub slots_damaged: u64,
    /// Slots that are complete again.
    pub slots_filled: u64,
    /// Slots that an operator took for complete.
    pub slots_forced: u64,
    /// Writes that were read from damaged slots and settled with other owners.
    pub writes_salvaged: u64,
    /// Versions that could be read and could not be offered: their bytes are freed, or they are of an older program.
    pub versions_not_salvaged: u64,
    /// Records that other owners gave.
    pub records_fetched: u64,
    /// Writes that were acknowledged from the buffer.
    pub writes_buffered: u64,
    /// Times that what was given was discarded and fetched anew.
    pub discarded: u64,
}

impl Shard {
    /// Numbers of slots that are not complete.
    pub(crate) fn fill_stats(&self) -> FillStats {
        let Tally { damaged, completed, forced, offered, not_offered, records, buffered, discarded } =
            self.fills.tally;
        let works = || self.fills.slots.values();
        let filling =
            works().filter(|work| matches!(work.phase, Phase::Filling(_) | Phase::Absorbing(_))).count();
        FillStats {
            slots_salvaging: (self.fills.slots.len() - filling) as u64,
            slots_filling: filling as u64,
            slots_waiting: works().filter(|work| !work.lacks.is_empty()).count() as u64,
            slots_damaged: damaged,
            slots_filled: completed,
            slots_forced: forced,
            writes_salvaged: offered,
            versions_not_salvaged: not_offered,
            records_fetched: records,
            writes_buffered: buffered,
            discarded,
        }
    }

    /// How many slots that are not complete wait for each other owner.
    pub fn fills_wait_for(&self) -> BTreeMap<MemberNumber, u64> {
        let mut waits = BTreeMap::new();
        for owner in self.fills.slots.values().flat_map(|work| &work.lacks) {
            *waits.entry(*owner).or_default() += 1;
        }
        waits
    }
}
