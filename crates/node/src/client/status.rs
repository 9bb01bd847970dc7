//! What a server says to `CW.STATUS`, as far as the command line reads it. Fields that are not named here are
//! ignored, so that servers may say more.

use super::ServerAddresses;
use serde::Deserialize;

/// One server's view.
#[derive(Deserialize, Clone, Debug)]
pub struct StatusView {
    /// Who it is.
    pub identity: IdentityView,
    /// Its life, from 1.
    pub incarnation: u32,
    /// `sync` or `periodic`.
    pub durability: String,
    /// Shard threads.
    pub shards: u16,
    /// Milliseconds since it started.
    pub uptime_ms: u64,
    /// Copies of each slot; 0 without a layout.
    pub replicas: u8,
    /// A quorum of the owners of every slot answers.
    pub quorum: bool,
    /// All servers of the layout.
    pub members: Vec<MemberView>,
    /// What it holds for each of those that are down.
    #[serde(default)]
    pub hints: Vec<HintsView>,
    /// For whom the collection of deletes waits.
    #[serde(default)]
    pub collection_waits: Vec<WaitView>,
    /// Its numbers.
    pub metrics: NumbersView,
}

/// A server for which the collection of deletes waits.
#[derive(Deserialize, Clone, Debug)]
pub struct WaitView {
    /// Which.
    pub member: String,
    /// In how many slots.
    pub slots: u64,
}

/// What a server holds for another one that is down.
#[derive(Deserialize, Clone, Debug)]
pub struct HintsView {
    /// For whom.
    pub member: String,
    /// Bytes held.
    pub bytes: u64,
    /// Milliseconds since the oldest of these writes was made.
    pub oldest_age_ms: u64,
}

/// Who a server is.
#[derive(Deserialize, Clone, Debug)]
pub struct IdentityView {
    /// 40 hex digits.
    pub node: String,
    /// Of the program.
    pub version: String,
    /// Of the layout; 0 for none.
    pub epoch: u64,
    /// 32 hex digits.
    pub cluster: Option<String>,
}

/// One member as another one sees it.
#[derive(Deserialize, Clone, Debug)]
pub struct MemberView {
    /// Its name, as in clocks.
    pub member: String,
    /// Whether it is the server that says so.
    pub own: bool,
    /// Whether it answers.
    pub live: bool,
    /// What gossip knows of it; nothing of the server itself.
    #[serde(default)]
    pub gossip: Option<GossipView>,
    /// Where it is reached.
    pub addresses: ServerAddresses,
    /// Data centre.
    pub dc: String,
    /// Rack.
    pub rack: String,
    /// Capacity.
    pub weight: u16,
    /// Slots for which the routing map names it.
    pub slots: u64,
}

/// What one member knows of another by gossip.
#[derive(Deserialize, Clone, Debug)]
pub struct GossipView {
    /// `up`, `stale` or `down`.
    pub state: String,
    /// Other servers that have seen no more of its heartbeat either.
    pub said_by: Vec<String>,
    /// Milliseconds since the last news of its heartbeat.
    pub heartbeat_age_ms: u64,
}

impl MemberView {
    /// In a word, the worst that is known first.
    pub fn state(&self) -> &str {
        match &self.gossip {
            Some(gossip) if gossip.state == "down" => "down",
            _ if !self.live => "suspected",
            Some(gossip) if gossip.state == "stale" => "stale",
            _ => "live",
        }
    }
}

/// A few of a server's numbers.
#[derive(Deserialize, Clone, Debug)]
pub struct NumbersView {
    /// Client connections.
    pub clients: u64,
    /// Each shard.
    pub shards: Vec<ShardView>,
}

/// A few of a shard's numbers.
#[derive(Deserialize, Clone, Debug)]
pub struct ShardView {
    /// Live keys in its cells, replicas among them.
    pub live_keys: u64,
    /// Anti-entropy, by name.
    #[serde(default)]
    pub exchange: Vec<(String, u64)>,
    /// Slots of which its copy is not whole, by name.
    #[serde(default)]
    pub fill: Vec<(String, u64)>,
    /// For which owners they wait, and how many.
    #[serde(default)]
    pub fill_waits: Vec<(String, u64)>,
    /// Collection of deleted and expired records, by name.
    #[serde(default)]
    pub collect: Vec<(String, u64)>,
}

impl StatusView {
    /// The name of the server that says all this, as in clocks.
    pub fn name(&self) -> Option<&str> {
        self.members.iter().find(|member| member.own).map(|member| member.member.as_str())
    }

    /// A number of anti-entropy, of each shard that says it.
    pub fn exchange<'a>(&'a self, name: &'a str) -> impl Iterator<Item = u64> + 'a {
        let numbers = self.metrics.shards.iter().flat_map(|shard| &shard.exchange);
        numbers.filter(move |(of, _)| of == name).map(|(_, number)| *number)
    }

    /// A number of slots of which its copy is not whole, of all shards together.
    pub fn fill(&self, name: &str) -> u64 {
        let numbers = self.metrics.shards.iter().flat_map(|shard| &shard.fill);
        numbers.filter(|(of, _)| of == name).map(|(_, number)| number).sum()
    }

    /// The owners for which such slots wait, with how many.
    pub fn fill_waits(&self) -> std::collections::BTreeMap<&str, u64> {
        let mut waits = std::collections::BTreeMap::new();
        for (owner, slots) in self.metrics.shards.iter().flat_map(|shard| &shard.fill_waits) {
            *waits.entry(owner.as_str()).or_default() += slots;
        }
        waits
    }

    /// A number of collection, of each shard that says it.
    pub fn collect<'a>(&'a self, name: &'a str) -> impl Iterator<Item = u64> + 'a {
        let numbers = self.metrics.shards.iter().flat_map(|shard| &shard.collect);
        numbers.filter(move |(of, _)| of == name).map(|(_, number)| *number)
    }

    /// Live keys of which the server holds a copy.
    pub fn keys(&self) -> u64 {
        self.metrics.shards.iter().map(|shard| shard.live_keys).sum()
    }
}
