//! The raw form of a block: entries in key order, then the beginnings that several of its keys share, where each
//! entry begins, a tag of each key's hash, and how many. A lookup compares tags, which lie side by side, and then
//! one key, which is one beginning and one rest: few cache lines. Where several keys have one tag, each is compared.
//! Blocks of data and parts of a large index have the same form.

use super::KeyRef;
use bytes::Bytes;
use clockwise_core::{limits::CELLS, slot::Slot};
use std::cmp::Ordering;

mod builder;
mod shared;

pub(super) use builder::BlockBuilder;

/// What a table says about a key that it holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// Its record.
    Record(Bytes),
    /// It has none, whatever older tables say.
    Forgotten,
}

/// The block is not what the format says, although its checksum is right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Malformed;

/// Bytes at a block's end: where the entries end (3), how many shared beginnings (1), first slot, entries.
const TRAILER_BYTES: usize = 8;
/// In an entry's first byte: the key is forgotten.
const FORGOTTEN: u8 = 0x80;
/// Most shared beginnings of a block. Number 0 is the empty one, and is not stored.
const MOST_SHARED: usize = 7;
/// Longest shared beginning, in bytes.
const SHARED_BYTES: usize = 255;

/// The part of a key's hash that a block keeps.
#[inline]
fn tag(hash: u64) -> u16 {
    (hash >> 48) as u16
}

/// Where the parts of a raw block lie.
#[derive(Clone, Copy)]
struct Shape<'a> {
    block: &'a [u8],
    /// Where the entries end and the shared beginnings begin.
    entries_end: usize,
    /// Where the ends of the shared beginnings stand.
    ends_at: usize,
    starts_at: usize,
    tags_at: usize,
    count: usize,
    first_slot: u16,
}

/// An entry's key in its parts.
#[derive(Clone, Copy)]
struct EntryKey<'a> {
    slot: u16,
    shared: &'a [u8],
    rest: &'a [u8],
    forgotten: bool,
    /// Where its record begins and ends.
    record: (usize, usize),
}

impl<'a> Shape<'a> {
    #[inline]
    fn of(block: &'a [u8]) -> Result<Shape<'a>, Malformed> {
        let tags_end = block.len().checked_sub(TRAILER_BYTES).ok_or(Malformed)?;
        let trailer: &[u8; TRAILER_BYTES] = block.last_chunk().ok_or(Malformed)?;
        let entries_end = u32::from_le_bytes([trailer[0], trailer[1], trailer[2], 0]) as usize;
        let count = usize::from(u16::from_le_bytes([trailer[6], trailer[7]]));
        let places = 4 * count + 2 * usize::from(trailer[3]);
        let ends_at = tags_end.checked_sub(places).filter(|&at| at >= entries_end).ok_or(Malformed)?;
        let tags_at = tags_end - 2 * count;
        let first_slot = u16::from_le_bytes([trailer[4], trailer[5]]);
        Ok(Shape { block, entries_end, ends_at, starts_at: tags_at - 2 * count, tags_at, count, first_slot })
    }

    #[inline]
    fn u16(&self, at: usize) -> usize {
        usize::from(u16::from_le_bytes([self.block[at], self.block[at + 1]]))
    }

    /// The shared beginning of this number.
    #[inline]
    fn shared(&self, number: usize) -> Result<&'a [u8], Malformed> {
        if number == 0 {
            return Ok(&[]);
        }
        let at = self.ends_at + 2 * (number - 1);
        if at >= self.starts_at {
            return Err(Malformed);
        }
        let start = if number == 1 { 0 } else { self.u16(at - 2) };
        let bytes = &self.block[self.entries_end..self.ends_at];
        bytes.get(start..self.u16(at)).ok_or(Malformed)
    }

    /// The parts of an entry below `count`.
    #[inline]
    fn key(&self, entry: usize) -> Result<EntryKey<'a>, Malformed> {
        let at = self.starts_at + 2 * entry;
        let end = if entry + 1 < self.count { self.u16(at + 2) } else { self.entries_end };
        let mut at = self.u16(at);
        if end > self.entries_end || at >= end {
            return Err(Malformed);
        }
        let bytes = &self.block[..end];
        let head = bytes[at];
        at += 1;
        let step = get_varint(bytes, &mut at)?;
        let length = get_varint(bytes, &mut at)? as usize;
        let record = at.checked_add(length).filter(|&rest_end| rest_end <= end).ok_or(Malformed)?;
        let slot =
            step.checked_mul(u64::from(CELLS)).and_then(|step| step.checked_add(self.first_slot.into()));
        let slot = slot.and_then(|slot| u16::try_from(slot).ok()).ok_or(Malformed)?;
        Ok(EntryKey {
            slot,
            shared: self.shared(usize::from(head & !FORGOTTEN))?,
            rest: &bytes[at..record],
            forgotten: head & FORGOTTEN != 0,
            record: (record, end),
        })
    }

    /// The first entry of which `is_before` does not hold; the number of entries if there is none.
    fn partition_point(&self, is_before: impl Fn(EntryKey<'_>) -> bool) -> Result<usize, Malformed> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = (low + high) / 2;
            if is_before(self.key(middle)?) { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }
}

impl EntryKey<'_> {
    #[inline]
    fn is(&self, key: KeyRef<'_>) -> bool {
        let shared = self.shared.len();
        self.slot == key.slot.number()
            && key.key.len() == shared + self.rest.len()
            && key.key[shared..] == *self.rest
            && key.key[..shared] == *self.shared
    }

    /// How this key lies to another.
    fn cmp(&self, key: KeyRef<'_>) -> Ordering {
        self.slot.cmp(&key.slot.number()).then_with(|| match key.key.split_at_checked(self.shared.len()) {
            Some((front, rest)) => self.shared.cmp(front).then_with(|| self.rest.cmp(rest)),
            // Equal as far as the other goes means longer, hence behind it.
            None => self.shared.cmp(key.key),
        })
    }

    /// Puts the stored form in the place of what is there.
    fn store(&self, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(&self.slot.to_be_bytes());
        out.extend_from_slice(self.shared);
        out.extend_from_slice(self.rest);
    }

    fn value(&self, block: &Bytes) -> Value {
        if self.forgotten {
            Value::Forgotten
        } else {
            Value::Record(block.slice(self.record.0..self.record.1))
        }
    }
}

/// Looks for a key; `hash` is [`super::hash`] of it.
#[inline]
pub(super) fn find(block: &Bytes, key: KeyRef<'_>, hash: u64) -> Result<Option<Value>, Malformed> {
    let shape = Shape::of(block)?;
    let wanted = tag(hash);
    let tags = &block[shape.tags_at..shape.tags_at + 2 * shape.count];
    let look = |entry: usize| -> Result<Option<Value>, Malformed> {
        let found = shape.key(entry)?;
        Ok(found.is(key).then(|| found.value(block)))
    };
    // Four tags at a time: a lane is zero where the tag is the wanted one. Lanes above a zero one may be taken for
    // zero as well, which the comparison of the tag itself finds out.
    const ONES: u64 = 0x0001_0001_0001_0001;
    let pattern = u64::from(wanted) * ONES;
    let mut fours = tags.chunks_exact(8);
    let mut entry = 0;
    for four in fours.by_ref() {
        let lanes = u64::from_le_bytes(*four.first_chunk().ok_or(Malformed)?) ^ pattern;
        let mut zeros = lanes.wrapping_sub(ONES) & !lanes & (ONES << 15);
        while zeros != 0 {
            let lane = zeros.trailing_zeros() as usize / 16;
            if (lanes >> (16 * lane)) as u16 == 0
                && let Some(found) = look(entry + lane)?
            {
                return Ok(Some(found));
            }
            zeros &= zeros - 1;
        }
        entry += 4;
    }
    for (more, tag) in fours.remainder().chunks_exact(2).enumerate() {
        if tag == wanted.to_le_bytes()
            && let Some(found) = look(entry + more)?
        {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The value of the entry of this number, in order, and its stored key in the place of what `key` holds; `None` behind the last.
pub(super) fn entry(block: &Bytes, number: usize, key: &mut Vec<u8>) -> Result<Option<Value>, Malformed> {
    let shape = Shape::of(block)?;
    if number >= shape.count {
        return Ok(None);
    }
    let found = shape.key(number)?;
    Slot::new(found.slot).ok_or(Malformed)?;
    found.store(key);
    Ok(Some(found.value(block)))
}

/// The first entry whose key is not before this one; the number of entries if all are before it.
pub(super) fn lower_bound(block: &[u8], key: KeyRef<'_>) -> Result<usize, Malformed> {
    Shape::of(block)?.partition_point(|entry| entry.cmp(key).is_lt())
}

/// The last entry whose key is not behind this one, with its value; `None` if all are behind it.
pub(super) fn floor<'a>(block: &'a [u8], key: KeyRef<'_>) -> Result<Option<(usize, &'a [u8])>, Malformed> {
    let shape = Shape::of(block)?;
    let Some(number) = shape.partition_point(|entry| entry.cmp(key).is_le())?.checked_sub(1) else {
        return Ok(None);
    };
    let (start, end) = shape.key(number)?.record;
    Ok(Some((number, &block[start..end])))
}

/// How many entries there are.
pub(super) fn count(block: &[u8]) -> Result<usize, Malformed> {
    Ok(Shape::of(block)?.count)
}

pub(super) fn put_varint(out: &mut Vec<u8>, value: u64) {
    clockwise_core::varint::put_u64(out, value);
}

/// LEB128 from a slice, without the shared buffer that `core`'s reader needs: this is the hot path.
#[inline]
pub(super) fn get_varint(bytes: &[u8], at: &mut usize) -> Result<u64, Malformed> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at).ok_or(Malformed)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Malformed)
}
