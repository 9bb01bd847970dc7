//! Dropped slots of a cell: what was written to one before its position shows nothing any more. Sorted, as tables with
//! many entries are held against it. Does not know which drops are durable, and forgets none.

use crate::damage::SlotRange;
use clockwise_core::{ids::Lsn, slot::Slot};
use std::sync::Arc;

/// Slots of one cell with the position at which each was dropped, in order. A clone shares the list.
#[derive(Clone, Default, Debug)]
pub(crate) struct Drops {
    drops: Arc<[(Slot, Lsn)]>,
    latest: Lsn,
}

impl Drops {
    /// Of slots in order, each once.
    pub(crate) fn new(drops: Vec<(Slot, Lsn)>) -> Drops {
        debug_assert!(drops.is_sorted_by(|left, right| left.0 < right.0));
        let latest = drops.iter().map(|&(_, dropped)| dropped).max().unwrap_or_default();
        Drops { drops: drops.into(), latest }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.drops.is_empty()
    }

    /// Whether anything of what was last changed at `newest` can be hidden.
    #[inline]
    pub(crate) fn can_hide(&self, newest: Lsn) -> bool {
        newest < self.latest
    }

    /// Whether what was last changed at `newest` shows nothing of a slot.
    #[inline]
    pub(crate) fn hides(&self, slot: Slot, newest: Lsn) -> bool {
        self.can_hide(newest)
            && self.drops.binary_search_by_key(&slot, |&(of, _)| of).is_ok_and(|at| newest < self.drops[at].1)
    }

    /// Whether what was last changed at `newest` shows nothing of any slot of a range.
    pub(crate) fn hide_all(&self, range: SlotRange, newest: Lsn) -> bool {
        if !self.can_hide(newest) || range.last < range.first {
            return false;
        }
        let Ok(at) = self.drops.binary_search_by_key(&range.first, |&(of, _)| of) else { return false };
        // Slots of one cell, each once: if the last one is as far behind the first as it can be, none is missing.
        let all = self.drops.get(at..at + range.count() as usize).unwrap_or_default();
        all.last().is_some_and(|&(of, _)| of == range.last)
            && all.iter().all(|&(_, dropped)| newest < dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clockwise_core::limits::CELLS;

    fn slot(place: u16) -> Slot {
        Slot::new(place * CELLS + 3).expect("below the number of slots")
    }

    fn range(first: u16, last: u16) -> SlotRange {
        SlotRange { first: slot(first), last: slot(last) }
    }

    #[test]
    fn a_drop_hides_its_slot_and_what_is_older() {
        let drops = Drops::new(vec![(slot(2), Lsn(50)), (slot(3), Lsn(20)), (slot(4), Lsn(60))]);
        assert!(drops.hides(slot(2), Lsn(49)) && !drops.hides(slot(2), Lsn(50)));
        assert!(!drops.hides(slot(1), Lsn(1)) && !drops.hides(slot(5), Lsn(1)));
        assert!(drops.can_hide(Lsn(59)) && !drops.can_hide(Lsn(60)));
        assert!(Drops::default().is_empty() && !Drops::default().hides(slot(0), Lsn(0)));
    }

    #[test]
    fn a_range_is_hidden_only_whole() {
        let drops =
            Drops::new(vec![(slot(2), Lsn(50)), (slot(3), Lsn(20)), (slot(4), Lsn(60)), (slot(6), Lsn(60))]);
        assert!(drops.hide_all(range(2, 4), Lsn(19)), "all three");
        assert!(!drops.hide_all(range(2, 4), Lsn(20)), "one is newer than its drop");
        assert!(drops.hide_all(range(4, 4), Lsn(20)));
        for (first, last) in [(1, 2), (4, 6), (6, 7), (5, 5), (4, 2)] {
            assert!(!drops.hide_all(range(first, last), Lsn(1)), "{first} to {last}");
        }
    }
}
