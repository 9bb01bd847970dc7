//! How much is held for whom. In memory only: after a start the slots that hold anything are read once, and take no
//! new hints until they are counted.

use super::held::{Held, Hint};
use crate::{hlc::Hlc, ids::MemberNumber, slot::Slot};
use alloc::collections::{BTreeMap, BTreeSet};

/// What a hint costs beside its key and value, in bytes.
const HINT_OVERHEAD_BYTES: u64 = 64;

/// Most bytes that one shard holds as hints.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HintBudget {
    /// For one owner.
    pub target_bytes: u64,
    /// For all together.
    pub total_bytes: u64,
}

impl Default for HintBudget {
    fn default() -> HintBudget {
        HintBudget { target_bytes: 1 << 30, total_bytes: 4 << 30 }
    }
}

/// Figures of hints.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HintStats {
    /// Hints held; one that is for two owners counts twice.
    pub held: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The time of the oldest one.
    pub oldest: Option<Hlc>,
    /// Delivered since the start.
    pub delivered: u64,
    /// Refused because the budget was used up.
    pub refused: u64,
    /// Taken as an owner since the start.
    pub taken: u64,
    /// Damaged on the disk, found since the start; the owners that they were for are behind.
    pub lost: u64,
    /// Slots of which an owner is known to have missed a write that nobody holds, counted for each owner.
    pub behind: u64,
}

/// What is held for one owner.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HintsFor {
    /// The owner.
    pub target: MemberNumber,
    /// Bytes held for it.
    pub bytes: u64,
    /// The time of the oldest write among them.
    pub oldest: Option<Hlc>,
}

#[derive(Clone, Copy, Default, Debug)]
struct Count {
    hints: u64,
    bytes: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    counts: BTreeMap<(MemberNumber, Slot), Count>,
    targets: BTreeMap<MemberNumber, u64>,
    bytes: u64,
    held: u64,
    /// How many hints of each time are held for each owner.
    times: BTreeMap<MemberNumber, BTreeMap<Hlc, u32>>,
    /// The times of what is held of each slot.
    slot_times: BTreeMap<Slot, BTreeMap<Hlc, u32>>,
    /// Slots of keys that hold hints which are not counted yet; `None` before the first look.
    uncounted: Option<BTreeSet<Slot>>,
    pub(super) delivered: u64,
    pub(crate) refused: u64,
    pub(super) taken: u64,
    lost: u64,
}

impl Ledger {
    /// Slots that hold something at the start.
    pub(super) fn begin(&mut self, slots: BTreeSet<Slot>) {
        self.uncounted = Some(slots);
    }

    /// Whether [`Ledger::begin`] is still to come.
    pub(super) fn is_new(&self) -> bool {
        self.uncounted.is_none()
    }

    /// The next slot that is to be counted.
    pub(super) fn next_uncounted(&self) -> Option<Slot> {
        self.uncounted.as_ref()?.first().copied()
    }

    /// The slot is counted.
    pub(super) fn counted(&mut self, slot: Slot) {
        if let Some(slots) = &mut self.uncounted {
            slots.remove(&slot);
        }
    }

    /// Whether all that the slot holds is counted.
    pub(crate) fn knows(&self, slot: Slot) -> bool {
        self.uncounted.as_ref().is_some_and(|slots| !slots.contains(&slot))
    }

    /// Whether a write of this size may be held for these owners.
    pub(crate) fn admits(&self, budget: HintBudget, targets: &[MemberNumber], hint: &Hint) -> bool {
        let bytes = bytes(hint);
        let held = |target| self.targets.get(target).copied().unwrap_or(0);
        self.bytes + bytes * targets.len() as u64 <= budget.total_bytes
            && targets.iter().all(|target| held(target) + bytes <= budget.target_bytes)
    }

    /// What is held of a key has changed.
    pub(super) fn change(&mut self, slot: Slot, before: &Held, after: &Held) {
        before.hints.iter().for_each(|hint| self.remove(slot, hint));
        after.hints.iter().for_each(|hint| self.add(slot, hint));
    }

    /// A hint that is held already is counted.
    pub(super) fn add(&mut self, slot: Slot, hint: &Hint) {
        let bytes = bytes(hint);
        for &target in &hint.targets {
            let count = self.counts.entry((target, slot)).or_default();
            count.hints += 1;
            count.bytes += bytes;
            *self.targets.entry(target).or_default() += bytes;
            self.bytes += bytes;
            self.held += 1;
            *self.times.entry(target).or_default().entry(hint.write.time).or_default() += 1;
        }
        *self.slot_times.entry(slot).or_default().entry(hint.write.time).or_default() += 1;
    }

    fn remove(&mut self, slot: Slot, hint: &Hint) {
        let bytes = bytes(hint);
        for &target in &hint.targets {
            self.forget_time(target, hint.write.time);
            let Some(count) = self.counts.get_mut(&(target, slot)) else { continue };
            if count.hints <= 1 || count.bytes <= bytes {
                // All of it, also if some was given up that can be read after all.
                let count = self.counts.remove(&(target, slot)).unwrap_or_default();
                self.spend(target, count.bytes);
                self.held -= count.hints;
                continue;
            }
            count.hints -= 1;
            count.bytes -= bytes;
            self.spend(target, bytes);
            self.held -= 1;
        }
        if let Some(times) = self.slot_times.get_mut(&slot) {
            take(times, hint.write.time);
        }
        self.forget_times_if_empty(slot);
    }

    fn forget_time(&mut self, target: MemberNumber, time: Hlc) {
        if let Some(times) = self.times.get_mut(&target) {
            take(times, time);
        }
    }

    /// Times of what was given up stay until nothing of the slot is held.
    fn forget_times_if_empty(&mut self, slot: Slot) {
        let holds = |target: &MemberNumber| self.counts.contains_key(&(*target, slot));
        if !self.targets.keys().any(holds) || self.slot_times.get(&slot).is_some_and(BTreeMap::is_empty) {
            self.slot_times.remove(&slot);
        }
    }

    /// The earliest time of what is held of a slot; to be asked only when all of it is known.
    pub(crate) fn lowest(&self, slot: Slot) -> Option<Hlc> {
        self.slot_times.get(&slot)?.keys().next().copied()
    }

    /// What is held for each owner.
    pub(crate) fn held_for(&self) -> impl Iterator<Item = HintsFor> + '_ {
        let oldest = |target| self.times.get(&target).and_then(|times| times.keys().next().copied());
        self.targets().map(move |(target, bytes)| HintsFor { target, bytes, oldest: oldest(target) })
    }

    /// Owners for whom anything is held, with its bytes.
    pub(crate) fn targets(&self) -> impl Iterator<Item = (MemberNumber, u64)> + '_ {
        self.targets.iter().map(|(&target, &bytes)| (target, bytes))
    }

    /// The first slot at or behind `from` that holds something for this owner and is counted: what changes while it
    /// is read for counting would be counted twice.
    pub(super) fn slot_for(&self, target: MemberNumber, from: Option<Slot>) -> Option<Slot> {
        let first = (target, from.unwrap_or(Slot::FIRST));
        let last = (target, Slot::LAST);
        let mut slots = self.counts.range(first..=last).map(|(&(_, slot), _)| slot);
        slots.find(|&slot| self.knows(slot))
    }

    /// What is held of a slot for this owner cannot be read, and is not expected to be any more.
    pub(super) fn give_up(&mut self, target: MemberNumber, slot: Slot) {
        let Some(count) = self.counts.remove(&(target, slot)) else { return };
        self.held -= count.hints;
        self.spend(target, count.bytes);
        self.lost += count.hints;
        self.forget_times_if_empty(slot);
    }

    /// Bytes that are not held any more.
    fn spend(&mut self, target: MemberNumber, bytes: u64) {
        self.bytes -= bytes;
        if let Some(total) = self.targets.get_mut(&target) {
            *total -= bytes;
            if *total == 0 {
                self.targets.remove(&target);
                // Times of what was given up among them.
                self.times.remove(&target);
            }
        }
    }

    /// Figures.
    pub(crate) fn stats(&self) -> HintStats {
        HintStats {
            held: self.held,
            bytes: self.bytes,
            oldest: self.times.values().filter_map(|times| times.keys().next().copied()).min(),
            delivered: self.delivered,
            refused: self.refused,
            taken: self.taken,
            lost: self.lost,
            behind: 0,
        }
    }
}

/// One fewer of this time.
fn take(times: &mut BTreeMap<Hlc, u32>, time: Hlc) {
    if let Some(count) = times.get_mut(&time) {
        *count -= 1;
        if *count == 0 {
            times.remove(&time);
        }
    }
}

/// What a hint takes of the budget, for each owner that it is for.
fn bytes(hint: &Hint) -> u64 {
    HINT_OVERHEAD_BYTES + (hint.write.key.len() + hint.write.value_bytes()) as u64
}
