//! Ring algorithm 1: members → the owners of every slot.
//!
//! A circle of 2^64 positions. Slot `s` stands at `s * 2^50`; a member of weight `w` has `256 * w` virtual nodes,
//! number `i` at SipHash-2-4 of `i`, keyed with the member's token seed. The owners of a slot are the first
//! servers clockwise from it that [`Spread`] admits.
//!
//! What always holds: the table is a pure function of (token seed, weight, dc, rack) of the members and of N, so
//! every server computes the same. Another algorithm gets another number; this one never changes.
//! `docs/formats/layout.md` states it for other programs. This file does not know addresses, epochs or who is up.

use super::{Member, spread::Spread};
use crate::{
    ids::MemberNumber,
    limits::{REPLICAS, SLOTS, VIRTUAL_NODES},
};
use alloc::{collections::BTreeMap, vec::Vec};
use siphasher::sip::SipHasher24;
use smallvec::SmallVec;

/// The number of this algorithm in stored layouts.
pub(super) const ALGORITHM: u8 = 1;

/// Second half of the hash key: keeps the positions apart from any other use of the token seed.
const DOMAIN: u64 = u64::from_be_bytes(*b"cw-ring1");

/// Distance between two slots: 2^64 / 16384.
const SLOT_STEP: u64 = 1 << 50;

/// Slot → owners, as an index into the distinct owner lists.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// Owners per slot, the same for all slots.
    pub width: usize,
    /// Distinct owner lists, `width` numbers each.
    pub sets: Vec<MemberNumber>,
    /// Slot → which list.
    pub index: Vec<u16>,
}

/// Where virtual node `index` of a member stands.
pub(super) fn position(token_seed: u64, index: u32) -> u64 {
    SipHasher24::new_with_keys(token_seed, DOMAIN).hash(&index.to_le_bytes())
}

/// Computes the owners of every slot. `members` are checked and sorted by number.
pub(super) fn table(members: &[Member], replicas: u8) -> Table {
    let spread = Spread::new(members, usize::from(replicas));
    let ring = runs(members);
    let mut sets = Vec::new();
    let mut known: BTreeMap<SmallVec<[u16; REPLICAS]>, u16> = BTreeMap::new();
    let mut index = Vec::with_capacity(usize::from(SLOTS));
    let mut start = 0;
    for slot in 0..u64::from(SLOTS) {
        while ring.get(start).is_some_and(|node| node.position < slot * SLOT_STEP) {
            start += 1;
        }
        let clockwise = ring[start..].iter().chain(&ring[..start]).map(|node| node.member);
        let owners = spread.choose(clockwise);
        let next = known.len() as u16;
        let set = *known.entry(owners).or_insert_with_key(|owners| {
            sets.extend(owners.iter().map(|&at| members[usize::from(at)].number));
            next
        });
        index.push(set);
    }
    Table { width: spread.width(), sets, index }
}

/// A virtual node: where it stands and which member (by place in the list) it belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct VirtualNode {
    position: u64,
    member: u16,
}

/// The virtual nodes in clockwise order. Of neighbours of one member only the last is kept: a walk sees the same
/// servers in the same order, and a heavy member costs it one step.
fn runs(members: &[Member]) -> Vec<VirtualNode> {
    let nodes = members.iter().map(|member| u32::from(member.weight) * VIRTUAL_NODES);
    let mut ring = Vec::with_capacity(nodes.map(|count| count as usize).sum());
    for (at, member) in members.iter().enumerate() {
        for index in 0..u32::from(member.weight) * VIRTUAL_NODES {
            ring.push(VirtualNode { position: position(member.token_seed, index), member: at as u16 });
        }
    }
    ring.sort_unstable();
    let mut kept = 0;
    for at in 0..ring.len() {
        if kept > 0 && ring[kept - 1].member == ring[at].member {
            kept -= 1;
        }
        ring[kept] = ring[at];
        kept += 1;
    }
    ring.truncate(kept);
    ring
}
