//! Which slots damage touches, so that they can be repaired from other replicas. Owns no damage: tables, log and
//! recovery find it.

use clockwise_core::{
    limits::{CELLS, STORED_SLOTS},
    slot::Slot,
};

/// Neighbouring slots of one cell, both ends included.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SlotRange {
    /// The lowest one.
    pub first: Slot,
    /// The highest one, of the same cell.
    pub last: Slot,
}

impl SlotRange {
    /// All slots of a cell.
    pub fn cell(cell: u16) -> SlotRange {
        let slot = |number| Slot::stored(number).expect("a cell's slots are below the number of slots");
        SlotRange { first: slot(cell % CELLS), last: slot(STORED_SLOTS - CELLS + cell % CELLS) }
    }

    /// The slots, in order.
    pub fn slots(self) -> impl Iterator<Item = Slot> {
        (self.first.number()..=self.last.number()).step_by(usize::from(CELLS)).filter_map(Slot::stored)
    }

    /// Whether a slot is one of them.
    pub fn contains(self, slot: Slot) -> bool {
        slot.cell() == self.first.cell() && (self.first..=self.last).contains(&slot)
    }

    /// How many they are.
    pub fn count(self) -> u64 {
        u64::from(self.last.number().saturating_sub(self.first.number()) / CELLS) + 1
    }
}

/// The slots of all ranges, each once and in order.
pub(crate) fn slots_of(ranges: &[SlotRange]) -> Vec<Slot> {
    let mut touched = vec![false; usize::from(STORED_SLOTS)];
    for slot in ranges.iter().flat_map(|range| range.slots()) {
        touched[usize::from(slot.number())] = true;
    }
    Slot::all_stored().filter(|slot| touched[usize::from(slot.number())]).collect()
}

/// The cells of a bit set, whole.
pub(crate) fn cells(bits: u16) -> impl Iterator<Item = SlotRange> {
    (0..CELLS).filter(move |cell| bits >> cell & 1 == 1).map(SlotRange::cell)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_stay_in_their_cell() {
        let whole = SlotRange::cell(3);
        assert_eq!((whole.first.number(), whole.last.number(), whole.count()), (3, 32_755, 2048));
        assert!(whole.slots().all(|slot| slot.cell() == 3) && whole.slots().count() == 2048);
        let one = SlotRange { first: whole.first, last: whole.first };
        assert_eq!(one.slots().collect::<Vec<_>>(), [whole.first]);
        assert!(one.contains(whole.first) && !one.contains(whole.last) && one.count() == 1);
        assert_eq!(slots_of(&[one, whole, one]).len(), 2048);
        assert_eq!(slots_of(&cells(u16::MAX).collect::<Vec<_>>()).len(), 32_768);
    }
}
