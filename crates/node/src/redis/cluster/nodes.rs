//! `CLUSTER NODES`: one line a member, with the ranges that the map gives to it. A member that is suspected stands
//! there as `fail`, without slots.

use super::{Entry, entry, entry_of};
use crate::server::{Shared, Topology};
use clockwise_core::{ids::MemberNumber, layout::MapRow};
use std::fmt::Write;

pub(super) fn text(shared: &Shared, topology: Option<&Topology>) -> String {
    let Some(topology) = topology else {
        let entry = entry_of(shared.node.to_string(), &shared.settings.advertise);
        return line(&entry, "myself,master", 0, true, &[]);
    };
    let mut text = String::new();
    for member in &topology.layout.spec().members {
        let Some(entry) = entry(shared, topology, member.number) else { continue };
        let live = topology.is_live(member.number);
        let flags = match (member.node == shared.node, live) {
            (true, _) => "myself,master",
            (false, true) => "master",
            (false, false) => "master,fail",
        };
        let ranges = ranges(&topology.map.rows, member.number);
        text.push_str(&line(&entry, flags, topology.layout.epoch().0, live, &ranges));
    }
    text
}

/// Neighbouring rows of one master are one range here.
fn ranges(rows: &[MapRow], master: MemberNumber) -> Vec<(u16, u16)> {
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    for row in rows.iter().filter(|row| row.master == master) {
        let (first, last) = (row.first.number(), row.last.number());
        match ranges.last_mut() {
            Some(before) if before.1 + 1 == first => before.1 = last,
            _ => ranges.push((first, last)),
        }
    }
    ranges
}

fn line(entry: &Entry, flags: &str, epoch: u64, live: bool, ranges: &[(u16, u16)]) -> String {
    let link = if live { "connected" } else { "disconnected" };
    let Entry { id, host, port, peer_port } = entry;
    let mut line = format!("{id} {host}:{port}@{peer_port} {flags} - 0 0 {epoch} {link}");
    for (first, last) in ranges {
        let range = if first == last { write!(line, " {first}") } else { write!(line, " {first}-{last}") };
        range.expect("writing to a string cannot fail");
    }
    line.push('\n');
    line
}
