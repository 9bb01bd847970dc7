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
use std::{collections::BTreeMap, sync::Arc};

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

const _: () = assert!(ROW_SUMS < MANY as usize && STORED_SLOTS / CELLS < NO_ROW);

/// The sums of one slot; of those that are not used the value is 0. Two sums share a cache line.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Row([Sum; ROW_SUMS]);

/// What is known of a slot.
#[derive(Clone, Copy)]
struct Head {
    row: u16,
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
    /// By place of the slot: more than fit into a row.
    many: BTreeMap<usize, Vec<Sum>>,
}

impl Trees {
    /// No slot has any.
    pub(crate) fn new() -> Trees {
        let head = Head { row: NO_ROW, sums: 0, depth: TREE_DEPTH_LEAST };
        Trees {
            heads: vec![head; usize::from(STORED_SLOTS / CELLS)],
            rows: Vec::new(),
            many: BTreeMap::new(),
        }
    }

    pub(crate) fn get(&self, place: usize) -> Option<&[Sum]> {
        let head = self.heads[place];
        match head.sums {
            UNKNOWN => None,
            MANY => self.many.get(&place).map(Vec::as_slice),
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

    /// For a manifest: what it is now, whatever comes.
    pub(crate) fn shared(&self, place: usize) -> Tree {
        self.get(place).map(Arc::from)
    }

    pub(crate) fn set(&mut self, place: usize, sums: Option<&[Sum]>) {
        self.many.remove(&place);
        self.heads[place].sums = match sums {
            None => UNKNOWN,
            Some([]) => 0,
            Some(sums) if sums.len() <= ROW_SUMS => {
                self.row(place)[..sums.len()].copy_from_slice(sums);
                sums.len() as u8
            }
            Some(sums) => {
                self.many.insert(place, sums.to_vec());
                MANY
            }
        };
        self.heads[place].depth = tree::depth(sums.unwrap_or_default());
    }

    /// Adds to sums that are known.
    #[inline]
    pub(crate) fn add(&mut self, place: usize, deltas: &[Sum]) {
        for delta in deltas {
            match self.heads[place] {
                Head { sums: UNKNOWN, .. } => return,
                Head { sums: MANY, .. } => self.add_to_many(place, *delta),
                head => self.add_to_row(place, head, *delta),
            }
        }
    }

    #[inline]
    fn add_to_row(&mut self, place: usize, head: Head, delta: Sum) {
        let used = usize::from(head.sums);
        if used > 0 {
            let row = &mut self.rows[usize::from(head.row)].0[..used];
            // Where it is if no leaf is missing: then nothing else of the row is looked at.
            let leaf = delta.name.wrapping_sub(1 << head.depth) as usize;
            if let Some(sum) = row.get_mut(leaf)
                && sum.name == delta.name
                && sum.value.wrapping_add(delta.value) != 0
            {
                sum.value = sum.value.wrapping_add(delta.value);
                return;
            }
        }
        self.change_row(place, used, delta);
    }

    /// A sum of a row that comes, goes or is not where it would be among all leaves.
    fn change_row(&mut self, place: usize, used: usize, delta: Sum) {
        let row = self.row(place);
        let sums = match row[..used].binary_search_by_key(&delta.name, |sum| sum.name) {
            Ok(at) => {
                let value = row[at].value.wrapping_add(delta.value);
                row[at].value = value;
                if value != 0 {
                    return;
                }
                row.copy_within(at + 1..used, at);
                used - 1
            }
            Err(_) if delta.value == 0 => return,
            Err(at) if used < ROW_SUMS => {
                row.copy_within(at..used, at + 1);
                row[at] = delta;
                used + 1
            }
            Err(_) => {
                let list = row.to_vec();
                self.many.insert(place, list);
                self.heads[place].sums = MANY;
                return self.add_to_many(place, delta);
            }
        };
        let depth = tree::depth(&row[..sums]);
        let head = &mut self.heads[place];
        (head.sums, head.depth) = (sums as u8, depth);
    }

    fn add_to_many(&mut self, place: usize, delta: Sum) {
        let Some(list) = self.many.get_mut(&place) else { return };
        tree::add(list, delta);
        self.heads[place].depth = tree::depth(list);
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

#[cfg(test)]
mod tests;
