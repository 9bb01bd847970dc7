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
    limits::{REPLICAS, SLOTS, STAND_INS_PER_REPLICA, VIRTUAL_NODES},
    slot::Slot,
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

/// Slot → servers, as an index into the distinct lists of servers.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// Servers per slot, the same for all slots.
    pub width: usize,
    /// Distinct lists, `width` numbers each.
    pub sets: Vec<MemberNumber>,
    /// Slot → which list.
    pub index: Vec<u16>,
}

impl Table {
    /// The servers of a slot.
    pub fn list(&self, slot: Slot) -> &[MemberNumber] {
        let set = usize::from(self.index[usize::from(slot.of_keys().number())]);
        &self.sets[set * self.width..][..self.width]
    }
}

/// A list of servers, by their places among the members.
type List = SmallVec<[u16; REPLICAS]>;

/// Collects lists, each distinct one once.
#[derive(Default)]
struct Collector {
    known: BTreeMap<List, u16>,
    sets: Vec<MemberNumber>,
    index: Vec<u16>,
}

impl Collector {
    /// Adds the next slot's list.
    fn push(&mut self, list: List, members: &[Member]) {
        let next = self.known.len() as u16;
        let sets = &mut self.sets;
        let set = *self.known.entry(list).or_insert_with_key(|list| {
            sets.extend(list.iter().map(|&at| members[usize::from(at)].number));
            next
        });
        self.index.push(set);
    }

    fn finish(self, width: usize) -> Table {
        Table { width, sets: self.sets, index: self.index }
    }
}

/// Where virtual node `index` of a member stands.
pub(super) fn position(token_seed: u64, index: u32) -> u64 {
    SipHasher24::new_with_keys(token_seed, DOMAIN).hash(&index.to_le_bytes())
}

/// Computes the owners and the stand-ins of every slot. `members` are checked and sorted by number.
pub(super) fn tables(members: &[Member], replicas: u8) -> (Table, Table) {
    let spread = Spread::new(members, usize::from(replicas));
    let ring = runs(members);
    let width = spread.width();
    let extra = (STAND_INS_PER_REPLICA * usize::from(replicas)).min(members.len() - width);
    let (mut owners, mut stand_ins) = (Collector::default(), Collector::default());
    let mut start = 0;
    for slot in 0..u64::from(SLOTS) {
        while ring.get(start).is_some_and(|node| node.position < slot * SLOT_STEP) {
            start += 1;
        }
        let clockwise = ring[start..].iter().chain(&ring[..start]).map(|node| node.member);
        let list = spread.choose(clockwise.clone());
        stand_ins.push(following(&list, extra, clockwise), members);
        owners.push(list, members);
    }
    (owners.finish(width), stand_ins.finish(extra))
}

/// The first servers of a walk that are no owners.
fn following(owners: &List, count: usize, walk: impl Iterator<Item = u16>) -> List {
    let mut list = List::new();
    for server in walk {
        if list.len() == count {
            break;
        }
        if !owners.contains(&server) && !list.contains(&server) {
            list.push(server);
        }
    }
    list
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
