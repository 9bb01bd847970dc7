//! Operations in flight: a slab with generations, so that a late answer never meets another operation, and their
//! deadlines in coarse ticks.

use crate::{
    ids::{Dot, Epoch, Lsn, MemberNumber},
    limits::OPERATIONS,
    message::{OpId, Stamp},
    request::{Ack, Basis, Holding, Level, Request, Ticket},
    slot::Slot,
    version::{Payload, Record, Token, Write},
};
use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};
use bytes::Bytes;
use smallvec::SmallVec;

/// Members that still owe an answer.
pub(crate) type Members = SmallVec<[MemberNumber; 4]>;

/// Who asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Origin {
    /// A client of this server.
    Client(Ticket),
    /// Another server handed the request over; the slot names the shard that waits there.
    Peer(MemberNumber, OpId, Slot),
    /// A write of this shard was overtaken before its second round and wants to know by what.
    Overtaken(OpId),
    /// A strict plain write of this shard wants to know a majority's mark before it is minted.
    Asking(OpId),
    /// Reads of a hot key share it: the number of their line.
    Shared(u64),
}

/// One request under way.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) origin: Origin,
    pub(crate) key: Bytes,
    pub(crate) slot: Slot,
    pub(crate) level: Level,
    /// Answers needed under `epoch`.
    pub(crate) required: usize,
    pub(crate) epoch: Epoch,
    /// Monotonic milliseconds.
    pub(crate) deadline_ms: u64,
    pub(crate) kind: Kind,
}

/// What is under way. What is large is boxed: operations move a few times in their life.
#[derive(Debug)]
pub(crate) enum Kind {
    Write(Box<WriteOp>),
    Read(Box<ReadOp>),
    Forward(ForwardOp),
    Explain(ExplainOp),
    Count(CountOp),
}

/// A write: minted once (twice if it was beaten), then waiting for acknowledgements.
#[derive(Debug)]
pub(crate) struct WriteOp {
    pub(crate) basis: Basis,
    pub(crate) payload: Payload,
    /// `None` until it is minted.
    pub(crate) minted: Option<Minted>,
    pub(crate) existed: bool,
    pub(crate) acks: SmallVec<[Ack; 4]>,
    pub(crate) outstanding: Members,
    /// What replicas know that beats this plain write, or what a majority knew before it was minted.
    pub(crate) learned: Option<Token>,
    /// The layout under which a majority said what it knows, so that whatever still beats this write runs beside it.
    pub(crate) asked: Option<Epoch>,
    pub(crate) second_round: bool,
    /// Who holds the first round, once the second has begun.
    pub(crate) first_acks: SmallVec<[Ack; 4]>,
    /// Which stand-in holds it for which owner.
    pub(crate) hinted: SmallVec<[(MemberNumber, MemberNumber); 2]>,
    /// Stand-ins that will not hold it.
    pub(crate) unwilling: Members,
    /// Monotonic milliseconds.
    pub(crate) began_ms: u64,
    /// Owners have been waited for long enough: stand-ins count for those that have not answered.
    pub(crate) hedged: bool,
    /// Beaten writes that this one overtook before their second round: they are done when it is.
    pub(crate) followers: Vec<OpId>,
}

/// A write as it was minted here.
#[derive(Debug)]
pub(crate) struct Minted {
    pub(crate) write: Write,
    pub(crate) reply: Token,
    /// Where the own copy is in the log.
    pub(crate) lsn: Lsn,
    /// The own copy is held as a hint.
    pub(crate) held: bool,
}

/// What one replica answered to a read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) member: MemberNumber,
    /// `None`: of a stand-in, from the hints that it holds. No repair is made of it.
    pub(crate) stamp: Option<Stamp>,
    /// As stored; empty if the key has no record, or the own one.
    pub(crate) encoded: Bytes,
    /// `None`: the own record.
    pub(crate) record: Option<Record>,
}

/// A read: collecting R answers, then (at strict levels) waiting until R replicas hold their join, then answered
/// and lingering for replicas that may still turn out to be behind.
#[derive(Debug, Default)]
pub(crate) struct ReadOp {
    /// The own record, once read.
    pub(crate) own: Option<Record>,
    pub(crate) answers: SmallVec<[Answer; 3]>,
    /// Members that owe an answer.
    pub(crate) outstanding: Members,
    /// Members that owe an answer to a repair.
    pub(crate) mending: Members,
    /// Members known to hold the join.
    pub(crate) fresh: Members,
    /// The join of the first R answers, once they are there.
    pub(crate) joined: Option<Record>,
    /// The client has its answer.
    pub(crate) answered: bool,
    /// How often it began again because something newer came to light.
    pub(crate) again: u8,
}

/// A request handed to an owner.
#[derive(Debug)]
pub(crate) struct ForwardOp {
    pub(crate) request: Request,
    pub(crate) to: MemberNumber,
    /// Owners that certainly did not apply it.
    pub(crate) refused: Members,
}

/// An `explain`.
#[derive(Debug)]
pub(crate) struct ExplainOp {
    pub(crate) holdings: Vec<Holding>,
    pub(crate) outstanding: Members,
}

/// A count of keys.
#[derive(Debug)]
pub(crate) struct CountOp {
    pub(crate) keys: u64,
    pub(crate) outstanding: Members,
}

#[derive(Debug, Default)]
struct Entry {
    generation: u32,
    operation: Option<Operation>,
}

/// All operations of a shard.
#[derive(Debug)]
pub(crate) struct Operations {
    /// Which process of the server this is; part of every name, since peers may answer to a process before.
    starts: u32,
    entries: Vec<Entry>,
    free: Vec<u32>,
    deadlines: BTreeMap<u64, Vec<OpId>>,
}

/// Width of a deadline bucket, as a power of two of milliseconds.
const TICK_SHIFT: u32 = 4;

/// Bits of a name: the process, then the generation of an entry, then the entry.
const STARTS_BITS: u32 = 24;
const GENERATION_BITS: u32 = 24;
const INDEX_BITS: u32 = 16;

const _: () = assert!(STARTS_BITS + GENERATION_BITS + INDEX_BITS == u64::BITS);
const _: () = assert!(OPERATIONS < (1 << INDEX_BITS) - 1);

impl Operations {
    /// None yet, in this process of the server.
    pub(crate) fn new(starts: u32) -> Operations {
        Operations { starts, entries: Vec::new(), free: Vec::new(), deadlines: BTreeMap::new() }
    }

    fn id(&self, index: u32, generation: u32) -> OpId {
        let starts = u64::from(self.starts) << (GENERATION_BITS + INDEX_BITS);
        let generation = u64::from(generation & ((1 << GENERATION_BITS) - 1)) << INDEX_BITS;
        OpId(starts | generation | u64::from(index))
    }

    /// A name that no operation has, for something else that is asked of other servers.
    pub(crate) fn foreign_id(&self, number: u64) -> OpId {
        self.id((1 << INDEX_BITS) - 1, number as u32)
    }

    /// The entry of a name, if it still has it.
    fn index(&self, op: OpId) -> Option<usize> {
        let index = op.0 & ((1 << INDEX_BITS) - 1);
        let entry = self.entries.get(index as usize)?;
        (self.id(index as u32, entry.generation) == op).then_some(index as usize)
    }

    /// How many are in flight.
    pub(crate) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Whether another one may begin.
    pub(crate) fn has_room(&self) -> bool {
        self.len() < OPERATIONS
    }

    /// Puts an operation in flight.
    pub(crate) fn insert(&mut self, operation: Operation) -> OpId {
        let index = self.free.pop().unwrap_or_else(|| {
            self.entries.push(Entry::default());
            (self.entries.len() - 1) as u32
        });
        let deadline_ms = operation.deadline_ms;
        let entry = &mut self.entries[index as usize];
        entry.operation = Some(operation);
        let generation = entry.generation;
        let id = self.id(index, generation);
        self.deadlines.entry(deadline_ms >> TICK_SHIFT).or_default().push(id);
        id
    }

    /// The operation of this name, to look at.
    pub(crate) fn look(&self, op: OpId) -> Option<&Operation> {
        let index = self.index(op)?;
        self.entries[index].operation.as_ref()
    }

    /// The operation, unless it ended.
    pub(crate) fn get(&mut self, op: OpId) -> Option<&mut Operation> {
        let index = self.index(op)?;
        self.entries[index].operation.as_mut()
    }

    /// Ends an operation.
    pub(crate) fn remove(&mut self, op: OpId) -> Option<Operation> {
        let index = self.index(op)?;
        let entry = &mut self.entries[index];
        let operation = entry.operation.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(index as u32);
        Some(operation)
    }

    /// Gives an operation a new name, so that answers to the old one count no more.
    pub(crate) fn rename(&mut self, op: OpId) -> Option<OpId> {
        let operation = self.remove(op)?;
        Some(self.insert(operation))
    }

    /// The write under way that minted this dot of this key.
    pub(crate) fn minting(&mut self, key: &[u8], dot: Dot) -> Option<&mut Operation> {
        self.entries.iter_mut().filter_map(|entry| entry.operation.as_mut()).find(|operation| {
            let Kind::Write(write) = &operation.kind else { return false };
            // Dots are counted per key: other keys have the same ones.
            write.minted.as_ref().is_some_and(|minted| minted.write.dot == dot) && operation.key == key
        })
    }

    /// Names of all operations, in a fixed order.
    pub(crate) fn ids(&self) -> Vec<OpId> {
        let open = self.entries.iter().enumerate().filter(|(_, entry)| entry.operation.is_some());
        open.map(|(index, entry)| self.id(index as u32, entry.generation)).collect()
    }

    /// Operations whose deadline passed.
    pub(crate) fn expired(&mut self, mono_ms: u64) -> Vec<OpId> {
        let mut expired = Vec::new();
        while let Some(bucket) = self.deadlines.first_entry() {
            // A bucket is due when all of it has passed.
            if (bucket.key() + 1) << TICK_SHIFT > mono_ms {
                break;
            }
            expired.extend(bucket.remove());
        }
        expired.retain(|&op| self.get(op).is_some());
        expired
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(deadline_ms: u64) -> Operation {
        Operation {
            origin: Origin::Client(Ticket(1)),
            key: Bytes::from_static(b"k"),
            slot: Slot::of(b"k"),
            level: Level::DEFAULT,
            required: 1,
            epoch: Epoch(1),
            deadline_ms,
            kind: Kind::Count(CountOp { keys: 0, outstanding: Members::new() }),
        }
    }

    #[test]
    fn a_late_answer_never_meets_another_operation() {
        let mut operations = Operations::new(1);
        let first = operations.insert(operation(100));
        assert!(operations.remove(first).is_some());
        let second = operations.insert(operation(100));
        assert!(operations.get(first).is_none());
        let renamed = operations.rename(second).unwrap();
        assert!(operations.get(second).is_none() && operations.get(renamed).is_some());
        assert_eq!(operations.len(), 1);
    }

    #[test]
    fn deadlines_come_due_within_a_tick_and_only_for_open_operations() {
        let mut operations = Operations::new(1);
        let ended = operations.insert(operation(100));
        let open = operations.insert(operation(100));
        operations.remove(ended);
        assert!(operations.expired(100).is_empty());
        assert_eq!(operations.expired(116), [open]);
        assert!(operations.expired(1_000).is_empty());
    }

    #[test]
    fn an_answer_to_the_process_before_meets_nothing() {
        let mut before = Operations::new(7);
        let late = before.insert(operation(100));
        let mut operations = Operations::new(8);
        operations.insert(operation(100));
        assert!(operations.get(late).is_none());
        assert!(operations.remove(late).is_none());
    }
}
