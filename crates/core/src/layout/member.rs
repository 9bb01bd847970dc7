//! One server of a layout.
use crate::ids::{MemberNumber, NodeId};
use alloc::string::String;

/// Where a server is reached: `host:port` each.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Addresses {
    /// Other servers.
    pub peer: String,
    /// Redis cluster clients.
    pub cluster: String,
    /// Plain Redis clients.
    pub plain: String,
    /// HTTP.
    pub http: String,
}

/// One server of a layout.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Its small number, from 1, never used again.
    pub number: MemberNumber,
    /// Its node id.
    pub node: NodeId,
    /// Where its virtual nodes stand; a replacement may inherit it.
    pub token_seed: u64,
    /// Capacity: 256 virtual nodes per unit.
    pub weight: u16,
    /// Data centre.
    pub dc: String,
    /// Rack.
    pub rack: String,
    /// Addresses when the layout was written; a server that moved says so itself.
    pub addresses: Addresses,
}
