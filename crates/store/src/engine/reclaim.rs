//! Giving back what dropped slots take: a table of which a good part is dropped is written anew without it, one that is
//! dropped whole just goes.

use super::cell::Cell;
use crate::table::Table;
use clockwise_core::{ids::Lsn, slot::Slot};

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
pub(super) fn most_wasteful(cell: &Cell, drops: &[(Slot, Lsn)]) -> Option<Waste> {
    if drops.is_empty() {
        return None;
    }
    let usable = |table: &Table| !table.is_broken() && !cell.work.unmergeable.contains(&table.info().number);
    let wastes =
        cell.tables.iter().enumerate().filter(|(_, table)| usable(table)).filter_map(|(at, table)| {
            let all = table.info().raw_bytes;
            let bytes = dropped_bytes(table, drops);
            let waste = Waste { whole: bytes >= all, bytes, table: at };
            (bytes > 0 && bytes >= all / DROPPED_PART).then_some(waste)
        });
    wastes.max()
}

/// Keys and records of a table that are dropped, in bytes.
fn dropped_bytes(table: &Table, drops: &[(Slot, Lsn)]) -> u64 {
    let newest = table.info().newest;
    let Some(properties) = table.properties() else { return 0 };
    let is_dropped = |slot| drops.iter().any(|&(of, dropped)| of == slot && newest < dropped);
    properties.slots().filter(|count| is_dropped(count.slot)).map(|count| count.raw_bytes).sum()
}
