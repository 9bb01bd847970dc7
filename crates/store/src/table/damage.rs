//! Looks for everything in a table that cannot be read, and goes on behind it: what a check of a folder reports, and
//! which slots are to be repaired from other replicas.

use super::{KeyRef, Table};
use clockwise_core::{slot::Slot, storage::LoadError};

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
        let mut damage = Vec::new();
        let cell = (self.owner >> 48) as u16;
        let slots = || Slot::all().filter(|slot| slot.cell() == cell);
        let lowest = slot(&self.info.first).or(slots().next());
        let highest = slot(&self.info.last).or(slots().last());
        let (Some(lowest), Some(highest)) = (lowest, highest) else { return damage };
        let Some(body) = &self.body else {
            return vec![Damage { offset: 0, first: lowest, last: highest, error: LoadError::Damaged }];
        };
        for block in 0..body.index.blocks() {
            let (Some((offset, _)), Err(error)) =
                (body.index.place(block as u32), self.read_block(block as u32))
            else {
                continue;
            };
            let before = block.checked_sub(1).and_then(|before| slot(body.index.key(before)));
            let last = slot(body.index.key(block)).unwrap_or(highest);
            damage.push(Damage { offset, first: before.unwrap_or(lowest), last, error });
        }
        damage
    }
}

fn slot(stored: &[u8]) -> Option<Slot> {
    KeyRef::parse(stored).map(|key| key.slot)
}
