//! How a server sees itself and its cluster, in the values that the command line reads.

use super::{MetricsSnapshot, Shared};
use crate::{
    client::Identified,
    status::{MemberState, MemberStatus, ServerStatus, readiness},
};
use clockwise_core::{layout::Layout, shard::Durability};
use std::fmt::Write;

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
    }
    text
}

/// Who this server is.
pub(crate) fn identify(shared: &Shared) -> Identified {
    let settings = &shared.settings;
    let layout = shared.layout();
    Identified {
        node: shared.node.to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        addresses: settings.advertise.clone().into(),
        dc: settings.dc.clone(),
        rack: settings.rack.clone(),
        weight: settings.weight,
        epoch: layout.as_ref().map_or(0, |layout| layout.epoch().0),
        cluster: layout.as_ref().map(|layout| hex(&layout.spec().cluster)),
        layout: layout.as_ref().map(|layout| hex(&layout.encode())),
    }
}

/// All numbers.
pub(crate) fn snapshot(shared: &Shared) -> MetricsSnapshot {
    MetricsSnapshot {
        log_backlog_bytes: shared.log.backlog_bytes() as u64,
        owned_slots: shared.topology().map_or(0, |topology| u64::from(topology.map.owned_slots)),
        ..shared.metrics.snapshot()
    }
}

/// How this server sees the cluster.
pub(crate) fn status(shared: &Shared) -> ServerStatus {
    let layout = shared.layout();
    let metrics = shared.metrics.snapshot();
    let number = layout.as_ref().and_then(|layout| layout.by_node(shared.node)).map(|member| member.number.0);
    ServerStatus {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        node: shared.node.to_string(),
        number,
        incarnation: shared.life().incarnation,
        pid: std::process::id(),
        uptime_ms: shared.clock.read().now.mono_ms,
        cluster: layout.as_ref().map(|layout| hex(&layout.spec().cluster)),
        epoch: layout.as_ref().map_or(0, |layout| layout.epoch().0),
        replicas: layout.as_ref().map_or(0, |layout| layout.spec().replicas),
        not_ready: ready(shared).err(),
        durability: match shared.settings.durability {
            Durability::Sync => "sync",
            Durability::Periodic => "periodic",
        }
        .to_owned(),
        shards: usize::from(shared.shards),
        connections: metrics.clients,
        keys: metrics.shards.iter().map(|shard| shard.live_keys).sum(),
        clock_skewed: metrics.shards.iter().any(|shard| shard.own_clock_skewed),
        members: layout.as_ref().map_or_else(Vec::new, |layout| members(shared, layout)),
    }
}

fn members(shared: &Shared, layout: &Layout) -> Vec<MemberStatus> {
    let topology = shared.topology();
    let members = layout.spec().members.iter();
    members
        .map(|member| {
            let own = member.node == shared.node;
            let live = topology.as_ref().is_some_and(|topology| topology.is_live(member.number));
            let said = match own {
                true => Some(shared.settings.advertise.clone()),
                false => shared.book.addresses(member.number),
            };
            MemberStatus {
                number: member.number.0,
                node: member.node.to_string(),
                state: match (own, live) {
                    (true, _) => MemberState::This,
                    (false, true) => MemberState::Live,
                    (false, false) => MemberState::Suspected,
                },
                addresses: said.unwrap_or_else(|| member.addresses.clone()).into(),
                dc: member.dc.clone(),
                rack: member.rack.clone(),
                weight: member.weight,
            }
        })
        .collect()
}

/// Whether a quorum of the owners of every slot answers; else why not.
pub(crate) fn ready(shared: &Shared) -> Result<(), String> {
    if shared.lifecycle.stopping() {
        return Err("this server is stopping".to_owned());
    }
    match shared.topology() {
        Some(topology) => readiness(Some(&topology.layout), &|member| topology.is_live(member)),
        None => readiness(None, &|_| false),
    }
}
