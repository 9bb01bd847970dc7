//! What the clients did and heard: the only thing, with what is read after healing, that the checkers look at.
//!
//! Simulated clients write it, and so do those of real processes (`crates/node/tests/chaos`), who are told less: the time of
//! a write only by whoever reads it, and of an owner's copy a description.

use bytes::Bytes;
use clockwise_core::{
    hlc::Hlc,
    ids::Dot,
    request::Level,
    version::{DotSet, Kind, Record, Value},
};

/// How a key is used; each way has promises of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Causal reads, writes and deletes at any level.
    Causal,
    /// Plain reads, writes and deletes at any level.
    Plain,
    /// Both, and expiries.
    Mixed,
    /// Plain reads and writes at strict levels of at least a majority.
    Register,
    /// Causal reads and writes at strict levels of at least a majority.
    StrictCausal,
    /// One client writes on with the context of its last write, at any level.
    Chain,
    /// One client reads, then writes with the context of the read, at levels that overlap.
    Loner,
}

/// A key of the run.
#[derive(Clone, Debug)]
pub struct Key {
    /// Its name.
    pub name: Bytes,
    /// How it is used.
    pub class: Class,
    /// In which phase of the run it is used; a new layout begins a new phase with new keys.
    pub phase: u32,
    /// Whether it is ever deleted.
    pub deletes: bool,
    /// Whether it is deleted often.
    pub deleted: bool,
    /// Written at all owners, and so read at any number of them.
    pub all: bool,
}

/// What a client asked for.
#[derive(Clone, Debug)]
pub enum What {
    /// A read of all versions, or of the plain value.
    Read,
    /// A write.
    Write(Writing),
}

/// What a client wrote. The value's name is the number of the operation.
#[derive(Clone, Debug)]
pub struct Writing {
    /// Plain or causal.
    pub plain: bool,
    /// Without a value.
    pub delete: bool,
    /// With an expiry.
    pub expires: bool,
    /// Causal: the operations whose values came with the token.
    pub direct: Vec<u64>,
}

/// One version in an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    /// The operation that wrote it; `None` if the bytes are not of this run, or are freed.
    pub value: Option<u64>,
    /// The bytes are gone.
    pub freed: bool,
    /// Hidden at the instant of the answer, on the clock of the server that answered.
    pub expired: bool,
    /// Its name.
    pub dot: Dot,
    /// What it replaced.
    pub ctx: DotSet,
    /// Its time.
    pub time: Hlc,
    /// A plain write.
    pub register: bool,
}

/// How an operation ended.
#[derive(Clone, Debug)]
pub enum End {
    /// Not yet.
    Open,
    /// These versions.
    Read(Vec<Seen>),
    /// Acknowledged, with its time if anybody told the client.
    Written(Option<Hlc>),
    /// Certainly not applied.
    Rejected,
    /// No server took it: not even sent.
    Refused,
    /// A read without an answer.
    Failed,
    /// A write that may have landed.
    Unknown,
}

/// One operation of one client.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Who asked.
    pub client: usize,
    /// Index into [`History::keys`].
    pub key: usize,
    /// What for.
    pub what: What,
    /// At which level.
    pub level: Level,
    /// The server that was asked.
    pub server: usize,
    /// Which of its processes took it (0: none).
    pub life: u64,
    /// Whether that server owned a replica and so coordinated itself.
    pub owner: bool,
    /// When it began, in microseconds of the run.
    pub invoked_us: u64,
    /// When it ended; `u64::MAX` as long as it has not.
    pub ended_us: u64,
    /// How.
    pub end: End,
}

impl Operation {
    /// What it wrote, if it is a write.
    pub fn writing(&self) -> Option<&Writing> {
        match &self.what {
            What::Write(writing) => Some(writing),
            What::Read => None,
        }
    }

    /// Whether it is an acknowledged write.
    pub fn acknowledged(&self) -> bool {
        matches!(self.end, End::Written(_))
    }

    /// Whether it is a write that cannot have landed.
    pub fn void(&self) -> bool {
        matches!(self.end, End::Rejected | End::Refused)
    }

    /// When a write was acknowledged; never, if it was not.
    pub fn answered_us(&self) -> u64 {
        if self.acknowledged() { self.ended_us } else { u64::MAX }
    }

    /// The versions that a read returned.
    pub fn versions(&self) -> Option<&[Seen]> {
        match &self.end {
            End::Read(seen) => Some(seen),
            _ => None,
        }
    }
}

/// What an owner said that it holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Held {
    /// All of it.
    Record(Record),
    /// A description that is the same for equal records, without the bytes of values that expire.
    Described(String),
}

/// What was read of a key after healing.
#[derive(Clone, Debug)]
pub struct Final {
    /// Index into [`History::keys`].
    pub key: usize,
    /// What the last strict read of all replicas returned; `None` if none succeeded.
    pub read: Option<Vec<Seen>>,
    /// What reads through other servers returned.
    pub others: Vec<Vec<Seen>>,
    /// What each owner then said that it holds; `None` if its copy is damaged.
    pub holdings: Vec<(u32, Option<Held>)>,
    /// What each owner said that it holds before anything was read; `None` where nothing but reads repairs.
    pub unread: Option<Vec<(u32, Option<Held>)>>,
    /// The key's owners.
    pub owners: usize,
    /// Until when on the servers' clocks owners were asked: what could be collected by then need not be there.
    pub until: Hlc,
    /// What could be collected by then must be gone everywhere.
    pub collected: Option<Hlc>,
}

/// Everything that the checkers look at.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// All keys.
    pub keys: Vec<Key>,
    /// All operations, in the order in which they began; the index is the operation's number.
    pub operations: Vec<Operation>,
    /// What was read after healing, of keys of the last phase.
    pub finals: Vec<Final>,
    /// The last phase.
    pub phase: u32,
    /// How many owners a key has.
    pub owners: usize,
    /// Whether there are servers that may stand in for owners.
    pub stand_ins: bool,
}

/// The bytes that an operation writes.
pub fn value_of(operation: u64, padding: usize) -> Bytes {
    let mut bytes = format!("{operation}:").into_bytes();
    bytes.resize(bytes.len() + padding, b'.');
    Bytes::from(bytes)
}

/// The operation that wrote these bytes.
pub fn writer_of(bytes: &[u8]) -> Option<u64> {
    let end = bytes.iter().position(|byte| *byte == b':')?;
    std::str::from_utf8(&bytes[..end]).ok()?.parse().ok()
}

/// What a client sees of a record.
pub(crate) fn seen_in(record: &Record, wall_ms: u64) -> Vec<Seen> {
    record
        .versions
        .iter()
        .map(|version| Seen {
            value: match &version.value {
                Value::Bytes(bytes) => writer_of(bytes),
                Value::Freed => None,
            },
            freed: version.value == Value::Freed,
            expired: version.expired(wall_ms),
            dot: version.dot,
            ctx: version.ctx.clone(),
            time: version.time,
            register: version.kind == Kind::Register,
        })
        .collect()
}
