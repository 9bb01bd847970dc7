//! The sums of a cell's slots, in memory. Changed with the memtable, logged with the change, kept by the manifest; see
//! `clockwise_core::tree` for what they are. Knows no key and no record.
//!
//! Every write changes one sum of a slot that nobody touched for a while, so what counts is how many places in memory it
//! visits: the sums of a slot lie in one row, and what has to be known first of all slots is small and lies together.
//! Only slots with many leaves or buckets have a list of their own.

use clockwise_core::{
    limits::{CELLS, STORED_SLOTS, TREE_DEPTH_LEAST},
    tree::{self, Sum},
};
use std::sync::Arc;

/// The sums of one slot, as a manifest keeps them. `None`: not known.
pub(crate) type Tree = Option<Arc<[Sum]>>;

/// Sums of a row: the leaves of a slot that was never split.
const ROW_SUMS: usize = 1 << TREE_DEPTH_LEAST;
/// In the place of the number of sums: they are in a list of their own.
const MANY: u8 = 254;
/// In the place of the number of sums: nobody knows.
const UNKNOWN: u8 = 255;
/// No row yet.
const NO_ROW: u16 = u16::MAX;
/// Slots of a cell, of keys and of hints.
const PLACES: usize = (STORED_SLOTS / CELLS) as usize;

const _: () = assert!(ROW_SUMS == u16::BITS as usize && ROW_SUMS < MANY as usize && PLACES < NO_ROW as usize);

/// The sums of one slot, in order; behind them is nothing of interest. Two share a cache line.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Row([Sum; ROW_SUMS]);

/// What is known of a slot.
#[derive(Clone, Copy)]
struct Head {
    row: u16,
    /// Which leaves of a tree of the least depth are in the row: one bit each.
    leaves: u16,
    /// How many sums of the row there are, [`MANY`] or [`UNKNOWN`].
    sums: u8,
    /// What [`tree::depth`] says of the sums.
    depth: u8,
}

/// See the module.
pub(crate) struct Trees {
    /// By place of the slot.
    heads: Vec<Head>,
    rows: Vec<Row>,
    /// By place of the slot: more than fit into a row. No places at all if no slot has so many.
    many: Vec<Vec<Sum>>,
}

impl Trees {
    /// No slot has any.
    pub(crate) fn new() -> Trees {
        let head = Head { row: NO_ROW, leaves: 0, sums: 0, depth: TREE_DEPTH_LEAST };
        Trees { heads: vec![head; PLACES], rows: Vec::new(), many: Vec::new() }
    }

    pub(crate) fn get(&self, place: usize) -> Option<&[Sum]> {
        let head = self.heads[place];
        match head.sums {
            UNKNOWN => None,
            MANY => Some(&self.many[place]),
            0 => Some(&[]),
            sums => Some(&self.rows[usize::from(head.row)].0[..usize::from(sums)]),
        }
    }

    /// The depth of a tree that is known.
    #[inline]
    pub(crate) fn depth(&self, place: usize) -> Option<u8> {
        let head = self.heads[place];
        (head.sums != UNKNOWN).then_some(head.depth)
    }

    /// Brings the leaf of a key near. The processor goes on with what follows meanwhile, as nothing depends on it but a
    /// branch that is never taken (not even a store, behind which others would wait): beside a lookup, which waits for
    /// memory a few times in a row, it costs next to nothing.
    #[inline]
    pub(crate) fn fetch(&self, place: usize, key_hash: u64) {
        let head = self.heads[place];
        let leaf = tree::leaf_place(key_hash, head.depth);
        let sum = match head.sums {
            0 | UNKNOWN => None,
            MANY => self.many[place].get(leaf),
            _ => head.place_of(leaf).map(|at| &self.rows[usize::from(head.row)].0[at]),
        };
        if sum.is_some_and(|sum| sum.name == 0) {
            no_name();
        }
    }

    /// For a manifest: what it is now, whatever comes.
    pub(crate) fn shared(&self, place: usize) -> Tree {
        self.get(place).map(Arc::from)
    }

    pub(crate) fn set(&mut self, place: usize, sums: Option<&[Sum]>) {
        if let Some(list) = self.many.get_mut(place) {
            *list = Vec::new();
        }
        let Some(sums) = sums else { return self.heads[place].sums = UNKNOWN };
        self.set_known(place, sums);
    }

    fn set_known(&mut self, place: usize, sums: &[Sum]) {
        match sums.len() {
            0 => self.heads[place].describe(sums),
            1..=ROW_SUMS => {
                self.row(place)[..sums.len()].copy_from_slice(sums);
                self.heads[place].describe(sums);
            }
            _ => self.list(place, sums.to_vec()),
        }
    }

    /// Adds to sums that are known.
    #[inline]
    pub(crate) fn add(&mut self, place: usize, deltas: &[Sum]) {
        for delta in deltas {
            let head = self.heads[place];
            // Where a leaf is if it is there: then nothing else is looked at.
            let leaf = delta.name.wrapping_sub(1 << head.depth) as usize;
            let sum = match head.sums {
                UNKNOWN => return,
                0 => None,
                MANY => self.many[place].get_mut(leaf),
                _ => head.place_of(leaf).map(|at| &mut self.rows[usize::from(head.row)].0[at]),
            };
            match sum.filter(|sum| sum.name == delta.name) {
                Some(sum) if sum.value.wrapping_add(delta.value) != 0 => {
                    sum.value = sum.value.wrapping_add(delta.value);
                }
                _ => self.change(place, head, *delta),
            }
        }
    }

    /// A sum that comes, goes or is not a leaf in its place.
    fn change(&mut self, place: usize, head: Head, delta: Sum) {
        if head.sums == MANY {
            tree::add(&mut self.many[place], delta);
            self.heads[place].depth = tree::depth(&self.many[place]);
            return;
        }
        let used = usize::from(head.sums);
        let row = &mut self.row(place)[..used];
        if let Ok(at) = row.binary_search_by_key(&delta.name, |sum| sum.name)
            && row[at].value.wrapping_add(delta.value) != 0
        {
            row[at].value = row[at].value.wrapping_add(delta.value);
            return;
        }
        let mut sums = row.to_vec();
        tree::add(&mut sums, delta);
        self.set_known(place, &sums);
    }

    /// The slot has more than a row.
    fn list(&mut self, place: usize, sums: Vec<Sum>) {
        let head = &mut self.heads[place];
        (head.sums, head.depth) = (MANY, tree::depth(&sums));
        if self.many.is_empty() {
            self.many.resize(PLACES, Vec::new());
        }
        self.many[place] = sums;
    }

    /// The row of a slot, which gets one if it has none.
    fn row(&mut self, place: usize) -> &mut [Sum; ROW_SUMS] {
        let head = &mut self.heads[place];
        if head.row == NO_ROW {
            head.row = self.rows.len() as u16;
            self.rows.push(Row([Sum { name: 0, value: 0 }; ROW_SUMS]));
        }
        &mut self.rows[usize::from(head.row)].0
    }
}

/// No sum has the name 0. What is to be loaded must be used for something.
#[cold]
#[inline(never)]
fn no_name() {
    std::hint::black_box(());
}

impl Head {
    /// Notes what the row holds.
    fn describe(&mut self, sums: &[Sum]) {
        (self.sums, self.depth) = (sums.len() as u8, tree::depth(sums));
        let leaf =
            |sum: &Sum| sum.name.checked_sub(1 << TREE_DEPTH_LEAST).filter(|leaf| *leaf < ROW_SUMS as u64);
        // Other depths are not looked for in this way.
        let leaves = sums.iter().filter(|_| self.depth == TREE_DEPTH_LEAST).filter_map(leaf);
        self.leaves = leaves.fold(0, |leaves, leaf| leaves | 1 << leaf);
    }

    /// Where in the row a leaf is.
    #[inline]
    fn place_of(self, leaf: usize) -> Option<usize> {
        let before = 1u16.checked_shl(leaf as u32)?;
        (leaf < ROW_SUMS && self.leaves & before != 0)
            .then(|| (self.leaves & (before - 1)).count_ones() as usize)
    }
}

#[cfg(test)]
mod tests;
