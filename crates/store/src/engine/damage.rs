//! Damage that lookups, pages and merges meet: the table is read through once, by a job, and the slots of all its bad blocks
//! are reported. What was reported is not reported again while the table is there.
//!
//! A damaged table is left out of merges, as nobody may take what cannot be read for absent. Once all slots of its bad
//! blocks were dropped, durably, nothing that counts is lost with these blocks: it is written anew without them, or
//! goes whole, and is not damaged any more. A broken table, of which nothing can be read, goes when all slots of its
//! range were dropped.

use super::Engine;
use crate::{
    damage::SlotRange,
    drops::Drops,
    job::{Job, Work},
    table::{Damage, Table},
};
use clockwise_core::{slot::Slot, storage::LoadError};
use std::{collections::BTreeMap, sync::Arc};

/// What an engine knows of damage.
#[derive(Default)]
pub(super) struct Damages {
    /// By table.
    known: BTreeMap<u64, Known>,
    /// Tables that are to be read through.
    due: Vec<Arc<Table>>,
    /// What was not taken yet.
    found: Vec<SlotRange>,
}

/// What is known of a table that answered that it is damaged.
#[derive(Default)]
struct Known {
    /// The slots of its bad blocks, as of the last time that it was read through.
    ranges: Vec<SlotRange>,
    /// It is being read through.
    looking: bool,
    /// A merge wants to know.
    by_merge: bool,
    /// A merge failed, and reading it through brought nothing new: a merge would fail again.
    given_up: bool,
}

impl Damages {
    /// A table is gone, and its damage with it.
    pub(super) fn forget(&mut self, owner: u64) {
        self.known.remove(&owner);
    }

    /// Whether nothing is known of any table, broken ones aside.
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Whether bad blocks or more are known of a table.
    pub(super) fn is_damaged(&self, table: &Table) -> bool {
        let damaged = |known: &Known| known.given_up || !known.ranges.is_empty();
        table.is_broken() || self.known.get(&table.owner()).is_some_and(damaged)
    }

    /// Whether a merge that leaves out what these drops hide can read all that it needs, as far as is known.
    pub(super) fn is_mergeable(&self, table: &Table, drops: &Drops) -> bool {
        let newest = table.info().newest;
        let sound = |known: &Known| {
            let dropped = |range: &SlotRange| drops.hide_all(*range, newest);
            !known.looking && !known.given_up && known.ranges.iter().all(dropped)
        };
        !table.is_broken() && self.known.get(&table.owner()).is_none_or(sound)
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
        self.damages.found.extend(ranges.iter().filter(own));
    }

    /// A lookup of a key of this slot, or a page of it, ended at a table that is damaged.
    pub(super) fn note_damaged(&mut self, place: usize, owner: u64, slot: Slot) {
        let known = self.damages.known.get(&owner);
        let reported = |known: &Known| known.looking || known.ranges.iter().any(|range| range.contains(slot));
        if !known.is_some_and(reported) {
            self.look_through(place, owner, false);
        }
    }

    /// A merge that left out what these drops hide ended at a table that is damaged.
    pub(super) fn note_unmergeable(&mut self, place: usize, table: &Table, drops: &Drops) {
        // Else what is known by now explains it.
        if self.damages.is_mergeable(table, drops) {
            self.look_through(place, table.owner(), true);
        }
    }

    fn look_through(&mut self, place: usize, owner: u64, by_merge: bool) {
        let table = self.cells[place].tables.iter().find(|table| table.owner() == owner);
        // Of a broken one recovery has reported the whole.
        let Some(table) = table.filter(|table| !table.is_broken()) else { return };
        let known = self.damages.known.entry(owner).or_default();
        (known.looking, known.by_merge) = (true, by_merge);
        self.damages.due.push(Arc::clone(table));
        self.work_due = true;
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
        // The table may be gone.
        let Some(known) = self.damages.known.get_mut(&owner) else { return };
        let new: Vec<SlotRange> =
            ranges.iter().filter(|range| !known.ranges.contains(range)).copied().collect();
        known.looking = false;
        known.given_up |= std::mem::take(&mut known.by_merge) && new.is_empty();
        known.ranges = ranges;
        if known.ranges.is_empty() && !known.given_up {
            // Not seen again: the next one who meets it asks anew.
            self.damages.known.remove(&owner);
        }
        self.damages.found.extend(new);
    }

    /// Tables that are damaged, as far as is known.
    pub(super) fn damaged_tables(&self) -> u64 {
        let tables = self.cells.iter().flat_map(|cell| &cell.tables);
        tables.filter(|table| self.damages.is_damaged(table)).count() as u64
    }
}
