//! One server of a layout.
//!
//! Owns what a layout says about a server and which members may stand in one layout together. Whether a server is
//! up, and where it has moved since, others know.

use super::LayoutError;
use crate::{
    ids::{MemberNumber, NodeId},
    limits::{MEMBERS, NAME_BYTES, TOTAL_WEIGHT},
};
use alloc::{collections::BTreeSet, string::String};

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
    /// Where its virtual nodes stand; a replacement may inherit it, two members never share it.
    pub token_seed: u64,
    /// Capacity: 256 virtual nodes per unit, from 1.
    pub weight: u16,
    /// Data centre.
    pub dc: String,
    /// Rack.
    pub rack: String,
    /// Addresses when the layout was written; a server that moved says so itself.
    pub addresses: Addresses,
}

impl Member {
    /// Its texts, in the order of the stored form.
    pub(super) fn texts(&self) -> [&str; 6] {
        let addresses = &self.addresses;
        [&self.dc, &self.rack, &addresses.peer, &addresses.cluster, &addresses.plain, &addresses.http]
    }
}

/// May these members, sorted by number, stand in one layout?
pub(super) fn check(members: &[Member]) -> Result<(), LayoutError> {
    let weight: u64 = members.iter().map(|member| u64::from(member.weight)).sum();
    let well_formed = members.iter().all(|member| {
        member.number.0 > 0 && member.weight > 0 && member.texts().iter().all(|text| text.len() <= NAME_BYTES)
    });
    let nodes: BTreeSet<NodeId> = members.iter().map(|member| member.node).collect();
    let seeds: BTreeSet<u64> = members.iter().map(|member| member.token_seed).collect();
    let distinct = members.windows(2).all(|pair| pair[0].number < pair[1].number)
        && nodes.len() == members.len()
        && seeds.len() == members.len();
    let within_caps = !members.is_empty() && members.len() <= MEMBERS && weight <= u64::from(TOTAL_WEIGHT);
    if well_formed && distinct && within_caps { Ok(()) } else { Err(LayoutError::BadMembers) }
}
