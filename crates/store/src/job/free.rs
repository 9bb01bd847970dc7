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
    Rest(Box<Entries<Entry>>),
}

impl FreeJob {
    pub(super) fn run(self) -> Done {
        let mut rest = match self {
            // Whoever holds it beside, a scan, gives it back.
            FreeJob::Whole(frozen) => match Arc::into_inner(frozen) {
                Some(frozen) => Box::new(frozen.memtable.into_entries()),
                None => return Done::Freed,
            },
            FreeJob::Rest(rest) => rest,
        };
        match rest.by_ref().take(SLICE_ENTRIES).count() {
            SLICE_ENTRIES => Done::Freeing(FreeJob::Rest(rest)),
            _ => Done::Freed,
        }
    }
}
