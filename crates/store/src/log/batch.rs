//! What a shard hands to the log: its changes since the last time, encoded, with the positions they got.
//! Decoding gives them back in order; a payload is decoded whole before anything of it is used.

use bytes::Bytes;
use clockwise_core::{
    ids::Lsn,
    limits::{CELLS, KEY_BYTES, RECORD_BYTES},
    slot::Slot,
    storage::Mutation,
    tree::{self, Deltas, Sum},
    varint::{Malformed, Reader, put_bytes, put_u64},
};

const PUT: u8 = 0;
const FORGET: u8 = 1;
const LINES: u8 = 2;
const DROP: u8 = 3;
/// Bit of a tag: sums follow. Version 1 knows none.
const SUMS: u8 = 1 << 4;
/// A tag of its own, like [`DROP`] of version 2 only.
const TREE: u8 = 1 << 5;
/// Most sums that one change adds to.
const DELTAS: u64 = 2;

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
    Put { key: Bytes, record: Bytes, live: i8, sums: Option<Deltas> },
    Forget { key: Bytes, live: i8, sums: Option<Deltas> },
    Tree { live: u64, sums: Vec<Sum> },
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
                Mutation::Put { key, record, live, sums } => {
                    self.payload.push(tag(PUT, live));
                    put_deltas(&mut self.payload, sums);
                    put_bytes(&mut self.payload, key);
                    put_bytes(&mut self.payload, record);
                }
                Mutation::Forget { key, live, sums } => {
                    self.payload.push(tag(FORGET, live));
                    put_deltas(&mut self.payload, sums);
                    put_bytes(&mut self.payload, key);
                }
                Mutation::Lines(lines) => {
                    self.payload.push(tag(LINES, 0));
                    put_bytes(&mut self.payload, lines);
                }
                Mutation::Tree { live, sums } => {
                    self.payload.push(TREE);
                    put_u64(&mut self.payload, live);
                    put_sums(&mut self.payload, sums);
                }
                Mutation::DropSlot => self.payload.push(DROP | 1 << 2),
            }
        }
    }
}

/// Kind in the low two bits, live + 1 in the next two, and whether sums follow.
fn tag(kind: u8, live: i8) -> u8 {
    let sums = if kind == LINES { 0 } else { SUMS };
    kind | ((live + 1) as u8) << 2 | sums
}

fn put_deltas(out: &mut Vec<u8>, sums: &[Sum]) {
    debug_assert!(sums.len() as u64 <= DELTAS, "a record is in one sum, and in one after a change");
    put_u64(out, sums.len() as u64);
    for sum in sums {
        put_u64(out, sum.name);
        out.extend_from_slice(&sum.value.to_le_bytes());
    }
}

/// The sums of a change, if it has any.
fn get_deltas(reader: &mut Reader, tag: u8) -> Result<Option<Deltas>, Malformed> {
    if tag & SUMS == 0 {
        return Ok(None);
    }
    let mut deltas = Deltas::new();
    let count = reader.u64()?;
    if count > DELTAS {
        return Err(Malformed);
    }
    for _ in 0..count {
        deltas.push(Sum { name: reader.u64()?, value: u128::from_le_bytes(reader.array()?) });
    }
    Ok(Some(deltas))
}

/// Appends a slot's sums: number, then each name less the one before it, and its value.
pub(crate) fn put_sums(out: &mut Vec<u8>, sums: &[Sum]) {
    put_u64(out, sums.len() as u64);
    let mut last = 0;
    for sum in sums {
        put_u64(out, sum.name - last);
        out.extend_from_slice(&sum.value.to_le_bytes());
        last = sum.name;
    }
}

/// Reads a slot's sums.
pub(crate) fn get_sums(reader: &mut Reader) -> Result<Vec<Sum>, Malformed> {
    let mut sums = Vec::new();
    let mut last = 0u64;
    for _ in 0..reader.u64()? {
        last = last.checked_add(reader.u64()?).ok_or(Malformed)?;
        sums.push(Sum { name: last, value: u128::from_le_bytes(reader.array()?) });
    }
    if tree::is_sound(&sums) { Ok(sums) } else { Err(Malformed) }
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
        changes.push(decode_change(reader, tag)?);
    }
    Ok(Applied { lsn, slot, changes })
}

fn decode_change(reader: &mut Reader, tag: u8) -> Result<Change, Malformed> {
    if tag == TREE {
        return Ok(Change::Tree { live: reader.u64()?, sums: get_sums(reader)? });
    }
    let (kind, count) = (tag & 3, tag >> 2 & 3);
    if tag >> 5 > 0 || count > 2 || tag & SUMS > 0 && kind != PUT && kind != FORGET {
        return Err(Malformed);
    }
    let live = count as i8 - 1;
    let sums = get_deltas(reader, tag)?;
    Ok(match kind {
        PUT => Change::Put {
            key: within(reader.bytes()?, KEY_BYTES)?,
            record: within(reader.bytes()?, RECORD_BYTES)?,
            live,
            sums,
        },
        FORGET => Change::Forget { key: within(reader.bytes()?, KEY_BYTES)?, live, sums },
        LINES => Change::Lines(reader.bytes()?),
        _ => Change::DropSlot,
    })
}

fn within(bytes: Bytes, cap: usize) -> Result<Bytes, Malformed> {
    if bytes.len() <= cap { Ok(bytes) } else { Err(Malformed) }
}
