//! Which keys of a memtable are of which slot, so that a slot can be read without a walk over all entries, and without
//! closing the memtable. A new key costs a place at the end of a list, and now and then its share of sorting a short one.
//!
//! Knows keys by their hashes only. It never forgets one but with its whole slot.

use clockwise_core::slot::Slot;

/// Keys that are sorted at a time.
const RUN: usize = 4_096;

/// See the module.
#[derive(Default)]
pub(super) struct Slots {
    /// Sorted, each of [`RUN`] keys or fewer.
    runs: Vec<Vec<(Slot, u64)>>,
    fresh: Vec<(Slot, u64)>,
}

impl Slots {
    /// A key that was not there.
    #[inline]
    pub(super) fn note(&mut self, slot: Slot, hash: u64) {
        self.fresh.push((slot, hash));
        if self.fresh.len() == RUN {
            self.close_run();
        }
    }

    #[cold]
    fn close_run(&mut self) {
        let mut run = std::mem::replace(&mut self.fresh, Vec::with_capacity(RUN));
        run.sort_unstable();
        self.runs.push(run);
    }

    /// The hashes of a slot's keys, each once.
    pub(super) fn of(&self, slot: Slot) -> Vec<u64> {
        let mut hashes: Vec<u64> =
            self.fresh.iter().filter(|(of, _)| *of == slot).map(|(_, hash)| *hash).collect();
        for run in &self.runs {
            let from = run.partition_point(|(of, _)| *of < slot);
            hashes.extend(run[from..].iter().take_while(|(of, _)| *of == slot).map(|(_, hash)| *hash));
        }
        hashes.sort_unstable();
        hashes.dedup();
        hashes
    }

    /// How many keys a slot has, or a few more.
    pub(super) fn count(&self, slot: Slot) -> usize {
        let of = |run: &Vec<(Slot, u64)>| {
            run.partition_point(|(of, _)| *of <= slot) - run.partition_point(|(of, _)| *of < slot)
        };
        self.fresh.iter().filter(|(of, _)| *of == slot).count() + self.runs.iter().map(of).sum::<usize>()
    }

    /// A slot has no keys any more.
    pub(super) fn forget(&mut self, slot: Slot) {
        self.runs.iter_mut().chain([&mut self.fresh]).for_each(|run| run.retain(|(of, _)| *of != slot));
        self.runs.retain(|run| !run.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn says_which_keys_a_slot_has() {
        let mut rng = fastrand::Rng::with_seed(3);
        let (mut slots, mut known) = (Slots::default(), BTreeMap::<Slot, BTreeSet<u64>>::new());
        let slot = |at: u16| Slot::stored(at * 16).expect("a slot");
        for step in 0..3 * RUN {
            let (of, hash) = (slot(rng.u16(..50)), rng.u64(..1 << 40));
            if known.entry(of).or_default().insert(hash) {
                slots.note(of, hash);
            }
            if step % 3_000 == 2_999 {
                slots.forget(slot(step as u16 % 50));
                known.remove(&slot(step as u16 % 50));
            }
        }
        for at in 0..51 {
            let keys: Vec<u64> = known.remove(&slot(at)).into_iter().flatten().collect();
            assert_eq!(slots.of(slot(at)), keys);
            assert_eq!(slots.count(slot(at)), keys.len());
        }
        // Two keys of a slot with the same hash.
        slots.note(slot(60), 1);
        slots.note(slot(60), 1);
        assert_eq!((slots.of(slot(60)), slots.count(slot(60))), (vec![1], 2));
    }
}
