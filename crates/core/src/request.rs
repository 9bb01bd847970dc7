//! What a client asks of a shard and what it gets: the values between the doors (`node/api`) and the coordinator.

use crate::{
    hlc::Hlc,
    ids::{Epoch, MemberNumber},
    slot::Slot,
    storage::Probe,
    version::{Record, Token},
};
use alloc::vec::Vec;
use bytes::Bytes;

/// Names an open request; chosen by whoever asks, returned with the outcome.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket(pub u64);

/// How many answers are needed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    /// This many, at least 1.
    Count(u8),
    /// One.
    One,
    /// More than half of the owners in the layout.
    Quorum,
    /// Every owner.
    All,
}

impl Need {
    /// The number for a slot with `owners` owners. May exceed `owners`, which can never be met.
    pub fn of(self, owners: usize) -> usize {
        match self {
            Need::Count(count) => usize::from(count.max(1)),
            Need::One => 1,
            Need::Quorum => owners / 2 + 1,
            Need::All => owners,
        }
    }
}

/// How many answers, and whose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Level {
    /// How many.
    pub need: Need,
    /// Strict: only owners count, and read repair is awaited. Else sloppy: stand-ins may count.
    pub strict: bool,
}

impl Level {
    /// The default of both reads and writes.
    pub const DEFAULT: Level = Level { need: Need::Quorum, strict: false };
}

/// What a write is to the versions that are already there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Basis {
    /// Replaces all that the coordinator has seen of the key (`SET`, `DEL`); a *register* write.
    Plain,
    /// Replaces exactly what the token covers (`CW.SET`); [`Token::EMPTY`] replaces nothing.
    Causal(Token),
}

/// What is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Op {
    /// The joined record of R replicas.
    Get,
    /// A new version.
    Set {
        /// Plain or causal.
        basis: Basis,
        /// Its bytes.
        value: Bytes,
        /// The instant from which it is hidden, in wall-clock milliseconds.
        expires_ms: Option<u64>,
    },
    /// A dot without a version.
    Delete {
        /// Plain or causal.
        basis: Basis,
    },
    /// Who holds which version, and how each answered.
    Explain,
}

impl Op {
    /// Whether it changes anything.
    pub fn is_write(&self) -> bool {
        matches!(self, Op::Set { .. } | Op::Delete { .. })
    }
}

/// One request for one key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// The key, at most [`crate::limits::KEY_BYTES`].
    pub key: Bytes,
    /// What is asked.
    pub op: Op,
    /// R or W.
    pub level: Level,
    /// How long the client waits, in milliseconds from now.
    pub timeout_ms: u64,
}

impl Request {
    /// The slot of its key.
    pub fn slot(&self) -> Slot {
        Slot::of(&self.key)
    }
}

/// How a replica counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ack {
    /// Who.
    pub member: MemberNumber,
    /// As an owner of the slot; else as a stand-in.
    pub owner: bool,
    /// Whether the data was on its disk when it answered.
    pub durable: bool,
}

/// Who acknowledged.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Receipt {
    /// The layout that counted.
    pub epoch: Epoch,
    /// How many were needed.
    pub required: u8,
    /// Who, in the order of arrival.
    pub acks: Vec<Ack>,
}

/// Certainly nothing was applied; safe to retry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rejected {
    /// Fewer owners answer than are needed.
    NoQuorum {
        /// How many are needed.
        required: u8,
        /// How many answer.
        alive: u8,
    },
    /// Too much is in flight.
    Overloaded,
    /// The disk is nearly full.
    DiskFull,
    /// The key has as many concurrent versions as are kept; read and write with the context.
    TooManySiblings,
    /// The record with this version would be too large; or, of a strict read, what replicas hold is too large together.
    RecordTooLarge,
    /// The token is forged, damaged, or of another key.
    BadContext,
    /// The own clock is off against two others: plain writes and expiries are not taken.
    ClockSkew,
    /// This server is just taking a new identity, is not confirmed by the others yet, or has no layout yet.
    NotReady,
    /// The own replica of the key is damaged and no other answered.
    Damaged,
    /// Key, value or level out of bounds.
    BadRequest,
    /// A read: not enough answers before the deadline.
    ReadTimeout {
        /// How many are needed.
        required: u8,
        /// How many came.
        acked: u8,
    },
}

/// The answer to a read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReadAnswer {
    /// The joined record: all concurrent versions, expired ones among them.
    pub record: Record,
    /// Who answered.
    pub receipt: Receipt,
}

/// The answer to a write.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WriteAnswer {
    /// The writer's context and this write.
    pub token: Token,
    /// Its time.
    pub time: Hlc,
    /// Whether the coordinator saw a live value before.
    pub existed: bool,
    /// Who acknowledged.
    pub receipt: Receipt,
}

/// What one replica says to `explain`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holding {
    /// Who.
    pub member: MemberNumber,
    /// Its record; `None` if it did not answer or its copy is damaged.
    pub record: Option<Record>,
    /// How it looked.
    pub probe: Probe,
}

/// The answer to `explain`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explanation {
    /// The layout.
    pub epoch: Epoch,
    /// The slot.
    pub slot: Slot,
    /// Its owners clockwise, with what each holds.
    pub holdings: Vec<Holding>,
}

/// How a request ends. Three kinds: done, rejected (certainly not applied), unknown (may have landed).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// A read.
    Read(ReadAnswer),
    /// A write.
    Written(WriteAnswer),
    /// A number of live keys.
    Counted(u64),
    /// An explanation.
    Explained(Explanation),
    /// Certainly not applied.
    Rejected(Rejected),
    /// May have been applied.
    Unknown {
        /// How many acknowledgements were needed.
        required: u8,
        /// How many came.
        acked: u8,
    },
}
