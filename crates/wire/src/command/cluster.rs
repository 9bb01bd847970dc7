//! `CLUSTER …`: the map that cluster clients route by.
//!
//! Deliberately absent: everything that changes a cluster (`MEET`, `FORGET`, `ADDSLOTS`, `FAILOVER`, …).

use super::{Command, Row, params};
use crate::{decimal, error::WireError, resp::Args};
use clockwise_core::slot::Slot;

/// One `CLUSTER` subcommand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClusterCommand {
    /// `CLUSTER SLOTS`.
    Slots,
    /// `CLUSTER SHARDS`.
    Shards,
    /// `CLUSTER NODES`.
    Nodes,
    /// `CLUSTER INFO`.
    Info,
    /// `CLUSTER MYID`.
    MyId,
    /// `CLUSTER KEYSLOT key`: the slot is the answer.
    KeySlot(Slot),
    /// `CLUSTER COUNTKEYSINSLOT slot`.
    CountKeysInSlot(Slot),
}

const SUB: Row = Row {
    arity: 2,
    flags: &["stale"],
    categories: &["@slow"],
    group: "cluster",
    since: "3.0.0",
    ..Row::BASE
};
const MAP: Row = Row { tips: &["nondeterministic_output"], complexity: "O(N) for N rows of the map", ..SUB };

pub(super) static ROW: Row = Row {
    name: "cluster",
    arity: -2,
    flags: &[],
    summary: "The map of slots and servers",
    complexity: "Depends on subcommand.",
    subcommands: &[&COUNTKEYSINSLOT, &INFO, &KEYSLOT, &MYID, &NODES, &SHARDS, &SLOTS],
    ..SUB
};

static COUNTKEYSINSLOT: Row = Row {
    name: "cluster|countkeysinslot",
    arity: 3,
    summary: "Answers the number of keys in a slot",
    syntax: "slot",
    parse: count_keys,
    ..SUB
};
static INFO: Row = Row {
    name: "cluster|info",
    tips: &["nondeterministic_output"],
    summary: "Answers the state of the cluster",
    parse: |_| Ok(Command::Cluster(ClusterCommand::Info)),
    ..SUB
};
static KEYSLOT: Row = Row {
    name: "cluster|keyslot",
    arity: 3,
    summary: "Answers the slot of a key",
    syntax: "key",
    complexity: "O(N) for N bytes",
    parse: key_slot,
    ..SUB
};
static MYID: Row = Row {
    name: "cluster|myid",
    summary: "Answers the server's node id",
    parse: |_| Ok(Command::Cluster(ClusterCommand::MyId)),
    ..SUB
};
static NODES: Row = Row {
    name: "cluster|nodes",
    summary: "Answers the servers with their slots, as lines of text",
    parse: |_| Ok(Command::Cluster(ClusterCommand::Nodes)),
    ..MAP
};
static SHARDS: Row = Row {
    name: "cluster|shards",
    summary: "Answers groups of servers with their slots",
    since: "7.0.0",
    parse: |_| Ok(Command::Cluster(ClusterCommand::Shards)),
    ..MAP
};
static SLOTS: Row = Row {
    name: "cluster|slots",
    summary: "Answers ranges of slots with their servers",
    parse: |_| Ok(Command::Cluster(ClusterCommand::Slots)),
    ..MAP
};

fn key_slot(args: &Args) -> Result<Command, WireError> {
    Ok(Command::Cluster(ClusterCommand::KeySlot(Slot::of(&params::key(args, 2)?))))
}

fn count_keys(args: &Args) -> Result<Command, WireError> {
    let number = decimal::parse_i64(args.get(2).unwrap_or_default()).ok_or_else(params::not_an_integer)?;
    let slot = u16::try_from(number).ok().and_then(Slot::new).ok_or(WireError::answer("ERR Invalid slot"))?;
    Ok(Command::Cluster(ClusterCommand::CountKeysInSlot(slot)))
}
