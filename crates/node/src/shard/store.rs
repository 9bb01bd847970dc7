//! A shard's engine as `core` sees it, with one more reason to refuse writes: a commit log that is far behind.

use crate::log::LogQueue;
use bytes::Bytes;
use clockwise_core::{
    ids::Lsn,
    slot::Slot,
    storage::{JobId, Lookup, Mutation, PageLimit, Refusal, Storage},
    tree::Sum,
};
use clockwise_store::Engine;
use std::{sync::Arc, time::Duration};

/// How many bytes a request may bring back, as far as its shard can tell when it starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Expected {
    /// As many as the own copy of the record has, or none.
    Known(usize),
    /// The own copy is on disk.
    Cold,
    /// Another shard or another server knows.
    Foreign,
}

/// See the module.
pub(crate) struct Store {
    pub(crate) engine: Engine,
    log: Arc<LogQueue>,
    /// Something was applied or looked up since the last flush.
    touched: bool,
    /// What the latest lookup found.
    found: Expected,
}

impl Store {
    pub(crate) fn new(engine: Engine, log: Arc<LogQueue>) -> Store {
        Store { engine, log, touched: true, found: Expected::Foreign }
    }

    /// Whether the engine may have batches or jobs to be taken.
    pub(crate) fn has_work(&self) -> bool {
        self.touched
    }

    /// As [`Store::has_work`], and forgets it.
    pub(crate) fn take_touched(&mut self) -> bool {
        std::mem::take(&mut self.touched)
    }

    /// What the latest lookup since the last call found; [`Expected::Foreign`] if there was none.
    pub(crate) fn take_found(&mut self) -> Expected {
        std::mem::replace(&mut self.found, Expected::Foreign)
    }

    /// How long whoever writes should pause between two reads of its socket, at most `most_ms`, if flushes and merges are
    /// behind.
    pub(crate) fn pause(&self, most_ms: u64) -> Option<Duration> {
        pause(self.engine.pressure(), most_ms)
    }

    /// Something happened to the engine.
    pub(crate) fn touch(&mut self) {
        self.touched = true;
    }
}

/// The pause at a pressure of 0 to 1,000: it grows with its square, so that it is hardly felt at first.
fn pause(pressure: u32, most_ms: u64) -> Option<Duration> {
    let pressure = u64::from(pressure);
    (pressure > 0).then(|| Duration::from_micros(most_ms * pressure * pressure / 1_000))
}

impl Storage for Store {
    fn get(&mut self, slot: Slot, key: &[u8]) -> Lookup {
        let lookup = self.engine.get(slot, key);
        self.touched |= matches!(lookup, Lookup::Job(_));
        self.found = match &lookup {
            Lookup::Hit(found) => Expected::Known(found.record.len()),
            Lookup::Miss(_) => Expected::Known(0),
            Lookup::Job(_) => Expected::Cold,
        };
        lookup
    }

    fn page(&mut self, slot: Slot, after: Option<Bytes>, limit: PageLimit) -> JobId {
        self.touched = true;
        self.engine.page(slot, after, limit)
    }

    fn apply(&mut self, slot: Slot, mutations: &[Mutation<'_>]) -> Lsn {
        self.touched = true;
        self.engine.apply(slot, mutations)
    }

    fn lines(&self, slot: Slot) -> Option<Bytes> {
        self.engine.lines(slot)
    }

    fn live(&self, slot: Slot) -> u64 {
        self.engine.live(slot)
    }

    fn sums(&self, slot: Slot) -> Option<&[Sum]> {
        self.engine.sums(slot)
    }

    fn tree_depth(&self, slot: Slot) -> Option<u8> {
        self.engine.tree_depth(slot)
    }

    fn expect_change(&self, slot: Slot, key_hash: u64) {
        self.engine.expect_change(slot, key_hash);
    }

    fn admits(&self) -> Result<(), Refusal> {
        if self.log.is_behind() {
            return Err(Refusal::Backlog);
        }
        self.engine.admits()
    }

    fn durable(&self) -> Lsn {
        self.engine.durable()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_begins_small_and_ends_at_the_most() {
        assert_eq!(pause(0, 50), None);
        assert_eq!(pause(1, 50), Some(Duration::ZERO), "less than a microsecond");
        assert_eq!(pause(10, 50), Some(Duration::from_micros(5)));
        assert_eq!(pause(500, 50), Some(Duration::from_micros(12_500)), "a quarter at half the way");
        assert_eq!(pause(1_000, 50), Some(Duration::from_millis(50)));
        let pauses: Vec<_> = (0..=1_000).map(|pressure| pause(pressure, 20)).collect();
        assert!(
            pauses.is_sorted()
                && pauses.windows(2).all(|pair| {
                    let step = pair[1].unwrap_or_default() - pair[0].unwrap_or_default();
                    step <= Duration::from_micros(40)
                })
        );
    }
}
