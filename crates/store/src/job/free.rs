//! Giving the memory of a flushed memtable back, in slices, each a job: an allocator that takes hundreds of thousands of
//! pieces at once from one thread makes another one wait, or sort them, at its next allocation.

use super::Done;
use crate::{
    engine::{cell::Frozen, memtable::Entry},
    steady::Entries,
};
use std::sync::Arc;

/// Entries of a slice: a fraction of a millisecond here, and at the next allocation elsewhere.
const SLICE_ENTRIES: usize = 1_024;

pub(crate) enum FreeJob {
    /// Nothing is given back yet.
    Whole(Arc<Frozen>),
    /// These entries are left, and that many bytes are counted for them.
    Rest(Box<Entries<Entry>>, usize),
}

impl FreeJob {
    pub(super) fn run(self) -> Done {
        let (mut rest, left) = match self {
            FreeJob::Whole(frozen) => {
                let bytes = frozen.memtable.bytes();
                match Arc::into_inner(frozen) {
                    Some(frozen) => (Box::new(frozen.memtable.into_entries()), bytes),
                    // Whoever holds it beside, a scan, gives it back.
                    None => return Done::Freeing { rest: None, bytes },
                }
            }
            FreeJob::Rest(rest, left) => (rest, left),
        };
        let (mut count, mut bytes) = (0, 0);
        for entry in rest.by_ref().take(SLICE_ENTRIES) {
            count += 1;
            bytes += entry.memory_bytes();
        }
        match left.checked_sub(bytes) {
            Some(left) if count == SLICE_ENTRIES => {
                Done::Freeing { rest: Some(FreeJob::Rest(rest, left)), bytes }
            }
            _ => Done::Freeing { rest: None, bytes: left },
        }
    }
}
