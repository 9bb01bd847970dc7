//! `CLUSTER SHARDS`: rows with the same master and the same replicas together.

use super::{Entry, entry, rows::in_telling_order};
use crate::server::{Shared, Topology};
use clockwise_core::{ids::MemberNumber, layout::MapRow};
use clockwise_wire::resp::ReplyWriter;
use std::collections::BTreeMap;

pub(super) fn write(shared: &Shared, topology: &Topology, writer: &mut ReplyWriter<'_>) {
    let rows = in_telling_order(&topology.map.rows);
    let groups = grouped(&rows);
    writer.array(groups.len());
    for ((master, replicas), rows) in groups {
        writer.map(2);
        writer.bulk(b"slots");
        writer.array(rows.len() * 2);
        for row in rows {
            writer.integer(i64::from(row.first.number()));
            writer.integer(i64::from(row.last.number()));
        }
        writer.bulk(b"nodes");
        let numbers = std::iter::once(master).chain(replicas.iter().copied());
        let entries: Vec<Entry> = numbers.filter_map(|number| entry(shared, topology, number)).collect();
        writer.array(entries.len());
        for (place, entry) in entries.iter().enumerate() {
            write_node(entry, if place == 0 { "master" } else { "replica" }, writer);
        }
    }
}

type Group<'a> = ((MemberNumber, &'a [MemberNumber]), Vec<&'a MapRow>);

/// In the order in which they are met first. Rows without replicas stay alone: they begin and end the answer.
fn grouped(rows: &[MapRow]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut met: BTreeMap<(MemberNumber, &[MemberNumber]), usize> = BTreeMap::new();
    for row in rows {
        let name = (row.master, &row.replicas[..]);
        match met.get(&name) {
            Some(&at) if !row.replicas.is_empty() => groups[at].1.push(row),
            _ => {
                met.insert(name, groups.len());
                groups.push((name, vec![row]));
            }
        }
    }
    groups
}

fn write_node(entry: &Entry, role: &str, writer: &mut ReplyWriter<'_>) {
    writer.map(7);
    let texts = [
        ("id", &entry.id[..]),
        ("ip", &entry.host),
        ("endpoint", &entry.host),
        ("role", role),
        ("health", "online"),
    ];
    for (name, text) in texts {
        writer.bulk(name.as_bytes());
        writer.bulk(text.as_bytes());
    }
    writer.bulk(b"port");
    writer.integer(i64::from(entry.port));
    writer.bulk(b"replication-offset");
    writer.integer(0);
}
