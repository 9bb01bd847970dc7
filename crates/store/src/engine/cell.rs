//! One of a folder's 16 cells: memtables, tables and what is remembered per slot, all in memory or behind
//! handles. Newest first: active memtable, frozen memtables, tables. Starts no work itself.

use super::{
    memtable::{self, Memtable},
    trees::Trees,
};
use crate::{
    drops::Drops,
    limits::{LINES_BYTES, SLOT_SUMS},
    log::batch::{Applied, Change},
    manifest::{Manifest, SlotInfo},
    table::{KeyRef, Table},
};
use bytes::Bytes;
use clockwise_core::{
    ids::Lsn,
    limits::{CELLS, KEY_BYTES, RECORD_BYTES, STORED_SLOTS},
    slot::Slot,
    storage::Mutation,
    tree::Sum,
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

/// A cell.
pub(crate) struct Cell {
    pub(crate) number: u16,
    pub(crate) active: Memtable,
    /// Memtables that are being flushed or wait for it, newest first.
    pub(crate) frozen: VecDeque<Arc<Frozen>>,
    /// Newest first.
    pub(crate) tables: Vec<Arc<Table>>,
    /// How often the tables have changed.
    pub(crate) stage: u64,
    /// For each table: the stage at which it or one behind it last began to say something else, by a flush or by a merge
    /// that left records out. Never grows from a table to an older one. What was read of these tables at this stage or
    /// later is what they say still.
    pub(crate) stages: Vec<u64>,
    /// Live keys by place of the slot.
    live: Vec<i64>,
    /// Sums by place of the slot.
    trees: Trees,
    /// By place of the slot. Usually empty, and looked at by every write: kept apart.
    lines: BTreeMap<usize, Bytes>,
    /// Dropped slots whose older entries may still be somewhere, with the position of the drop. Usually empty.
    dropped: BTreeMap<usize, Lsn>,
    /// Drops whose slots were dropped once more, while no manifest shows the later drop: a merge that may not follow that
    /// one yet follows these, or what they hide would look as new as what it is merged with.
    earlier: Vec<(usize, Lsn)>,
    /// How many drops were forgotten because nothing is left of what they hide: a lookup that began before must look again.
    pub(crate) drops_over: u64,
    /// What the manifest on disk says of the slots.
    pub(crate) flushed_slots: Arc<Vec<SlotInfo>>,
    /// Everything up to here is in the tables.
    pub(crate) flushed: Lsn,
    /// No entry that was merged, and perhaps dropped, is newer than this.
    pub(crate) merged: Lsn,
    pub(crate) next_number: u64,
    /// How much the engine had logged when the active memtable got its first change, in bytes.
    pub(crate) oldest_mark: u64,
    pub(crate) work: Work,
}

/// What is under way for a cell.
#[derive(Default)]
pub(crate) struct Work {
    /// A flush runs or waits to be installed.
    pub(crate) flushing: bool,
    /// Results that the manifest does not show yet.
    pub(crate) edits: Vec<Edit>,
    /// What the manifest that is being written will show.
    pub(crate) installing: Option<Installing>,
    /// Work of this cell failed and is tried again at the next tick.
    pub(crate) resting: bool,
    /// A drop became durable or the tables changed since it was looked whether a table has much that is dropped.
    pub(crate) reclaim_due: bool,
}

/// A change of the set of tables.
pub(crate) enum Edit {
    /// The oldest frozen memtable is in this table (`None` if it held no entry).
    Flushed { frozen: Arc<Frozen>, table: Option<Arc<Table>> },
    /// These tables are replaced by this one (`None` if nothing is left of them).
    Compacted { inputs: Vec<u64>, table: Option<Arc<Table>>, left_out: LeftOut },
}

/// The state that a cell has once the manifest is durable.
pub(crate) struct Installing {
    pub(crate) tables: Vec<Arc<Table>>,
    pub(crate) gone: Vec<Arc<Table>>,
    pub(crate) flushed: Lsn,
    pub(crate) slots: Arc<Vec<SlotInfo>>,
    /// Whether the oldest frozen memtable goes.
    pub(crate) flush: bool,
    /// The compaction of this cell that ends.
    pub(crate) compaction: Option<Compaction>,
}

/// What a compaction came to.
pub(crate) struct Compaction {
    /// The number of the merged table; `None` if nothing is left.
    pub(crate) merged: Option<u64>,
    pub(crate) left_out: LeftOut,
}

/// What a compaction left out, beside what its own inputs replace.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeftOut {
    Nothing,
    /// Records, by the caller's rule; a note hides what older tables say of them.
    Filtered,
    /// Perhaps dropped slots, without a trace.
    Dropped,
}

/// A memtable that takes no more changes, with what was remembered per slot when it was closed.
pub(crate) struct Frozen {
    pub(crate) memtable: Memtable,
    /// How much the engine had logged at its first change, in bytes: the oldest is flushed first.
    pub(crate) oldest_mark: u64,
    pub(crate) slots: Arc<Vec<SlotInfo>>,
}

/// The place of a slot among its cell's.
fn place(slot: Slot) -> usize {
    usize::from(slot.number() / CELLS)
}

impl Cell {
    /// A cell as its manifest describes it.
    pub(crate) fn new(number: u16, manifest: Manifest, tables: Vec<Arc<Table>>) -> Cell {
        let mut live = vec![0; usize::from(STORED_SLOTS / CELLS)];
        let (mut lines, mut dropped) = (BTreeMap::new(), BTreeMap::new());
        let mut trees = Trees::new();
        for info in &manifest.slots {
            live[place(info.slot)] = info.live;
            trees.set(place(info.slot), info.sums.as_deref());
            lines.extend(info.lines.clone().map(|lines| (place(info.slot), lines)));
            dropped.extend((info.dropped.0 > 0).then_some((place(info.slot), info.dropped)));
        }
        Cell {
            number,
            active: Memtable::new(),
            frozen: VecDeque::new(),
            stage: 0,
            stages: vec![0; tables.len()],
            tables,
            live,
            trees,
            lines,
            dropped,
            earlier: Vec::new(),
            drops_over: 0,
            flushed_slots: Arc::new(manifest.slots),
            flushed: manifest.flushed,
            merged: Lsn(0),
            next_number: manifest.next_number,
            oldest_mark: 0,
            work: Work { reclaim_due: true, ..Work::default() },
        }
    }

    pub(crate) fn lines(&self, slot: Slot) -> Option<Bytes> {
        self.lines.get(&place(slot)).cloned()
    }

    pub(crate) fn live(&self, slot: Slot) -> u64 {
        self.live[place(slot)].max(0) as u64
    }

    /// The slot's sums, if they are known.
    pub(crate) fn sums(&self, slot: Slot) -> Option<&[Sum]> {
        self.trees.get(place(slot))
    }

    /// The depth of the slot's tree, if its sums are known.
    #[inline]
    pub(crate) fn tree_depth(&self, slot: Slot) -> Option<u8> {
        self.trees.depth(place(slot))
    }

    /// See [`clockwise_core::storage::Storage::expect_change`].
    #[inline]
    pub(crate) fn expect_change(&self, slot: Slot, key_hash: u64) {
        self.trees.fetch(place(slot), key_hash);
    }

    /// The slot's sums may be wrong from now on.
    pub(crate) fn distrust(&mut self, slot: Slot) {
        if !slot.keeps_hints() {
            self.trees.set(place(slot), None);
        }
    }

    /// Applies a mutation to memory.
    #[inline]
    pub(crate) fn apply(&mut self, seed: u64, slot: Slot, mutation: &Mutation<'_>, lsn: Lsn) {
        match *mutation {
            Mutation::Put { key, record, live, sums } => {
                assert!(key.len() <= KEY_BYTES && record.len() <= RECORD_BYTES, "core keeps these limits");
                self.change(seed, KeyRef { slot, key }, Some(record), live, lsn);
                self.trees.add(place(slot), sums);
            }
            Mutation::Forget { key, live, sums } => {
                assert!(key.len() <= KEY_BYTES, "core keeps this limit");
                self.change(seed, KeyRef { slot, key }, None, live, lsn);
                self.trees.add(place(slot), sums);
            }
            Mutation::Tree { live, sums } => {
                self.live[place(slot)] = live as i64;
                self.trees.set(place(slot), Some(sums));
                self.active.touch(lsn);
            }
            Mutation::Lines(lines) => {
                assert!(lines.len() <= LINES_BYTES, "a slot's lines are short");
                self.lines.insert(place(slot), Bytes::copy_from_slice(lines));
                self.active.touch(lsn);
            }
            Mutation::DropSlot => {
                self.active.drop_slot(slot, lsn);
                let earlier = self.dropped.insert(place(slot), lsn);
                self.earlier.extend(earlier.map(|dropped| (place(slot), dropped)));
                self.live[place(slot)] = 0;
                self.trees.set(place(slot), Some(&[]));
            }
        }
    }

    /// Whether a memtable or table whose last change is at this position shows nothing of a slot, which was dropped
    /// since.
    #[inline]
    pub(crate) fn hides(&self, slot: Slot, newest: Lsn) -> bool {
        !self.dropped.is_empty() && self.dropped.get(&place(slot)).is_some_and(|&dropped| newest < dropped)
    }

    /// The dropped slots, for merges: only drops that are durable, in the log or with the manifest, since what is
    /// removed because of one must not come back without it. (No table is newer than the manifest, so that a merge
    /// meets no other drop between its tables.)
    pub(crate) fn durable_drops(&self, durable: Lsn) -> Drops {
        let durable = durable.max(self.flushed);
        let newest = |(at, dropped)| {
            let earlier = self.earlier.iter().filter(|(of, _)| *of == at).map(|&(_, dropped)| dropped);
            let followed = earlier.chain([dropped]).filter(|dropped| *dropped <= durable).max()?;
            Some((self.slot_at(at)?, followed))
        };
        Drops::new(self.dropped.iter().filter_map(|(&at, &dropped)| newest((at, dropped))).collect())
    }

    /// How many drops there are beside the last of each slot.
    pub(crate) fn earlier_drops(&self) -> usize {
        self.earlier.len()
    }

    /// The dropped slots.
    pub(crate) fn drops(&self) -> Drops {
        Drops::new(self.dropped_slots().collect())
    }

    fn dropped_slots(&self) -> impl Iterator<Item = (Slot, Lsn)> {
        self.dropped.iter().filter_map(|(&at, &dropped)| Some((self.slot_at(at)?, dropped)))
    }

    /// Whether there are drops that may still hide something.
    pub(crate) fn has_drops(&self) -> bool {
        !self.dropped.is_empty()
    }

    fn slot_at(&self, place: usize) -> Option<Slot> {
        Slot::stored(place as u16 * CELLS + self.number)
    }

    /// Forgets drops that hide nothing any more. Looks once at each table that is older than one of them.
    pub(crate) fn forget_drops(&mut self) {
        self.forget_hidden();
        let (dropped, flushed) = (&self.dropped, self.flushed);
        self.earlier.retain(|(at, _)| dropped.get(at).is_some_and(|&dropped| dropped > flushed));
    }

    fn forget_hidden(&mut self) {
        if self.dropped.is_empty() {
            return;
        }
        let drops = self.drops();
        let mut hiding = vec![false; self.live.len()];
        for table in self.tables.iter().filter(|table| drops.can_hide(table.info().newest)) {
            let newest = table.info().newest;
            let mut mark = |slot| hiding[place(slot)] |= drops.hides(slot, newest);
            match table.properties() {
                Some(properties) => properties.slots().for_each(|count| mark(count.slot)),
                None => table.slots().slots().for_each(mark),
            }
        }
        let oldest = self.frozen.iter().map(|frozen| frozen.memtable.last()).min();
        let before = self.dropped.len();
        self.dropped.retain(|&at, &mut dropped| hiding[at] || oldest.is_some_and(|oldest| oldest < dropped));
        self.drops_over += (before - self.dropped.len()) as u64;
    }

    #[inline]
    fn change(&mut self, seed: u64, key: KeyRef<'_>, record: Option<&[u8]>, live: i8, lsn: Lsn) {
        debug_assert!((-1..=1).contains(&live));
        self.active.put(memtable::hash(seed, key), key, record, lsn);
        if live != 0 {
            self.live[place(key.slot)] += i64::from(live);
        }
    }

    /// Applies what the log says, if the tables do not hold it already.
    pub(crate) fn replay(&mut self, seed: u64, applied: &Applied) -> bool {
        if applied.lsn <= self.flushed {
            return false;
        }
        for change in &applied.changes {
            let mutation = match change {
                Change::Put { key, record, live, sums } => {
                    let sums = self.believe(applied.slot, sums.as_deref());
                    Mutation::Put { key, record, live: *live, sums }
                }
                Change::Forget { key, live, sums } => {
                    let sums = self.believe(applied.slot, sums.as_deref());
                    Mutation::Forget { key, live: *live, sums }
                }
                Change::Tree { live, sums } => Mutation::Tree { live: *live, sums },
                Change::Lines(lines) if lines.len() > LINES_BYTES => continue,
                Change::Lines(lines) => Mutation::Lines(lines),
                Change::DropSlot => Mutation::DropSlot,
            };
            self.apply(seed, applied.slot, &mutation, applied.lsn);
        }
        // An empty list of changes has a position as well.
        self.active.touch(applied.lsn);
        true
    }

    /// The deltas of a replayed change. An old log has none: then nobody knows the sums any more.
    fn believe<'a>(&mut self, slot: Slot, sums: Option<&'a [Sum]>) -> &'a [Sum] {
        if sums.is_none() {
            self.distrust(slot);
        }
        sums.unwrap_or_default()
    }

    /// What memory knows of a key, and whether it is in a memtable at all.
    #[inline]
    pub(crate) fn in_memory(&self, seed: u64, key: KeyRef<'_>) -> Option<(Option<Bytes>, Lsn)> {
        let hash = memtable::hash(seed, key);
        let shown = |frozen: &&Arc<Frozen>| !self.hides(key.slot, frozen.memtable.last());
        let frozen = || self.frozen.iter().filter(shown).find_map(|frozen| frozen.memtable.get(hash, key));
        self.active.get(hash, key).or_else(frozen)
    }

    /// Closes the active memtable; answers its size in bytes.
    pub(crate) fn freeze(&mut self) -> usize {
        let memtable = std::mem::replace(&mut self.active, Memtable::new());
        let bytes = memtable.bytes();
        let remembered = self.live.iter().enumerate().filter_map(|(at, &live)| {
            let slot = self.slot_at(at)?;
            let lines = self.lines.get(&at).cloned();
            let dropped = self.dropped.get(&at).copied().unwrap_or_default();
            let sums = self.trees.shared(at).filter(|sums| sums.len() <= SLOT_SUMS);
            let tree = sums.as_ref().is_none_or(|sums| !sums.is_empty());
            let worth = live != 0 || lines.is_some() || dropped.0 > 0 || tree;
            worth.then_some(SlotInfo { slot, live, lines, dropped, sums })
        });
        let slots = Arc::new(remembered.collect());
        self.frozen.push_front(Arc::new(Frozen { memtable, oldest_mark: self.oldest_mark, slots }));
        bytes
    }

    /// The tables become these.
    pub(crate) fn show(&mut self, tables: Vec<Arc<Table>>, compaction: Option<&Compaction>) {
        self.stage += 1;
        let stage_of = |number: u64| {
            let at = self.tables.iter().position(|table| table.info().number == number);
            at.map(|at| self.stages[at])
        };
        let stays = |of: &Table| tables.iter().any(|table| table.info().number == of.info().number);
        let gone = self.tables.iter().zip(&self.stages).filter(|(table, _)| !stays(table));
        let of_inputs = gone.map(|(_, &stage)| stage).max().unwrap_or(self.stage);
        let stage = |table: &Arc<Table>| match (stage_of(table.info().number), compaction) {
            // What was left out may be known from before, and any other table may seem to hold it.
            (_, Some(Compaction { left_out: LeftOut::Dropped, .. })) => self.stage,
            (Some(_), Some(Compaction { merged: None, left_out: LeftOut::Filtered })) => self.stage,
            (Some(stage), _) => stage,
            (None, Some(Compaction { merged, left_out: LeftOut::Nothing }))
                if *merged == Some(table.info().number) =>
            {
                of_inputs
            }
            _ => self.stage,
        };
        let mut stages: Vec<u64> = tables.iter().map(stage).collect();
        let mut behind = 0;
        for stage in stages.iter_mut().rev() {
            behind = behind.max(*stage);
            *stage = behind;
        }
        (self.tables, self.stages) = (tables, stages);
    }

    /// Begins to install all edits: what the cell will be, and the manifest that says so.
    pub(crate) fn begin_install(&mut self) -> Manifest {
        let mut next = Installing {
            tables: self.tables.clone(),
            gone: Vec::new(),
            flushed: self.flushed,
            slots: Arc::clone(&self.flushed_slots),
            flush: false,
            compaction: None,
        };
        for edit in self.work.edits.drain(..) {
            match edit {
                Edit::Flushed { frozen, table } => {
                    next.flush = true;
                    next.flushed = frozen.memtable.last();
                    next.slots = Arc::clone(&frozen.slots);
                    next.tables.splice(..0, table);
                }
                Edit::Compacted { inputs, table, left_out } => {
                    let merged = table.as_ref().map(|table| table.info().number);
                    next.compaction = Some(Compaction { merged, left_out });
                    let is_input = |table: &Arc<Table>| inputs.contains(&table.info().number);
                    let start =
                        next.tables.iter().position(is_input).expect("only compaction removes tables");
                    let end = start + inputs.len();
                    next.gone.extend(next.tables.splice(start..end, table));
                    assert!(next.gone.iter().rev().take(inputs.len()).all(is_input), "runs are contiguous");
                }
            }
        }
        let manifest = Manifest {
            flushed: next.flushed,
            next_number: self.next_number,
            tables: next.tables.iter().map(|table| table.info().clone()).collect(),
            slots: next.slots.to_vec(),
        };
        self.work.installing = Some(next);
        manifest
    }
}
