//! The routing map that Redis cluster clients see.
//!
//! Owns the choice of one live owner as "master" for every slot. What always holds: rows cover all slots in order
//! without a gap, at most [`MAP_ROWS`] of them; every server computes the same rows from the same layout and the
//! same live members. Any owner coordinates as well as the first, so the map is free to prefer long rows and an
//! even load. It does not decide who is live, and servers never route by it.

mod balance;
mod choices;
mod segment;

use super::Layout;
use crate::{ids::MemberNumber, limits::MAP_ROWS, slot::Slot};
use alloc::vec::Vec;
use balance::Balance;
use choices::Choices;

/// Consecutive slots with one master.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MapRow {
    /// First slot.
    pub first: Slot,
    /// Last slot.
    pub last: Slot,
    /// A live owner of every slot in it. The first owner where no owner is live; an owner of most of them where
    /// slots had to be grouped.
    pub master: MemberNumber,
    /// Other live owners of every slot in it.
    pub replicas: Vec<MemberNumber>,
}

/// All 16384 slots, in rows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoutingMap {
    /// In slot order, without a gap.
    pub rows: Vec<MapRow>,
    /// Slots whose row names a master that owns them (all, unless rows had to be grouped).
    pub owned_slots: u16,
}

impl RoutingMap {
    /// The longest ranges with a common live owner, chosen so that the load over owners is even.
    pub fn new(layout: &Layout, live: &dyn Fn(MemberNumber) -> bool) -> RoutingMap {
        let choices = Choices::new(layout, live);
        let fewest = segment::masters(&choices, MAP_ROWS);
        let masters = Balance::new(&choices, fewest).run(MAP_ROWS);
        let mut rows: Vec<MapRow> = Vec::new();
        let mut owned_slots = 0;
        for (slot, &master) in Slot::all().zip(&masters) {
            let at = slot.number();
            owned_slots += u16::from(choices.has(at, master));
            let number = |member: u16| layout.spec.members[usize::from(member)].number;
            match rows.last_mut().filter(|row| row.master == number(master)) {
                Some(row) => {
                    row.last = slot;
                    row.replicas
                        .retain(|replica| choices.of(at).iter().any(|&other| number(other) == *replica));
                }
                None => {
                    let others =
                        choices.of(at).iter().filter(|&&other| other != master && choices.live(other));
                    let replicas = others.map(|&other| number(other)).collect();
                    rows.push(MapRow { first: slot, last: slot, master: number(master), replicas });
                }
            }
        }
        RoutingMap { rows, owned_slots }
    }

    /// The row of a slot.
    pub fn row(&self, slot: Slot) -> &MapRow {
        let at = self.rows.partition_point(|row| row.last < slot);
        &self.rows[at]
    }
}
