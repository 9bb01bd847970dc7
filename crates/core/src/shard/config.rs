//! What a shard is told, and what it tells about itself.

use crate::{
    canary::Canary,
    collect::CollectStats,
    exchange::ExchangeStats,
    fill::FillStats,
    hints::{HintBudget, HintStats},
    hlc::Hlc,
    ids::MemberNumber,
};

/// When a write counts as acknowledged by a replica.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Durability {
    /// After the commit log was synced.
    Sync,
    /// At once; the log is synced from time to time.
    Periodic,
}

/// What a shard is told at its start.
#[derive(Clone, Debug)]
pub struct ShardConfig {
    /// This server's number in the layout.
    pub me: MemberNumber,
    /// Its incarnation, durable already.
    pub incarnation: u32,
    /// How many processes have started on this server's folder: no two have the same.
    pub starts: u32,
    /// Which shard of the server this is, from 0.
    pub shard: u16,
    /// How many there are.
    pub shards: u16,
    /// When writes are acknowledged.
    pub durability: Durability,
    /// No timestamp at or below this is minted.
    pub clock_floor: Hlc,
    /// Timestamps up to this may be minted; more is asked for with `Action::ReserveHlc`.
    pub clock_reserved: Hlc,
    /// Whether it is proven that no later process ran on this folder: else nothing is minted until `on_confirmed`.
    pub confirmed: bool,
    /// Most bytes that the shard holds as hints.
    pub hints: HintBudget,
    /// Whether it compares its slots with those of other owners all the time.
    pub exchange: bool,
    /// Whether it collects what is deleted or expired, and is the hub of rounds for it.
    pub collect: bool,
    /// A known bug, for the simulator.
    pub canary: Canary,
}

/// Whether a link to a peer is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkState {
    /// Connected and authenticated.
    Up,
    /// Refused, closed or broken.
    Down,
}

/// Numbers for metrics.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ShardStats {
    /// Operations in flight.
    pub operations: usize,
    /// Requests parked behind disk reads.
    pub loading: usize,
    /// Reads of hot keys that were answered without a question of their own.
    pub shared_reads: u64,
    /// What is held for owners that are down.
    pub hints: HintStats,
    /// How far the slots are known to be the same everywhere.
    pub exchange: ExchangeStats,
    /// Slots of which the own copy is not whole.
    pub fill: FillStats,
    /// What was collected, and what waits for it.
    pub collect: CollectStats,
}
