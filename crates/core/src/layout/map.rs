//! The routing map that Redis cluster clients see.
use super::Layout;
use crate::{ids::MemberNumber, slot::Slot};
use alloc::vec::Vec;

/// Consecutive slots that have a common live owner.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MapRow {
    /// First slot.
    pub first: Slot,
    /// Last slot.
    pub last: Slot,
    /// A live owner of every slot in it.
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
        let _ = (layout, live);
        todo!()
    }
    /// The row of a slot.
    pub fn row(&self, slot: Slot) -> &MapRow {
        let at = self.rows.partition_point(|row| row.last < slot);
        &self.rows[at]
    }
}
