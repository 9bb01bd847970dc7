//! Every setting by name, as it may be given: by flag, by environment and in the file. Nothing is checked here
//! beyond the form of each value.

use super::{ByteSize, parse_compression, parse_level};
use clap::{Args, ValueEnum};
use clockwise_core::{ids::NodeId, request::Level, shard::Durability};
use clockwise_store::Compression;
use serde::{Deserialize, Deserializer, de};
use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

/// What one source (flags with environment, or the file) says. The names in the file are those of the flags with
/// `_` for `-`.
#[derive(Args, Deserialize, Clone, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Source {
    /// Data folder; made if it is not there
    #[arg(long, value_name = "DIR", env = "CLOCKWISE_DATA")]
    pub data: Option<PathBuf>,

    /// Address that all four sockets bind to [default: 127.0.0.1]
    #[arg(long, value_name = "IP", env = "CLOCKWISE_HOST", help_heading = "Addresses")]
    pub host: Option<IpAddr>,
    /// Port for Redis cluster clients; plain Redis clients 1000 below, HTTP 1000 above, other servers 2000 above
    /// [default: 7001]
    #[arg(long, value_name = "PORT", env = "CLOCKWISE_PORT", help_heading = "Addresses")]
    pub port: Option<u16>,
    /// Socket for other servers, if not as --host and --port say
    #[arg(long, value_name = "IP:PORT", env = "CLOCKWISE_LISTEN_PEER", help_heading = "Addresses")]
    pub listen_peer: Option<SocketAddr>,
    /// Socket for Redis cluster clients
    #[arg(long, value_name = "IP:PORT", env = "CLOCKWISE_LISTEN_CLUSTER", help_heading = "Addresses")]
    pub listen_cluster: Option<SocketAddr>,
    /// Socket for plain Redis clients
    #[arg(long, value_name = "IP:PORT", env = "CLOCKWISE_LISTEN_PLAIN", help_heading = "Addresses")]
    pub listen_plain: Option<SocketAddr>,
    /// Socket for HTTP
    #[arg(long, value_name = "IP:PORT", env = "CLOCKWISE_LISTEN_HTTP", help_heading = "Addresses")]
    pub listen_http: Option<SocketAddr>,
    /// Host name or address under which others reach this server [default: the address bound to]
    #[arg(long, value_name = "HOST", env = "CLOCKWISE_ADVERTISE_HOST", help_heading = "Addresses")]
    pub advertise_host: Option<String>,

    /// Secret that all servers of the cluster share. Others on this machine can see flags: prefer a file
    #[arg(
        long,
        value_name = "TEXT",
        env = "CLOCKWISE_CLUSTER_SECRET",
        hide_env_values = true,
        help_heading = "Safety"
    )]
    pub cluster_secret: Option<String>,
    /// File with the cluster secret
    #[arg(long, value_name = "FILE", env = "CLOCKWISE_CLUSTER_SECRET_FILE", help_heading = "Safety")]
    pub cluster_secret_file: Option<PathBuf>,
    /// Password that clients must give with AUTH. Others on this machine can see flags: prefer a file
    #[arg(
        long,
        value_name = "TEXT",
        env = "CLOCKWISE_PASSWORD",
        hide_env_values = true,
        help_heading = "Safety"
    )]
    pub password: Option<String>,
    /// File with the password
    #[arg(long, value_name = "FILE", env = "CLOCKWISE_PASSWORD_FILE", help_heading = "Safety")]
    pub password_file: Option<PathBuf>,
    /// Bind to addresses beyond loopback even without secret and password
    #[arg(
        long,
        value_name = "BOOL",
        env = "CLOCKWISE_INSECURE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        help_heading = "Safety"
    )]
    pub insecure: Option<bool>,
    /// Refuse to start unless the data folder is that of this node (40 hex digits)
    #[arg(long, value_name = "ID", env = "CLOCKWISE_NODE_ID", value_parser = parse_node, help_heading = "Safety")]
    #[serde(deserialize_with = "node_of")]
    pub node_id: Option<NodeId>,
    /// Client connections at the same time [default: 10000]
    #[arg(long, value_name = "N", env = "CLOCKWISE_MAX_CONNECTIONS", help_heading = "Safety")]
    pub max_connections: Option<usize>,

    /// Acknowledge a write after the sync of its log, or at once and sync from time to time [default: sync]
    #[arg(long, value_name = "WHEN", env = "CLOCKWISE_DURABILITY", help_heading = "Storage")]
    pub durability: Option<DurabilityName>,
    /// Milliseconds between syncs with --durability periodic [default: 1000]
    #[arg(long, value_name = "MS", env = "CLOCKWISE_SYNC_EVERY_MS", help_heading = "Storage")]
    pub sync_every_ms: Option<u64>,
    /// Memory for what is not yet in tables, such as 64MiB [default: 128MiB]
    #[arg(long, value_name = "SIZE", env = "CLOCKWISE_MEMTABLE", help_heading = "Storage")]
    pub memtable: Option<ByteSize>,
    /// Memory for blocks, indexes and filters of tables, such as 128MiB [default: 128MiB]
    #[arg(long, value_name = "SIZE", env = "CLOCKWISE_CACHE", help_heading = "Storage")]
    pub cache: Option<ByteSize>,
    /// Free disk space below which writes are refused; reads go on [default: 5 % of the disk, at least 1GiB]
    #[arg(long, value_name = "SIZE", env = "CLOCKWISE_DISK_RESERVE", help_heading = "Storage")]
    pub disk_reserve: Option<ByteSize>,
    /// Disk space for writes that are held for one server that is down, such as 1GiB; four times as much for all [default: 1GiB]
    #[arg(long, value_name = "SIZE", env = "CLOCKWISE_HINTS", help_heading = "Storage")]
    pub hints: Option<ByteSize>,
    /// Compression of new tables: none, lz4, zstd, or zstd:LEVEL with a level from 1 to 19 [default: lz4]
    #[arg(
        long,
        value_name = "NAME",
        env = "CLOCKWISE_COMPRESSION",
        value_parser = parse_compression,
        help_heading = "Storage"
    )]
    #[serde(deserialize_with = "compression_of")]
    pub compression: Option<Compression>,
    /// Shard threads, 1 to 16 [default: one per core]
    #[arg(long, value_name = "N", env = "CLOCKWISE_SHARDS", help_heading = "Storage")]
    pub shards: Option<usize>,

    /// Data centre [default: dc1]
    #[arg(long, value_name = "NAME", env = "CLOCKWISE_DC", help_heading = "Place in the cluster")]
    pub dc: Option<String>,
    /// Rack [default: rack1]
    #[arg(long, value_name = "NAME", env = "CLOCKWISE_RACK", help_heading = "Place in the cluster")]
    pub rack: Option<String>,
    /// Capacity, relative to the other servers [default: 1]
    #[arg(long, value_name = "N", env = "CLOCKWISE_WEIGHT", help_heading = "Place in the cluster")]
    pub weight: Option<u16>,

    /// Level of reads that name none: one, quorum, all or a number, with :strict behind it [default: quorum]
    #[arg(long, value_name = "LEVEL", env = "CLOCKWISE_READ_LEVEL", value_parser = parse_level, help_heading = "Requests")]
    #[serde(deserialize_with = "level_of")]
    pub read_level: Option<Level>,
    /// Level of writes that name none [default: quorum]
    #[arg(long, value_name = "LEVEL", env = "CLOCKWISE_WRITE_LEVEL", value_parser = parse_level, help_heading = "Requests")]
    #[serde(deserialize_with = "level_of")]
    pub write_level: Option<Level>,
    /// Deadline of requests that name none, in milliseconds [default: 5000]
    #[arg(long, value_name = "MS", env = "CLOCKWISE_TIMEOUT_MS", help_heading = "Requests")]
    pub timeout_ms: Option<u64>,
    /// Pairs that a printed vector clock may have [default: 10]
    #[arg(long, value_name = "N", env = "CLOCKWISE_CLOCK_THRESHOLD", help_heading = "Requests")]
    pub clock_threshold: Option<usize>,

    /// Milliseconds between two rounds of gossip [default: 200]
    #[arg(long, value_name = "MS", env = "CLOCKWISE_GOSSIP_INTERVAL_MS", help_heading = "Failures")]
    pub gossip_interval_ms: Option<u64>,
    /// Milliseconds after which a server whose heartbeat stands still may be held for down, at least five intervals
    /// [default: 3000]
    #[arg(long, value_name = "MS", env = "CLOCKWISE_DOWN_AFTER_MS", help_heading = "Failures")]
    pub down_after_ms: Option<u64>,

    /// Which logs: error, warn, info, debug, trace, or filters such as `info,clockwise::peer=debug`
    /// [default: info]
    #[arg(long, value_name = "LEVEL", env = "CLOCKWISE_LOG_LEVEL", help_heading = "Logs")]
    pub log_level: Option<String>,
    /// How they are written, to stderr [default: text]
    #[arg(long, value_name = "FORMAT", env = "CLOCKWISE_LOG_FORMAT", help_heading = "Logs")]
    pub log_format: Option<LogFormat>,
}

/// When a write counts as acknowledged, by name.
#[derive(Deserialize, ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
pub enum DurabilityName {
    /// After the sync of the commit log
    Sync,
    /// At once; the log is synced from time to time
    Periodic,
}

impl From<DurabilityName> for Durability {
    fn from(name: DurabilityName) -> Durability {
        match name {
            DurabilityName::Sync => Durability::Sync,
            DurabilityName::Periodic => Durability::Periodic,
        }
    }
}

/// How logs are written.
#[derive(Deserialize, ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One line of text each
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

impl Source {
    /// What this one says, and where it says nothing, the other.
    pub fn over(self, below: Source) -> Source {
        // A secret and a file with it are two ways to say the same: the higher source says it alone.
        let said = |text: &Option<String>, file: &Option<PathBuf>| text.is_some() || file.is_some();
        let (cluster_secret, cluster_secret_file) =
            match said(&self.cluster_secret, &self.cluster_secret_file) {
                true => (self.cluster_secret, self.cluster_secret_file),
                false => (below.cluster_secret, below.cluster_secret_file),
            };
        let (password, password_file) = match said(&self.password, &self.password_file) {
            true => (self.password, self.password_file),
            false => (below.password, below.password_file),
        };
        // Spelled out, so that a new field cannot be forgotten.
        Source {
            data: self.data.or(below.data),
            host: self.host.or(below.host),
            port: self.port.or(below.port),
            listen_peer: self.listen_peer.or(below.listen_peer),
            listen_cluster: self.listen_cluster.or(below.listen_cluster),
            listen_plain: self.listen_plain.or(below.listen_plain),
            listen_http: self.listen_http.or(below.listen_http),
            advertise_host: self.advertise_host.or(below.advertise_host),
            cluster_secret,
            cluster_secret_file,
            password,
            password_file,
            insecure: self.insecure.or(below.insecure),
            node_id: self.node_id.or(below.node_id),
            max_connections: self.max_connections.or(below.max_connections),
            durability: self.durability.or(below.durability),
            sync_every_ms: self.sync_every_ms.or(below.sync_every_ms),
            memtable: self.memtable.or(below.memtable),
            cache: self.cache.or(below.cache),
            disk_reserve: self.disk_reserve.or(below.disk_reserve),
            hints: self.hints.or(below.hints),
            compression: self.compression.or(below.compression),
            shards: self.shards.or(below.shards),
            dc: self.dc.or(below.dc),
            rack: self.rack.or(below.rack),
            weight: self.weight.or(below.weight),
            read_level: self.read_level.or(below.read_level),
            write_level: self.write_level.or(below.write_level),
            timeout_ms: self.timeout_ms.or(below.timeout_ms),
            clock_threshold: self.clock_threshold.or(below.clock_threshold),
            gossip_interval_ms: self.gossip_interval_ms.or(below.gossip_interval_ms),
            down_after_ms: self.down_after_ms.or(below.down_after_ms),
            log_level: self.log_level.or(below.log_level),
            log_format: self.log_format.or(below.log_format),
        }
    }
}

fn parse_node(text: &str) -> Result<NodeId, String> {
    NodeId::parse(text).ok_or_else(|| format!("`{text}` is not a node id: 40 hex digits"))
}

fn node_of<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NodeId>, D::Error> {
    parse_node(&String::deserialize(deserializer)?).map(Some).map_err(de::Error::custom)
}

fn compression_of<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Compression>, D::Error> {
    parse_compression(&String::deserialize(deserializer)?).map(Some).map_err(de::Error::custom)
}

fn level_of<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Level>, D::Error> {
    parse_level(&String::deserialize(deserializer)?).map(Some).map_err(de::Error::custom)
}
