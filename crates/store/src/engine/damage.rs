//! Damage that lookups and merges meet: the table is read through once, by a job, and the slots of all its bad blocks
//! are reported. What was reported is not reported again while the table is there.

use super::Engine;
use crate::{
    damage::SlotRange,
    job::{Job, Work},
    table::{Damage, Table},
};
use clockwise_core::{slot::Slot, storage::LoadError};
use std::{collections::BTreeMap, sync::Arc};

/// What an engine knows of damage.
#[derive(Default)]
pub(super) struct Damages {
    /// By table: what was found when it was read through; `None` while that is under way.
    known: BTreeMap<u64, Option<Vec<SlotRange>>>,
    /// Tables that are to be read through.
    due: Vec<Arc<Table>>,
    /// What was not taken yet.
    found: Vec<SlotRange>,
}

impl Damages {
    /// A table is gone, and its damage with it.
    pub(super) fn forget(&mut self, owner: u64) {
        self.known.remove(&owner);
    }
}

impl Engine {
    /// Slots that damage may have hit, since the last call: what recovery found at the first one, later what lookups
    /// and merges met. They are to be repaired from other replicas.
    pub fn take_damaged(&mut self, ranges: &mut Vec<SlotRange>) {
        ranges.append(&mut self.damages.found);
    }

    /// What recovery found, of this engine's cells.
    pub(crate) fn begin_damaged(&mut self, ranges: &[SlotRange]) {
        let (shards, shard) = (self.settings.shards, self.shard);
        let own = |range: &&SlotRange| usize::from(range.first.cell()) % shards == shard;
        let own: Vec<SlotRange> = ranges.iter().filter(own).copied().collect();
        self.distrust(&own);
        self.damages.found.extend(own);
    }

    /// What cannot be read counts in sums that were kept by writing: they are to be counted anew.
    fn distrust(&mut self, ranges: &[SlotRange]) {
        for slot in ranges.iter().flat_map(|range| range.slots()) {
            let place = self.place(slot);
            self.cells[place].distrust(slot);
        }
    }

    /// A table answered that it is damaged; `slot` is that of the key that was looked for, if it was a lookup.
    pub(super) fn note_damaged(&mut self, place: usize, owner: u64, slot: Option<Slot>) {
        let seen = match self.damages.known.get(&owner) {
            None => false,
            Some(None) => true,
            Some(Some(ranges)) => slot.is_none_or(|slot| ranges.iter().any(|range| range.contains(slot))),
        };
        let table = self.cells[place].tables.iter().find(|table| table.owner() == owner);
        if let (false, Some(table)) = (seen, table) {
            if table.is_broken() {
                // Recovery has reported the whole of it.
                return;
            }
            self.damages.due.push(Arc::clone(table));
            self.damages.known.insert(owner, None);
            self.work_due = true;
        }
    }

    pub(super) fn plan_surveys(&mut self, jobs: &mut Vec<Job>) {
        jobs.extend(self.damages.due.drain(..).map(|table| Job::of(self.shard, Work::Survey(table))));
    }

    /// A table was read through.
    pub(super) fn survey_done(&mut self, owner: u64, damage: &[Damage]) {
        // What the disk failed to answer may be sound.
        let damaged = damage.iter().filter(|block| block.error == LoadError::Damaged);
        let mut ranges: Vec<SlotRange> = Vec::new();
        for range in damaged.map(|block| SlotRange { first: block.first, last: block.last }) {
            match ranges.last_mut().filter(|last| range.first <= last.last) {
                Some(last) => last.last = last.last.max(range.last),
                None => ranges.push(range),
            }
        }
        if ranges.is_empty() {
            // Not seen again: the next one who meets it asks anew.
            self.damages.known.remove(&owner);
            return;
        }
        self.stats.damaged_tables += 1;
        self.distrust(&ranges);
        self.damages.found.extend_from_slice(&ranges);
        self.damages.known.insert(owner, Some(ranges));
    }
}
