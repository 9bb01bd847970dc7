//! `CLUSTER SLOTS`: for each row of the map its range, its master and its replicas.

use super::{Entry, entry, rows::in_telling_order};
use crate::server::{Shared, Topology};
use clockwise_wire::resp::ReplyWriter;

pub(super) fn write(shared: &Shared, topology: &Topology, writer: &mut ReplyWriter<'_>) {
    let rows = in_telling_order(&topology.map.rows);
    writer.array(rows.len());
    for row in &rows {
        let numbers = std::iter::once(row.master).chain(row.replicas.iter().copied());
        let entries: Vec<Entry> = numbers.filter_map(|number| entry(shared, topology, number)).collect();
        writer.array(2 + entries.len());
        writer.integer(i64::from(row.first.number()));
        writer.integer(i64::from(row.last.number()));
        for entry in &entries {
            writer.array(4);
            writer.bulk(entry.host.as_bytes());
            writer.integer(i64::from(entry.port));
            writer.bulk(entry.id.as_bytes());
            writer.array(0);
        }
    }
}
