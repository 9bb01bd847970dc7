//! What one server is told at its start, checked.
//!
//! Flags win over `CLOCKWISE_*` environment variables, these over the TOML file, this over the defaults; see
//! [`Source`]. A [`Settings`] that exists has passed every check of [`check`]. It starts nothing and opens no file
//! but the configuration and the secrets that it names.

mod check;
mod compression;
mod level;
mod load;
mod size;
mod source;

#[cfg(test)]
mod tests;

pub use check::{Checked, LogSettings, SettingsError};
pub use compression::{compression_text, parse_compression};
pub use level::parse_level;
pub use load::load;
pub use size::ByteSize;
pub use source::{DurabilityName, LogFormat, Source};

use clockwise_core::{
    ids::NodeId,
    layout::Addresses,
    limits::{CELLS, CLOCK_PAIRS, DEFAULT_TIMEOUT_MS, DOWN_AFTER_MS, GOSSIP_INTERVAL_MS},
    request::Level,
    shard::Durability,
};
use clockwise_store::Compression;
use std::{fmt, net::SocketAddr, path::PathBuf};

/// The sockets of one server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listen {
    /// Other servers.
    pub peer: SocketAddr,
    /// Redis cluster clients.
    pub cluster: SocketAddr,
    /// Plain Redis clients.
    pub plain: SocketAddr,
    /// HTTP.
    pub http: SocketAddr,
}

/// Everything that a server is told.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// The folder that holds identity, layout, log and tables.
    pub data_dir: PathBuf,
    /// Where it listens.
    pub listen: Listen,
    /// Where others reach it.
    pub advertise: Addresses,
    /// Shared by all servers of the cluster; may be empty while everything is on loopback.
    pub cluster_secret: Vec<u8>,
    /// What clients say in `AUTH`; `None` lets everybody in.
    pub password: Option<String>,
    /// The node id that the folder is expected to have.
    pub node_id: Option<NodeId>,
    /// Shard threads.
    pub shards: usize,
    /// When a write counts as acknowledged.
    pub durability: Durability,
    /// With [`Durability::Periodic`]: milliseconds between two syncs of the log.
    pub sync_every_ms: u64,
    /// Bytes of memtables over all cells.
    pub memtable_bytes: usize,
    /// Bytes of the cache of records and blocks over all shards, with indexes and filters.
    pub cache_bytes: usize,
    /// Free bytes of the disk below which writes are refused; `None` leaves it to the engine.
    pub disk_reserve_bytes: Option<u64>,
    /// Bytes of hints for one server that is down; four times as many for all.
    pub hint_bytes: u64,
    /// Compression of new tables.
    pub compression: Compression,
    /// Data centre.
    pub dc: String,
    /// Rack.
    pub rack: String,
    /// Capacity, relative to the other servers.
    pub weight: u16,
    /// Default level of reads.
    pub read_level: Level,
    /// Default level of writes.
    pub write_level: Level,
    /// Default deadline of requests, in milliseconds.
    pub timeout_ms: u64,
    /// Pairs that a printed vector clock may have.
    pub clock_threshold: usize,
    /// Milliseconds between two rounds of gossip.
    pub gossip_interval_ms: u64,
    /// Milliseconds for which a heartbeat may stand still.
    pub down_after_ms: u64,
    /// Client connections at the same time, over both ports.
    pub max_connections: usize,
    /// Lets addresses other than loopback be used without secret and password.
    pub insecure: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let listen = Listen { peer: at(9001), cluster: at(7001), plain: at(6001), http: at(8001) };
        Settings {
            data_dir: PathBuf::from("clockwise-data/server"),
            listen,
            advertise: listen.addresses(),
            cluster_secret: Vec::new(),
            password: None,
            node_id: None,
            shards: default_shards(1),
            durability: Durability::Sync,
            sync_every_ms: 1_000,
            memtable_bytes: 128 << 20,
            cache_bytes: 128 << 20,
            disk_reserve_bytes: None,
            hint_bytes: 1 << 30,
            compression: Compression::Lz4,
            dc: "dc1".to_owned(),
            rack: "rack1".to_owned(),
            weight: 1,
            read_level: Level::DEFAULT,
            write_level: Level::DEFAULT,
            timeout_ms: DEFAULT_TIMEOUT_MS,
            clock_threshold: CLOCK_PAIRS,
            gossip_interval_ms: GOSSIP_INTERVAL_MS,
            down_after_ms: DOWN_AFTER_MS,
            max_connections: 10_000,
            insecure: false,
        }
    }
}

impl Listen {
    /// The four sockets with the name of each.
    pub fn named(&self) -> [(&'static str, SocketAddr); 4] {
        [("peer", self.peer), ("cluster", self.cluster), ("plain", self.plain), ("http", self.http)]
    }

    /// As texts, as they are advertised unless something else is said.
    pub fn addresses(&self) -> Addresses {
        Addresses {
            peer: self.peer.to_string(),
            cluster: self.cluster.to_string(),
            plain: self.plain.to_string(),
            http: self.http.to_string(),
        }
    }
}

/// One shard per core of the machine, shared by `servers` servers on it; never more than there are cells.
pub fn default_shards(servers: usize) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (cores / servers.max(1)).clamp(1, usize::from(CELLS))
}

// Secrets stay out of logs.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("data_dir", &self.data_dir)
            .field("listen", &self.listen)
            .field("advertise", &self.advertise)
            .field("cluster_secret", &!self.cluster_secret.is_empty())
            .field("password", &self.password.is_some())
            .field("node_id", &self.node_id)
            .field("shards", &self.shards)
            .field("durability", &self.durability)
            .field("sync_every_ms", &self.sync_every_ms)
            .field("memtable_bytes", &self.memtable_bytes)
            .field("cache_bytes", &self.cache_bytes)
            .field("disk_reserve_bytes", &self.disk_reserve_bytes)
            .field("hint_bytes", &self.hint_bytes)
            .field("compression", &self.compression)
            .field("dc", &self.dc)
            .field("rack", &self.rack)
            .field("weight", &self.weight)
            .field("read_level", &self.read_level)
            .field("write_level", &self.write_level)
            .field("timeout_ms", &self.timeout_ms)
            .field("clock_threshold", &self.clock_threshold)
            .field("gossip_interval_ms", &self.gossip_interval_ms)
            .field("down_after_ms", &self.down_after_ms)
            .field("max_connections", &self.max_connections)
            .field("insecure", &self.insecure)
            .finish()
    }
}
