//! `CLUSTER …`: the routing map in the shapes that Redis Cluster clients read. All of them come from one
//! [`Topology`], so that they agree.

mod info;
mod nodes;
mod rows;
mod shards;
mod slots;

use super::failure::Failure;
use crate::server::{Shared, Topology};
use clockwise_core::{ids::MemberNumber, layout::Addresses, request::Rejected};
use clockwise_wire::{command::ClusterCommand, resp::ReplyWriter};

/// Writes the answer; the cluster port only.
pub(super) fn write(shared: &Shared, command: ClusterCommand, writer: &mut ReplyWriter<'_>) {
    let topology = shared.topology();
    match (command, topology.as_deref()) {
        (ClusterCommand::MyId, _) => writer.bulk(shared.node.to_string().as_bytes()),
        (ClusterCommand::KeySlot(slot), _) => writer.integer(i64::from(slot.number())),
        (ClusterCommand::Info, topology) => writer.verbatim(info::text(topology, me(shared)).as_bytes()),
        (ClusterCommand::Nodes, topology) => writer.verbatim(nodes::text(shared, topology).as_bytes()),
        (ClusterCommand::Slots, Some(topology)) => slots::write(shared, topology, writer),
        (ClusterCommand::Shards, Some(topology)) => shards::write(shared, topology, writer),
        // Counted by the caller.
        (ClusterCommand::CountKeysInSlot(_), _) | (_, None) => {
            writer.error(&Failure::Rejected(Rejected::NotReady).text());
        }
    }
}

fn me(shared: &Shared) -> Option<MemberNumber> {
    let topology = shared.topology()?;
    topology.layout.by_node(shared.node).map(|member| member.number)
}

/// A member as clients are told of it.
#[derive(Debug)]
struct Entry {
    id: String,
    host: String,
    port: u16,
    peer_port: u16,
}

fn entry(shared: &Shared, topology: &Topology, number: MemberNumber) -> Option<Entry> {
    let member = topology.layout.member(number)?;
    let addresses = match member.node == shared.node {
        true => shared.settings.advertise.clone(),
        false => shared.book.addresses(number).unwrap_or_else(|| member.addresses.clone()),
    };
    Some(entry_of(member.node.to_string(), &addresses))
}

fn entry_of(id: String, addresses: &Addresses) -> Entry {
    let (host, port) = split(&addresses.cluster);
    Entry { id, host, port, peer_port: split(&addresses.peer).1 }
}

/// `host:port`, the host without the brackets of IPv6.
fn split(address: &str) -> (String, u16) {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, "0"));
    (host.trim_matches(['[', ']']).to_owned(), port.parse().unwrap_or(0))
}

#[cfg(test)]
mod tests;
