//! Slots of which an owner has missed a write that nobody holds for it: enough other owners have the write, and the room
//! for hints was used up, or what was held is damaged.
//!
//! In memory only: the exchange between owners finds the same without it, later.

use crate::{ids::MemberNumber, slot::Slot};
use alloc::collections::BTreeSet;

/// Owners with slots in which they are behind. Bounded by the layout: only owners of a slot are noted.
#[derive(Debug, Default)]
pub(crate) struct Behind {
    slots: BTreeSet<(MemberNumber, Slot)>,
}

impl Behind {
    /// These have missed something in this slot, as far as they own it.
    pub(super) fn note(&mut self, slot: Slot, targets: &[MemberNumber], owners: &[MemberNumber]) {
        let missed = targets.iter().filter(|target| owners.contains(target));
        self.slots.extend(missed.map(|&target| (target, slot)));
    }

    /// A new layout: only owners stay.
    pub(super) fn retain(&mut self, owns: impl Fn(MemberNumber, Slot) -> bool) {
        self.slots.retain(|&(target, slot)| owns(target, slot));
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// All of them, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (MemberNumber, Slot)> + '_ {
        self.slots.iter().copied()
    }

    /// The owner knows.
    pub(crate) fn told(&mut self, owner: MemberNumber, slot: Slot) {
        self.slots.remove(&(owner, slot));
    }
}
