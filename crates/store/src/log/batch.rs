//! What a shard hands to the log: its changes since the last time, encoded, with the positions they got.
//! Decoding gives them back in order; a payload is decoded whole before anything of it is used.

use bytes::Bytes;
use clockwise_core::{
    ids::Lsn,
    limits::{CELLS, KEY_BYTES, RECORD_BYTES},
    slot::Slot,
    storage::Mutation,
    varint::{Malformed, Reader, put_bytes, put_u64},
};

const PUT: u8 = 0;
const FORGET: u8 = 1;
const LINES: u8 = 2;
const DROP: u8 = 3;

/// Changes of one shard on their way to the log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LogBatch {
    pub(crate) shard: u16,
    pub(crate) first: Lsn,
    pub(crate) last: Lsn,
    /// The last position by cell; 0 for cells without a change in the batch.
    pub(crate) cells: [u64; CELLS as usize],
    pub(crate) payload: Vec<u8>,
}

/// One decoded change, as [`Mutation`] but with its own bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    Put { key: Bytes, record: Bytes, live: i8 },
    Forget { key: Bytes, live: i8 },
    Lines(Bytes),
    DropSlot,
}

/// The changes of one `apply`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Applied {
    pub(crate) lsn: Lsn,
    pub(crate) slot: Slot,
    pub(crate) changes: Vec<Change>,
}

impl LogBatch {
    /// The shard that it comes from.
    pub fn shard(&self) -> usize {
        usize::from(self.shard)
    }

    /// The position of its last change: what will be durable once the log has synced it.
    pub fn last(&self) -> Lsn {
        self.last
    }

    /// The bytes that the log will write, without the frame's header.
    pub fn bytes(&self) -> usize {
        self.payload.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.payload.is_empty()
    }

    /// Appends the mutations of one `apply`. Positions grow.
    pub(crate) fn push(&mut self, lsn: Lsn, slot: Slot, mutations: &[Mutation<'_>]) {
        if self.payload.is_empty() {
            self.first = lsn;
            self.last = lsn;
        }
        put_u64(&mut self.payload, lsn.0 - self.last.0);
        self.last = lsn;
        self.cells[usize::from(slot.cell())] = lsn.0;
        self.payload.extend_from_slice(&slot.number().to_le_bytes());
        put_u64(&mut self.payload, mutations.len() as u64);
        for mutation in mutations {
            match *mutation {
                Mutation::Put { key, record, live } => {
                    self.payload.push(tag(PUT, live));
                    put_bytes(&mut self.payload, key);
                    put_bytes(&mut self.payload, record);
                }
                Mutation::Forget { key, live } => {
                    self.payload.push(tag(FORGET, live));
                    put_bytes(&mut self.payload, key);
                }
                Mutation::Lines(lines) => {
                    self.payload.push(tag(LINES, 0));
                    put_bytes(&mut self.payload, lines);
                }
                Mutation::DropSlot => self.payload.push(tag(DROP, 0)),
            }
        }
    }
}

/// Kind in the low two bits, live + 1 in the next two.
fn tag(kind: u8, live: i8) -> u8 {
    kind | ((live + 1) as u8) << 2
}

/// Decodes a payload whose first position is `first`. What could be decoded before the first malformed byte
/// comes out beside the error, for the one canary that takes it.
pub(crate) fn decode(payload: Bytes, first: Lsn) -> (Vec<Applied>, Result<(), Malformed>) {
    let mut reader = Reader::new(payload);
    let (mut applied, mut last) = (Vec::new(), first);
    while reader.remaining() > 0 {
        match decode_one(&mut reader, last) {
            Ok(one) => {
                last = one.lsn;
                applied.push(one);
            }
            Err(malformed) => return (applied, Err(malformed)),
        }
    }
    (applied, Ok(()))
}

fn decode_one(reader: &mut Reader, last: Lsn) -> Result<Applied, Malformed> {
    let lsn = Lsn(last.0.checked_add(reader.u64()?).ok_or(Malformed)?);
    let slot = Slot::stored(u16::from_le_bytes(reader.array()?)).ok_or(Malformed)?;
    let count = reader.u64()?;
    let mut changes = Vec::new();
    for _ in 0..count {
        let tag = reader.u8()?;
        let live = (tag >> 2) as i8 - 1;
        if tag >> 2 > 2 {
            return Err(Malformed);
        }
        changes.push(match tag & 3 {
            PUT => Change::Put {
                key: within(reader.bytes()?, KEY_BYTES)?,
                record: within(reader.bytes()?, RECORD_BYTES)?,
                live,
            },
            FORGET => Change::Forget { key: within(reader.bytes()?, KEY_BYTES)?, live },
            LINES => Change::Lines(reader.bytes()?),
            _ => Change::DropSlot,
        });
    }
    Ok(Applied { lsn, slot, changes })
}

fn within(bytes: Bytes, cap: usize) -> Result<Bytes, Malformed> {
    if bytes.len() <= cap { Ok(bytes) } else { Err(Malformed) }
}
