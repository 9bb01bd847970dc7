//! What servers gossip, as values, and how many bytes each takes at most; the bytes themselves are `wire`'s.
//!
//! An exchange has three messages. [`GossipMessage::Digest`] lists how far the sender knows members.
//! [`GossipMessage::News`] answers with what the answerer knows further, and names the members whose contents it
//! lacks. [`GossipMessage::Entries`] brings these. Heartbeats travel as marks of a few bytes; an entry's contents
//! travel only when they changed.

use crate::{
    ids::{Epoch, MemberNumber},
    layout::Addresses,
    limits::{GOSSIP_BYTES, GOSSIP_LOADS, GOSSIP_SUSPECTS, NAME_BYTES},
};
use alloc::vec::Vec;
use smallvec::SmallVec;

/// How far a member has come: its processes in their order, and the heartbeats of each.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Beat {
    /// How many processes have started on its folder; 0: nothing is known of it.
    pub generation: u32,
    /// Rounds of gossip of this process.
    pub heartbeat: u64,
}

/// How far the sender knows a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    /// Who.
    pub member: MemberNumber,
    /// The latest that the sender has heard of.
    pub beat: Beat,
    /// The heartbeat of the same generation at which the contents that the sender holds were written; 0: none.
    pub held: u64,
}

/// A heartbeat that stands still, as a server sees it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Suspicion {
    /// Whose.
    pub member: MemberNumber,
    /// Where it stands.
    pub beat: Beat,
}

/// What a server says of itself besides its heartbeat.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Contents {
    /// Its layout.
    pub epoch: Epoch,
    /// That layout's digest.
    pub layout: u64,
    /// Bytes kept, bytes free on the disk, and what later versions add behind them.
    pub load: SmallVec<[u64; GOSSIP_LOADS]>,
    /// Where it is reached.
    pub addresses: Addresses,
    /// Heartbeats that it has seen stand still for too long, by member.
    pub suspects: Vec<Suspicion>,
}

/// A server's own entry, as it wrote it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Whose.
    pub member: MemberNumber,
    /// Its heartbeat when it wrote the contents: names them, as each heartbeat has but one.
    pub written: Beat,
    /// The contents.
    pub contents: Contents,
}

/// One message of an exchange.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GossipMessage {
    /// "This far I know these members."
    Digest {
        /// The sender first, then a window of the others.
        marks: Vec<Mark>,
    },
    /// "Of those I know more, and of these I want the contents."
    News {
        /// Where the digest was behind.
        marks: Vec<Mark>,
        /// Contents that the digest lacks.
        entries: Vec<Entry>,
        /// Members whose contents the digest has newer.
        wants: Vec<MemberNumber>,
    },
    /// "Here they are."
    Entries {
        /// The contents.
        entries: Vec<Entry>,
    },
}

/// Kind and three counts.
pub(super) const FRAME_BYTES: usize = 1 + 3 * 3;
const MEMBER_BYTES: usize = 5;
const BEAT_BYTES: usize = 5 + 10;
/// The longest entry.
const ENTRY_BYTES: usize = MEMBER_BYTES
    + BEAT_BYTES
    + (10 + 8)
    + (1 + 10 * GOSSIP_LOADS)
    + 4 * (2 + NAME_BYTES)
    + (1 + GOSSIP_SUSPECTS * (MEMBER_BYTES + BEAT_BYTES));

const _: () = assert!(ENTRY_BYTES * 4 <= GOSSIP_BYTES, "every entry finds room in any message");

/// Bytes of a LEB128 integer.
fn varint_bytes(value: u64) -> usize {
    ((70 - (value | 1).leading_zeros()) / 7) as usize
}

pub(super) fn member_bytes(member: MemberNumber) -> usize {
    varint_bytes(u64::from(member.0))
}

fn beat_bytes(beat: Beat) -> usize {
    varint_bytes(u64::from(beat.generation)) + varint_bytes(beat.heartbeat)
}

impl Mark {
    pub(super) fn bytes(&self) -> usize {
        member_bytes(self.member) + beat_bytes(self.beat) + varint_bytes(self.held)
    }
}

impl Entry {
    pub(super) fn bytes(&self) -> usize {
        let Contents { epoch, layout: _, load, addresses, suspects } = &self.contents;
        let Addresses { peer, cluster, plain, http } = addresses;
        let texts = [peer, cluster, plain, http];
        member_bytes(self.member)
            + beat_bytes(self.written)
            + varint_bytes(epoch.0)
            + 8
            + 1
            + load.iter().map(|&load| varint_bytes(load)).sum::<usize>()
            + texts.iter().map(|text| varint_bytes(text.len() as u64) + text.len()).sum::<usize>()
            + 1
            + suspects.iter().map(|s| member_bytes(s.member) + beat_bytes(s.beat)).sum::<usize>()
    }
}

impl GossipMessage {
    /// How long it is when encoded, in bytes, without the frame around it.
    pub fn bytes(&self) -> usize {
        let marked = |marks: &[Mark]| marks.iter().map(Mark::bytes).sum::<usize>();
        let held = |entries: &[Entry]| entries.iter().map(Entry::bytes).sum::<usize>();
        FRAME_BYTES
            + match self {
                GossipMessage::Digest { marks } => marked(marks),
                GossipMessage::News { marks, entries, wants } => {
                    marked(marks)
                        + held(entries)
                        + wants.iter().map(|&member| member_bytes(member)).sum::<usize>()
                }
                GossipMessage::Entries { entries } => held(entries),
            }
    }
}
