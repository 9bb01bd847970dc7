//! The rows of the map in the order in which clients are told of them.
//!
//! Every server is a master of some slots and a replica of others, which Redis Cluster does not know. Some clients
//! take a server for what it was called first (node-redis), some for what it was called last (redis-py), and send
//! commands that go to all masters to those only. So each master opens the answer with one slot of its own and no
//! replicas, and closes it in the same way; between them stand the other slots with all their replicas.

use clockwise_core::{layout::MapRow, slot::Slot};
use std::collections::BTreeMap;

/// Shortest row that can give a slot to the beginning and one to the end.
const CUT_SLOTS: u16 = 3;

fn length(row: &MapRow) -> u16 {
    row.last.number() - row.first.number() + 1
}

/// The same slots with the same masters, in the order described above.
pub(super) fn in_telling_order(rows: &[MapRow]) -> Vec<MapRow> {
    if rows.iter().all(|row| row.replicas.is_empty()) {
        return rows.to_vec();
    }
    let mut longest: BTreeMap<_, usize> = BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        let best = longest.entry(row.master).or_insert(at);
        if length(row) > length(&rows[*best]) {
            *best = at;
        }
    }
    let mut main = rows.to_vec();
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for at in longest.into_values().filter(|&at| length(&rows[at]) >= CUT_SLOTS) {
        let row = &mut main[at];
        let alone = |slot| MapRow { first: slot, last: slot, master: row.master, replicas: Vec::new() };
        first.push(alone(row.first));
        last.push(alone(row.last));
        let inner = |number| Slot::new(number).expect("it lies between two slots");
        (row.first, row.last) = (inner(row.first.number() + 1), inner(row.last.number() - 1));
    }
    first.into_iter().chain(main).chain(last).collect()
}
