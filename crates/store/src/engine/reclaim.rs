//! Giving back what dropped slots take: a table of which a good part is dropped is written anew without it, and so is one
//! that is damaged where everything was dropped, which leaves the damage behind. One that is dropped whole just goes, and
//! need not be readable for it.

use super::{cell::Cell, damage::Damages};
use crate::{drops::Drops, table::Table};

/// A table is written anew when this part of its bytes is dropped.
const DROPPED_PART: u64 = 4;

/// A table that is worth it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Waste {
    /// Nothing of it is left.
    pub(super) whole: bool,
    /// Dropped keys and records, in bytes.
    pub(super) bytes: u64,
    /// Its place among the cell's tables.
    pub(super) table: usize,
}

/// The table of a cell with most to give back, if it is worth it.
pub(super) fn most_wasteful(cell: &Cell, drops: &Drops, damages: &Damages) -> Option<Waste> {
    let older = cell.tables.iter().enumerate().filter(|(_, table)| drops.can_hide(table.info().newest));
    let wastes = older.filter_map(|(at, table)| {
        let all = table.info().raw_bytes;
        let bytes = dropped_bytes(table, drops);
        let waste = Waste { whole: bytes > 0 && bytes >= all, bytes, table: at };
        let much = bytes > 0 && bytes >= all / DROPPED_PART || damages.is_damaged(table);
        (waste.whole || much && damages.is_mergeable(table, drops)).then_some(waste)
    });
    wastes.max()
}

/// Keys and records of a table that are dropped, in bytes.
fn dropped_bytes(table: &Table, drops: &Drops) -> u64 {
    let newest = table.info().newest;
    match table.properties() {
        Some(properties) => {
            let dropped = properties.slots().filter(|count| drops.hides(count.slot, newest));
            dropped.map(|count| count.raw_bytes).sum()
        }
        // It says nothing of single slots.
        None if drops.hide_all(table.slots(), newest) => table.info().raw_bytes,
        None => 0,
    }
}
