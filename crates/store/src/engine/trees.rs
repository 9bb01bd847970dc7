//! The sums of a cell's slots, in memory. Changed with the memtable, logged with the change, kept by the manifest; see
//! `clockwise_core::tree` for what they are. Knows no key and no record.

use clockwise_core::{
    limits::{CELLS, STORED_SLOTS},
    tree::Sum,
};
use std::sync::Arc;

/// The sums of one slot: shared with what was frozen, and copied at the next change. `None`: not known.
pub(crate) type Tree = Option<Arc<Vec<Sum>>>;

/// By place of the slot.
pub(crate) struct Trees(Vec<Tree>);

impl Trees {
    /// No slot has any.
    pub(crate) fn new() -> Trees {
        let empty = Some(Arc::default());
        Trees(vec![empty; usize::from(STORED_SLOTS / CELLS)])
    }

    pub(crate) fn get(&self, place: usize) -> Option<&[Sum]> {
        self.0[place].as_ref().map(|sums| sums.as_slice())
    }

    /// For a manifest: what it is now, whatever comes.
    pub(crate) fn shared(&self, place: usize) -> Tree {
        self.0[place].clone()
    }

    pub(crate) fn set(&mut self, place: usize, tree: Tree) {
        self.0[place] = tree;
    }

    /// Adds to sums that are known.
    #[inline]
    pub(crate) fn add(&mut self, place: usize, deltas: &[Sum]) {
        if deltas.is_empty() {
            return;
        }
        let Some(tree) = &mut self.0[place] else { return };
        let tree = Arc::make_mut(tree);
        for delta in deltas {
            clockwise_core::tree::add(tree, *delta);
        }
    }
}
