//! Who may be master of a slot: its live owners or, when none is live, its first owner.

use super::super::Layout;
use crate::{ids::MemberNumber, limits::SLOTS};
use alloc::vec::Vec;

/// The choices of all slots. Members appear as their place in the layout's list.
pub(super) struct Choices<'a> {
    /// For each distinct owner list, who may be master.
    sets: Vec<Vec<u16>>,
    /// Slot → which list.
    index: &'a [u16],
    /// Capacity of each member, 0 while it is not live.
    weights: Vec<u32>,
}

impl<'a> Choices<'a> {
    /// Asks `live` once per member.
    pub(super) fn new(layout: &'a Layout, live: &dyn Fn(MemberNumber) -> bool) -> Choices<'a> {
        let members = &layout.spec.members;
        let weight = |live: bool, weight: u16| if live { u32::from(weight) } else { 0 };
        let weights: Vec<u32> =
            members.iter().map(|member| weight(live(member.number), member.weight)).collect();
        let mut sets = Vec::with_capacity(layout.table.sets.len() / layout.table.width);
        for owners in layout.table.sets.chunks_exact(layout.table.width) {
            let place = |&owner| layout.place(owner).expect("owners are members") as u16;
            let mut choices: Vec<u16> = owners.iter().map(place).collect();
            let first = choices[0];
            choices.retain(|&member| weights[usize::from(member)] > 0);
            if choices.is_empty() {
                choices.push(first);
            }
            sets.push(choices);
        }
        Choices { sets, index: &layout.table.index, weights }
    }

    /// How many slots there are.
    pub(super) fn slots(&self) -> u16 {
        SLOTS
    }

    /// Who may be master of a slot, at least one member.
    pub(super) fn of(&self, slot: u16) -> &[u16] {
        &self.sets[usize::from(self.index[usize::from(slot)])]
    }

    /// May this member be master of a slot?
    pub(super) fn has(&self, slot: u16, member: u16) -> bool {
        self.of(slot).contains(&member)
    }

    /// Most choices that a slot has.
    pub(super) fn width(&self) -> usize {
        self.sets.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// The members' capacities, 0 for those that are not live.
    pub(super) fn weights(&self) -> &[u32] {
        &self.weights
    }

    /// Is this member live?
    pub(super) fn live(&self, member: u16) -> bool {
        self.weights[usize::from(member)] > 0
    }
}
