//! Members, the ring, and who owns a slot.
//!
//! A layout is written once and never changed. The ring is a pure function of the members, so all servers agree on
//! the owners without asking; the data path sees only [`Layout::owners`], a table.
//!
//! This room does not know who is up (the routing map is told), and does not change layouts.

mod codec;
mod map;
mod member;
mod ring;
mod spread;

#[cfg(test)]
mod tests;

pub use map::{MapRow, RoutingMap};
pub use member::{Addresses, Member};

use crate::{
    ids::{Epoch, MemberNumber, NodeId},
    limits::{MEMBERS, REPLICAS, TOTAL_WEIGHT},
    slot::Slot,
    version::{DigestKey, TokenKey},
};
use alloc::vec::Vec;
use core::fmt;

/// One layout of the cluster: written once, never changed.
#[derive(Clone, Debug)]
pub struct Layout {
    spec: LayoutSpec,
    table: ring::Table,
    stand_ins: ring::Table,
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
    /// No member or too many, a number, node id or token seed twice, number or weight 0, a text too long, or more
    /// than [`TOTAL_WEIGHT`].
    BadMembers,
    /// N is 0 or more than [`REPLICAS`].
    BadReplicas,
    /// Epoch 0.
    BadEpoch,
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LayoutError::BadMembers => write!(
                f,
                "members: 1 to {MEMBERS} with distinct numbers from 1, node ids and token seeds, weights from 1 and \
                 at most {TOTAL_WEIGHT} together"
            ),
            LayoutError::BadReplicas => write!(f, "replicas: 1 to {REPLICAS}"),
            LayoutError::BadEpoch => f.write_str("epoch: from 1"),
        }
    }
}

impl core::error::Error for LayoutError {}

impl Layout {
    /// Checks the members, sorts them by number and computes the table.
    pub fn new(mut spec: LayoutSpec) -> Result<Layout, LayoutError> {
        if spec.epoch.0 == 0 {
            return Err(LayoutError::BadEpoch);
        }
        if spec.replicas == 0 || usize::from(spec.replicas) > REPLICAS {
            return Err(LayoutError::BadReplicas);
        }
        spec.members.sort_by_key(|member| member.number);
        member::check(&spec.members)?;
        let (table, stand_ins) = ring::tables(&spec.members, spec.replicas);
        Ok(Layout { spec, table, stand_ins })
    }

    /// What it is made of.
    pub fn spec(&self) -> &LayoutSpec {
        &self.spec
    }

    /// Its number.
    pub fn epoch(&self) -> Epoch {
        self.spec.epoch
    }

    /// The owners of a slot, clockwise from it: min(N, members) distinct ones.
    pub fn owners(&self, slot: Slot) -> &[MemberNumber] {
        self.table.list(slot)
    }

    /// Who may stand in for owners of a slot that are down: the servers that follow clockwise, the first 2N of them.
    pub fn stand_ins(&self, slot: Slot) -> &[MemberNumber] {
        self.stand_ins.list(slot)
    }

    /// The member with this number.
    pub fn member(&self, number: MemberNumber) -> Option<&Member> {
        self.spec.members.get(self.place(number)?)
    }

    /// The member with this node id.
    pub fn by_node(&self, node: NodeId) -> Option<&Member> {
        self.spec.members.iter().find(|member| member.node == node)
    }

    /// How many slots each member owns, in the order of the members. All together: slots times owners per slot.
    pub fn shares(&self) -> Vec<(MemberNumber, u32)> {
        let mut uses = alloc::vec![0u32; self.table.sets.len() / self.table.width];
        self.table.index.iter().for_each(|&set| uses[usize::from(set)] += 1);
        let mut shares: Vec<_> = self.spec.members.iter().map(|member| (member.number, 0)).collect();
        for (owners, uses) in self.table.sets.chunks_exact(self.table.width).zip(uses) {
            for &owner in owners {
                shares[self.place(owner).expect("owners are members")].1 += uses;
            }
        }
        shares
    }

    /// How many slots a member owns; 0 for a number that is not a member.
    pub fn slots_owned(&self, number: MemberNumber) -> u32 {
        Slot::all().filter(|&slot| self.owners(slot).contains(&number)).count() as u32
    }

    fn place(&self, number: MemberNumber) -> Option<usize> {
        self.spec.members.binary_search_by_key(&number, |member| member.number).ok()
    }
}
