//! What servers say to each other. Values only; bytes are `wire`'s.
//!
//! Every message carries the epoch of the layout under which it was sent, the replica set that it addresses, the
//! time that its request has left, and the sender's hybrid logical time. A replica answers data messages only at
//! its own epoch.

use crate::{
    collect::Step,
    exchange::Exchange,
    gossip::GossipMessage,
    hlc::Hlc,
    ids::{Epoch, MemberNumber},
    request::{Outcome, Request},
    slot::Slot,
    storage::Probe,
    version::{Token, Write},
};
use alloc::vec::Vec;
use bytes::Bytes;
use smallvec::SmallVec;

/// Names an operation of the asking shard; comes back unchanged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct OpId(pub u64);

/// Which of the replica sets of a slot is addressed. There is one as long as no layout change runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ReplicaSet {
    /// The owners of the epoch's layout.
    #[default]
    Current,
}

/// A message from one server to another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// The sender's layout.
    pub epoch: Epoch,
    /// The replica set that it addresses.
    pub set: ReplicaSet,
    /// How long the request behind it still has, in milliseconds; 0 where there is none.
    pub deadline_ms: u32,
    /// The sender's time.
    pub time: Hlc,
    /// The slot that it is about: it names the shard at both ends. `None`: shard 0.
    pub slot: Option<Slot>,
    /// What is said.
    pub body: Body,
}

impl Message {
    /// Whether it answers something that the receiver asked.
    pub fn is_answer(&self) -> bool {
        matches!(
            self.body,
            Body::WriteAck { .. }
                | Body::ReadAck { .. }
                | Body::RepairAck { .. }
                | Body::ForwardAck { .. }
                | Body::ProbeAck { .. }
                | Body::CountAck { .. }
                | Body::DeliverAck { .. }
                | Body::Pong { .. }
        ) || matches!(&self.body, Body::Exchange(exchange) if exchange.is_answer())
    }
}

/// The sender's lines when the records of a frame were read: what makes a frame self-describing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// The sender's layout.
    pub epoch: Epoch,
    /// Whose records these are.
    pub sender: MemberNumber,
    /// In which of its lives.
    pub incarnation: u32,
    /// Its refuse line for the slot.
    pub refuse: Hlc,
    /// Its collect line for the slot.
    pub collect: Hlc,
}

/// A record on its way, with its stamp. Encoded as it is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StampedRecord {
    /// The lines it was read under.
    pub stamp: Stamp,
    /// The encoded record; empty if the key has none.
    pub record: Bytes,
}

/// What a replica says to a write.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WriteVerdict {
    /// It holds the write, or had it already.
    Taken {
        /// On its disk.
        durable: bool,
        /// Its mark beats this plain write; this is what it knows of the key.
        beaten_by: Option<Token>,
    },
    /// The write is older than what the replica may still take; offer the same one again.
    TooOld,
    /// Nothing was applied: the disk is full, the replica overloaded or its copy damaged.
    Refused,
}

/// What a replica says to a read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ReadVerdict {
    /// Its (seen, mark) has the digest that the asker named.
    Same {
        /// Its lines.
        stamp: Stamp,
    },
    /// Its record.
    Record(StampedRecord),
    /// What a stand-in knows from the hints that it holds, encoded as a record; no repair may be made of it.
    Hints(Bytes),
    /// Its copy is damaged, or it is overloaded.
    Refused,
}

/// What a replica says to a repair.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RepairVerdict {
    /// It holds at least what was sent.
    Joined {
        /// On its disk.
        durable: bool,
    },
    /// The stamp is behind its lines; raise yours to these, read again, send again.
    Again {
        /// Its refuse line.
        refuse: Hlc,
        /// Its collect line.
        collect: Hlc,
    },
    /// It holds what was sent, and a plain write above all of it: what was read is no longer the latest.
    Newer,
    /// Nothing was applied.
    Refused,
}

/// What an owner says to a hint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivered {
    /// It holds the write on its disk, or all that the write said is settled without it: the hint may go.
    Done,
    /// Nothing was applied; to be delivered again later.
    Refused,
}

/// What is said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body {
    /// A first-hand write, exactly as minted.
    Write {
        /// The operation.
        op: OpId,
        /// The write; holds the key.
        write: Write,
    },
    /// The answer.
    WriteAck {
        /// The operation.
        op: OpId,
        /// What became of it.
        verdict: WriteVerdict,
    },
    /// Wants the record of a key.
    Read {
        /// The operation.
        op: OpId,
        /// The key.
        key: Bytes,
        /// Digest of the asker's own (seen, mark), to save sending the same.
        digest: Option<u128>,
        /// Answer only what is on disk.
        durable: bool,
    },
    /// The answer.
    ReadAck {
        /// The operation.
        op: OpId,
        /// What it holds.
        verdict: ReadVerdict,
    },
    /// Read repair: records that were read, for a replica that is behind.
    Repair {
        /// The operation; none is waiting if the repair is in the background.
        op: Option<OpId>,
        /// The key.
        key: Bytes,
        /// The answers that were read, at most one per replica.
        records: Vec<StampedRecord>,
    },
    /// The answer.
    RepairAck {
        /// The operation.
        op: OpId,
        /// What became of it.
        verdict: RepairVerdict,
    },
    /// A whole request, from a server that owns no replica. The receiver coordinates or rejects, and never hands on.
    Forward {
        /// The operation.
        op: OpId,
        /// The request.
        request: Request,
    },
    /// The answer.
    ForwardAck {
        /// The operation.
        op: OpId,
        /// How it ended.
        outcome: Outcome,
    },
    /// Wants to know how a replica holds a key.
    Probe {
        /// The operation.
        op: OpId,
        /// The key.
        key: Bytes,
    },
    /// The answer.
    ProbeAck {
        /// The operation.
        op: OpId,
        /// The encoded record; `None` if it is damaged.
        record: Option<Bytes>,
        /// How it was found.
        probe: Probe,
    },
    /// A first-hand write for a stand-in, to be held for owners that are down.
    Hint {
        /// The operation; nobody waits for an answer if enough owners have the write.
        op: Option<OpId>,
        /// The owners that it is for.
        targets: SmallVec<[MemberNumber; 2]>,
        /// The write; holds the key.
        write: Write,
    },
    /// Hints for the receiver, which owns the slot: the very writes, to be judged one by one.
    Deliver {
        /// The delivery.
        op: OpId,
        /// Writes of keys of the slot.
        writes: Vec<Write>,
    },
    /// The answer, once all that was taken is on disk.
    DeliverAck {
        /// The delivery.
        op: OpId,
        /// What became of each write, in order.
        verdicts: Vec<Delivered>,
        /// How many bytes the receiver takes unanswered from now on.
        credit_bytes: u32,
    },
    /// The receiver, which owns the message's slot, has missed a write there that nobody holds for it.
    Behind,
    /// The message named an older layout; nothing was applied. Here is the newer one.
    StaleEpoch {
        /// The operation that was refused, if it named one.
        op: Option<OpId>,
        /// The encoded layout.
        layout: Bytes,
    },
    /// The message named a layout that the receiver has not got; nothing was applied. Send it.
    NeedLayout {
        /// The operation that was refused, if it named one.
        op: Option<OpId>,
    },
    /// A layout, asked for or not.
    Layout {
        /// The encoded layout.
        layout: Bytes,
    },
    /// Wants the number of live keys in slots.
    Count {
        /// The operation.
        op: OpId,
        /// First and last slot of each range.
        ranges: Vec<(Slot, Slot)>,
    },
    /// The answer.
    CountAck {
        /// The operation.
        op: OpId,
        /// Live keys.
        keys: u64,
    },
    /// Anti-entropy: two owners find out in which records they differ.
    Exchange(Exchange),
    /// Steps of rounds, for slots of the cell of the message's slot; at most [`ROUND_STEPS`](crate::limits::ROUND_STEPS).
    Rounds(Vec<(Slot, Step)>),
    /// "Are you there, and what time is it?"
    Ping {
        /// The sender's monotonic milliseconds; comes back.
        sent_ms: u64,
    },
    /// The answer.
    Pong {
        /// As sent.
        sent_ms: u64,
        /// The answerer's wall clock, in milliseconds.
        wall_ms: u64,
    },
    /// Who belongs to the cluster and how far each has come. Holds at any epoch.
    Gossip(GossipMessage),
}
