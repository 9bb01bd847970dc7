//! Everything that a shard wants done, as values. Whoever drives the shard drains the outbox after each batch of
//! inputs: sends may be coalesced, replies go out whole batches at a time.

use crate::{
    gossip::GossipMessage,
    hlc::Hlc,
    ids::MemberNumber,
    message::Message,
    request::{Outcome, Ticket},
};
use alloc::vec::Vec;
use bytes::Bytes;
use smallvec::SmallVec;

/// A message and everybody who is to get it, so that it is encoded once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Send {
    /// Receivers.
    pub to: SmallVec<[MemberNumber; 4]>,
    /// The message.
    pub message: Message,
}

/// Something durable that must happen outside, answered by an input of the shard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Make this layout durable, then tell every shard with `on_layout`.
    InstallLayout(Bytes),
    /// Make this incarnation durable, then tell every shard with `on_incarnation`.
    TakeIncarnation(u32),
    /// Make durable that no timestamp below this is minted after a restart, then tell every shard with
    /// `on_hlc_reserved`.
    ReserveHlc(Hlc),
}

/// Something that an operator wants to know; counted and logged outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// A peer is asked last from now on.
    PeerSuspected(MemberNumber),
    /// A peer answers again.
    PeerAlive(MemberNumber),
    /// Gossip holds a member for down.
    MemberDown(MemberNumber),
    /// Gossip takes a member back.
    MemberUp(MemberNumber),
    /// A peer's timestamps are further ahead than allowed.
    PeerSkewed(MemberNumber),
    /// The own clock is off against two others, or no more.
    OwnClockSkewed(bool),
    /// A context or record knew more of this server's writes than it does itself.
    Amnesia,
    /// A plain write was beaten and written once more.
    SecondRound,
    /// A plain write was beaten below a majority: the later timestamp wins.
    BeatenBelowMajority,
    /// A record was repaired by a read.
    ReadRepair,
    /// A printed clock was cut to the threshold.
    ClockCut,
    /// A replica's copy of a key is damaged.
    Damaged,
}

/// Effects in the order in which they arose.
#[derive(Debug, Default)]
pub struct Outbox {
    /// To other servers.
    pub sends: Vec<Send>,
    /// To clients of this shard.
    pub replies: Vec<(Ticket, Outcome)>,
    /// Durable steps outside the storage engine.
    pub actions: Vec<Action>,
    /// For metrics and logs.
    pub events: Vec<Event>,
    /// What peers gossiped: for the server's machine, which hands it over after each message.
    pub gossip: Vec<(MemberNumber, GossipMessage)>,
}

impl Outbox {
    /// Nothing to do. What was gossiped is an input of another machine and does not count.
    pub fn is_empty(&self) -> bool {
        self.sends.is_empty() && self.replies.is_empty() && self.actions.is_empty() && self.events.is_empty()
    }
}
