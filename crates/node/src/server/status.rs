//! How a server sees itself and its cluster, as values that can be written as JSON.

use super::{GossipStatus, MetricsSnapshot, Shared};
use clockwise_core::{layout::Addresses, shard::Durability};
use serde::Serialize;

/// Where a server is reached.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct AddressTexts {
    /// Other servers.
    pub peer: String,
    /// Redis cluster clients.
    pub cluster: String,
    /// Plain Redis clients.
    pub plain: String,
    /// HTTP.
    pub http: String,
}

/// Who a server is, before it belongs to a cluster and after.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Identification {
    /// 40 hex digits.
    pub node: String,
    /// Version of the program.
    pub version: &'static str,
    /// Where it is reached.
    pub addresses: AddressTexts,
    /// Data centre.
    pub dc: String,
    /// Rack.
    pub rack: String,
    /// Capacity.
    pub weight: u16,
    /// The layout that it has installed; 0: none.
    pub epoch: u64,
    /// The cluster that it belongs to, as 32 hex digits.
    pub cluster: Option<String>,
    /// The installed layout, as hex digits: an `init` that was cut off goes on with it.
    pub layout: Option<String>,
}

/// A member as this server sees it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct MemberStatus {
    /// Its number, as in clocks.
    pub member: String,
    /// Its node id.
    pub node: String,
    /// Whether it is this server.
    pub own: bool,
    /// Whether it answers; if not, it is asked last and left out of the routing map.
    pub live: bool,
    /// What gossip knows of it; nothing of the server itself.
    pub gossip: Option<GossipStatus>,
    /// Where it is reached.
    pub addresses: AddressTexts,
    /// Data centre.
    pub dc: String,
    /// Rack.
    pub rack: String,
    /// Capacity.
    pub weight: u16,
    /// Slots for which the routing map names it.
    pub slots: u64,
}

/// What a server holds for another one that is down.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct HintsStatus {
    /// For whom.
    pub member: String,
    /// Bytes held.
    pub bytes: u64,
    /// Milliseconds since the oldest of these writes was made.
    pub oldest_age_ms: u64,
}

/// A server for which the collection of deletes waits.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct WaitStatus {
    /// Which: it is away, or has not delivered what it holds.
    pub member: String,
    /// In how many slots.
    pub slots: u64,
}

/// The cluster as one server sees it.
#[derive(Clone, Debug, Serialize)]
pub struct ServerStatus {
    /// Who it is.
    pub identity: Identification,
    /// Its life, from 1.
    pub incarnation: u32,
    /// `sync` or `periodic`.
    pub durability: &'static str,
    /// Shard threads.
    pub shards: u16,
    /// Milliseconds since it started.
    pub uptime_ms: u64,
    /// Copies of each slot that the layout asks for; 0 without one.
    pub replicas: u8,
    /// Its clock is off against two others.
    pub clock_skewed: bool,
    /// A quorum of the owners of every slot answers.
    pub quorum: bool,
    /// All members.
    pub members: Vec<MemberStatus>,
    /// What it holds for each of those that are down.
    pub hints: Vec<HintsStatus>,
    /// For whom the collection of deletes waits.
    pub collection_waits: Vec<WaitStatus>,
    /// All numbers.
    pub metrics: MetricsSnapshot,
}

fn texts(addresses: &Addresses) -> AddressTexts {
    let Addresses { peer, cluster, plain, http } = addresses.clone();
    AddressTexts { peer, cluster, plain, http }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
    }
    text
}

/// Who this server is.
pub(crate) fn identify(shared: &Shared) -> Identification {
    let settings = &shared.settings;
    let layout = shared.layout();
    Identification {
        node: shared.node.to_string(),
        version: env!("CARGO_PKG_VERSION"),
        addresses: texts(&settings.advertise),
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
    let membership = shared.membership();
    MetricsSnapshot {
        members: membership.counts(),
        heartbeat_ages: membership.ages(),
        gossip_stalls: membership.stalls(),
        log_backlog_bytes: shared.log.backlog_bytes() as u64,
        owned_slots: shared.topology().map_or(0, |topology| u64::from(topology.map.owned_slots)),
        ..shared.metrics.snapshot()
    }
}

/// How this server sees the cluster.
pub(crate) fn status(shared: &Shared) -> ServerStatus {
    let layout = shared.layout();
    ServerStatus {
        identity: identify(shared),
        incarnation: shared.life().incarnation,
        durability: match shared.settings.durability {
            Durability::Sync => "sync",
            Durability::Periodic => "periodic",
        },
        shards: shared.shards,
        uptime_ms: shared.clock.read().now.mono_ms,
        replicas: layout.map_or(0, |layout| layout.spec().replicas),
        clock_skewed: shared.metrics.shards.iter().any(|shard| shard.own_clock_skewed.get() > 0),
        quorum: lacking(shared).is_none(),
        members: members(shared),
        hints: hints(shared),
        collection_waits: waits(shared),
        metrics: snapshot(shared),
    }
}

fn waits(shared: &Shared) -> Vec<WaitStatus> {
    let waits = shared.metrics.collect_waits().into_iter();
    waits.map(|(member, slots)| WaitStatus { member: member.to_string(), slots }).collect()
}

fn hints(shared: &Shared) -> Vec<HintsStatus> {
    let wall_ms = shared.clock.read().now.wall_ms;
    let held = shared.metrics.hints_held().into_values();
    held.map(|held| HintsStatus {
        member: held.target.to_string(),
        bytes: held.bytes,
        oldest_age_ms: held.oldest.map_or(0, |oldest| wall_ms.saturating_sub(oldest.wall_ms())),
    })
    .collect()
}

fn members(shared: &Shared) -> Vec<MemberStatus> {
    let Some(topology) = shared.topology() else { return Vec::new() };
    let slots = |number| {
        let rows = topology.map.rows.iter().filter(|row| row.master == number);
        rows.map(|row| u64::from(row.last.number() - row.first.number()) + 1).sum()
    };
    let members = topology.layout.spec().members.iter();
    let membership = shared.membership();
    members
        .map(|member| {
            let own = member.node == shared.node;
            let said = if own {
                Some(shared.settings.advertise.clone())
            } else {
                shared.book.addresses(member.number)
            };
            MemberStatus {
                member: member.number.to_string(),
                node: member.node.to_string(),
                own,
                live: topology.is_live(member.number),
                gossip: membership.member(member.number).cloned(),
                addresses: texts(&said.unwrap_or_else(|| member.addresses.clone())),
                dc: member.dc.clone(),
                rack: member.rack.clone(),
                weight: member.weight,
                slots: slots(member.number),
            }
        })
        .collect()
}

/// Whether requests at quorum are served; else why not.
pub(crate) fn ready(shared: &Shared) -> Result<(), String> {
    if shared.lifecycle.stopping() {
        return Err("this server is stopping".to_owned());
    }
    lacking(shared).map_or(Ok(()), Err)?;
    match shared.is_confirmed() {
        true => Ok(()),
        false => Err("too few of the other servers have confirmed this process yet".to_owned()),
    }
}

/// Why not every slot has a quorum of owners that answer; `None` if each has.
fn lacking(shared: &Shared) -> Option<String> {
    let Some(topology) = shared.topology() else {
        return Some("no layout is installed: run `clockwise init`".to_owned());
    };
    let short = clockwise_core::slot::Slot::all().filter(|&slot| {
        let owners = topology.layout.owners(slot);
        let live = owners.iter().filter(|&&owner| topology.is_live(owner)).count();
        live < owners.len() / 2 + 1
    });
    match short.count() {
        0 => None,
        count => Some(format!("{count} slots have no quorum of owners that answer")),
    }
}
