//! Members, the ring, and who owns a slot.
//!
//! The ring is a pure function of the members; the data path sees only [`Layout::owners`], a table.

mod codec;
mod map;
mod member;
mod ring;

#[cfg(test)]
mod tests;

pub use map::{MapRow, RoutingMap};
pub use member::{Addresses, Member};

use crate::{
    ids::{Epoch, MemberNumber, NodeId},
    slot::Slot,
    varint::Malformed,
    version::{DigestKey, TokenKey},
};
use alloc::vec::Vec;
use bytes::Bytes;

/// One layout of the cluster: written once, never changed.
#[derive(Clone, Debug)]
pub struct Layout {
    spec: LayoutSpec,
    /// Distinct owner lists.
    sets: Vec<Vec<MemberNumber>>,
    /// Slot → index into `sets`.
    table: Vec<u16>,
}

/// What a layout is made of; the table follows from it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LayoutSpec {
    /// Random, minted by `init`.
    pub cluster: [u8; 16],
    /// From 1.
    pub epoch: Epoch,
    /// N.
    pub replicas: u8,
    /// Key of context tokens.
    pub token_key: TokenKey,
    /// Key of record digests.
    pub digest_key: DigestKey,
    /// Sorted by number.
    pub members: Vec<Member>,
}

/// Why a layout is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LayoutError {
    /// No member, too many, or a number or node id twice, or a name too long, or weight 0.
    BadMembers,
    /// N is 0 or too large.
    BadReplicas,
    /// Epoch 0.
    BadEpoch,
}

impl Layout {
    /// Computes the table.
    pub fn new(spec: LayoutSpec) -> Result<Layout, LayoutError> {
        let _ = spec;
        todo!()
    }
    /// What it is made of.
    pub fn spec(&self) -> &LayoutSpec {
        &self.spec
    }
    /// Its number.
    pub fn epoch(&self) -> Epoch {
        self.spec.epoch
    }
    /// The owners of a slot, clockwise from it.
    pub fn owners(&self, slot: Slot) -> &[MemberNumber] {
        &self.sets[usize::from(self.table[usize::from(slot.number())])]
    }
    /// The member with this number.
    pub fn member(&self, number: MemberNumber) -> Option<&Member> {
        let at = self.spec.members.binary_search_by_key(&number, |m| m.number).ok()?;
        self.spec.members.get(at)
    }
    /// The member with this node id.
    pub fn by_node(&self, node: NodeId) -> Option<&Member> {
        self.spec.members.iter().find(|m| m.node == node)
    }
    /// The stored form, with a version byte and the name of the ring algorithm.
    pub fn encode(&self) -> Vec<u8> {
        todo!()
    }
    /// Reads the stored form and computes the table.
    pub fn decode(bytes: Bytes) -> Result<Layout, Malformed> {
        let _ = bytes;
        todo!()
    }
}
