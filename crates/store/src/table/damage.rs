//! Looks for everything in a table that cannot be read, and goes on behind it: what a check of a folder reports, and
//! which slots are to be repaired from other replicas.

use super::{KeyRef, Place, Table};
use crate::damage::SlotRange;
use clockwise_core::{limits::CELLS, slot::Slot, storage::LoadError};

/// A block that cannot be read, as found by [`Table::damage`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Damage {
    /// Where it begins in the file, in bytes; 0 if the table cannot be read at all.
    pub offset: u64,
    /// The lowest slot that it may hold keys of.
    pub first: Slot,
    /// The highest slot that it may hold keys of.
    pub last: Slot,
    /// Why.
    pub error: LoadError,
}

impl Table {
    /// Reads every block; answers those that are bad, in order.
    pub fn damage(&self) -> Vec<Damage> {
        let SlotRange { first, last } = self.slots();
        let Ok(body) = self.body() else {
            return vec![Damage { offset: 0, first, last, error: LoadError::Damaged }];
        };
        let bad = |place: Place, fence: &[u8], next: Option<&[u8]>, error| {
            let SlotRange { first, last } = self.slots_between(fence, next);
            Damage { offset: place.offset, first, last, error }
        };
        let mut damage = Vec::new();
        let mut number = 0;
        while let Some(place) = body.index.place(number) {
            let fence = body.index.fence(number);
            number += 1;
            let next = body.index.place(number).map(|_| body.index.fence(number));
            if !place.is_partition() {
                damage.extend(self.read_block(place).err().map(|error| bad(place, fence, next, error)));
                continue;
            }
            match self.read_partition(place) {
                Err(error) => damage.push(bad(place, fence, next, error)),
                Ok(blocks) => {
                    for (at, (fence, place)) in blocks.iter().enumerate() {
                        let next = blocks.get(at + 1).map(|(fence, _)| &fence[..]).or(next);
                        damage.extend(
                            self.read_block(*place).err().map(|error| bad(*place, fence, next, error)),
                        );
                    }
                }
            }
        }
        damage
    }

    /// The slots whose keys could be in a block or partition, given the fence before it and that before the next one.
    pub(super) fn slots_between(&self, fence: &[u8], next: Option<&[u8]>) -> SlotRange {
        let all = self.slots();
        SlotRange {
            first: slot(fence).unwrap_or(all.first),
            last: next.and_then(last_slot_before).unwrap_or(all.last),
        }
    }
}

fn slot(stored: &[u8]) -> Option<Slot> {
    KeyRef::parse(stored).map(|key| key.slot)
}

/// The highest slot of a cell's keys before a fence.
fn last_slot_before(fence: &[u8]) -> Option<Slot> {
    let key = KeyRef::parse(fence)?;
    // A fence that is all slot has the slot's first key behind it.
    if key.key.is_empty() { Slot::stored(key.slot.number().checked_sub(CELLS)?) } else { Some(key.slot) }
}
