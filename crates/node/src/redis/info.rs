//! `INFO`: the sections that clients and dashboards of Redis look at.

use super::Door;
use crate::{
    server::{MetricsSnapshot, snapshot},
    shard::{Key, ShardState},
};
use bytes::Bytes;
use clockwise_core::shard::Durability;
use clockwise_wire::command::REDIS_VERSION;
use std::fmt::Write;

const SECTIONS: [&str; 9] = [
    "server",
    "clients",
    "memory",
    "persistence",
    "stats",
    "replication",
    "cluster",
    "clockwise",
    "keyspace",
];

/// The text, with the sections that were asked for, or all.
pub(super) fn text(state: &ShardState, connection: Key, wanted: &[Bytes]) -> String {
    let everything = wanted.is_empty()
        || wanted.iter().any(|name| matches!(&name[..], b"all" | b"everything" | b"default"));
    let metrics = snapshot(&state.shared);
    let door = state.door(connection);
    let mut text = String::new();
    for section in SECTIONS {
        if everything || wanted.iter().any(|name| name == section) {
            if !text.is_empty() {
                text.push_str("\r\n");
            }
            push_section(&mut text, section, state, door, &metrics);
        }
    }
    text
}

fn push_section(text: &mut String, section: &str, state: &ShardState, door: Door, metrics: &MetricsSnapshot) {
    let title = format!("# {}{}\r\n", section[..1].to_ascii_uppercase(), &section[1..]);
    text.push_str(&title);
    let lines = match section {
        "server" => server(state, door),
        "clients" => vec![
            ("connected_clients", metrics.clients.to_string()),
            ("maxclients", state.shared.settings.max_connections.to_string()),
            ("blocked_clients", "0".to_owned()),
        ],
        "memory" => vec![("used_memory", resident_bytes().to_string()), ("maxmemory", "0".to_owned())],
        "persistence" => vec![
            ("loading", "0".to_owned()),
            ("aof_enabled", "1".to_owned()),
            ("clockwise_log_backlog_bytes", metrics.log_backlog_bytes.to_string()),
            ("clockwise_disk_full", u8::from(metrics.disk_full()).to_string()),
            ("clockwise_damaged_slots", metrics.damaged_slots().to_string()),
        ],
        "stats" => stats(metrics),
        "replication" => vec![("role", "master".to_owned()), ("connected_slaves", "0".to_owned())],
        "cluster" => vec![("cluster_enabled", u8::from(door == Door::Cluster).to_string())],
        "clockwise" => clockwise(state),
        _ => keyspace(metrics),
    };
    for (name, value) in lines {
        write!(text, "{name}:{value}\r\n").expect("writing to a string cannot fail");
    }
}

fn server(state: &ShardState, door: Door) -> Vec<(&'static str, String)> {
    let settings = &state.shared.settings;
    let (mode, port) = match door {
        Door::Cluster => ("cluster", settings.listen.cluster.port()),
        Door::Plain => ("standalone", settings.listen.plain.port()),
    };
    let uptime_s = state.reading.now.mono_ms / 1000;
    vec![
        ("redis_version", REDIS_VERSION.to_owned()),
        ("clockwise_version", env!("CARGO_PKG_VERSION").to_owned()),
        ("redis_mode", mode.to_owned()),
        ("os", std::env::consts::OS.to_owned()),
        ("arch_bits", usize::BITS.to_string()),
        ("process_id", std::process::id().to_string()),
        ("run_id", state.shared.node.to_string()),
        ("tcp_port", port.to_string()),
        ("uptime_in_seconds", uptime_s.to_string()),
        ("uptime_in_days", (uptime_s / 86_400).to_string()),
    ]
}

fn stats(metrics: &MetricsSnapshot) -> Vec<(&'static str, String)> {
    let commands = metrics.commands.iter().map(|command| command.done + command.rejected + command.unknown);
    let total =
        |of: fn(&crate::server::ShardNumbers) -> u64| metrics.shards.iter().map(of).sum::<u64>().to_string();
    vec![
        ("total_commands_processed", commands.sum::<u64>().to_string()),
        ("total_net_input_bytes", total(|shard| shard.client_bytes_in)),
        ("total_net_output_bytes", total(|shard| shard.client_bytes_out)),
        ("rejected_connections", metrics.refused_clients.to_string()),
    ]
}

fn clockwise(state: &ShardState) -> Vec<(&'static str, String)> {
    let layout = state.shared.layout();
    let epoch = layout.as_ref().map_or(0, |layout| layout.epoch().0);
    let members = layout.as_ref().map_or(0, |layout| layout.spec().members.len());
    let durability = match state.shared.settings.durability {
        Durability::Sync => "sync",
        Durability::Periodic => "periodic",
    };
    vec![
        ("node_id", state.shared.node.to_string()),
        ("epoch", epoch.to_string()),
        ("members", members.to_string()),
        ("live_members", state.shared.topology().map_or(0, |topology| topology.live.len()).to_string()),
        ("incarnation", state.shared.life().incarnation.to_string()),
        ("shards", state.shared.shards.to_string()),
        ("durability", durability.to_owned()),
    ]
}

/// Live keys that this server keeps, as of about a second ago.
fn keyspace(metrics: &MetricsSnapshot) -> Vec<(&'static str, String)> {
    let keys: u64 = metrics.shards.iter().map(|shard| shard.live_keys).sum();
    if keys == 0 { Vec::new() } else { vec![("db0", format!("keys={keys},expires=0,avg_ttl=0"))] }
}

/// Memory of the process, where the machine tells; else 0.
pub(crate) fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * 4096
}
