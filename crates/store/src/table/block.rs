//! The raw form of a block: how many entries it has, then a tag of each key's hash beside where the entry begins, then
//! the beginnings that several keys share, then the entries in key order. A lookup compares tags, and then one key,
//! which is one beginning and one rest. What it looks at first is where the block begins, so that the processor
//! fetches it all at once. Where several keys have one tag, each is compared.
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

/// Bytes before the places: entries (2), first slot (2), shared beginnings (1), zeros.
const HEADER_BYTES: usize = 8;
/// Bytes of an entry's place: tag (2), where it begins (2).
const PLACE_BYTES: usize = 4;
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
    count: usize,
    /// Where the ends of the shared beginnings stand, which is where the places end.
    ends_at: usize,
    /// Where the shared beginnings begin.
    shared_at: usize,
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
        let header: &[u8; HEADER_BYTES] = block.first_chunk().ok_or(Malformed)?;
        let count = usize::from(u16::from_le_bytes([header[0], header[1]]));
        let ends_at = HEADER_BYTES + PLACE_BYTES * count;
        let shared_at = ends_at + 2 * usize::from(header[4]);
        let first_slot = u16::from_le_bytes([header[2], header[3]]);
        if shared_at > block.len() {
            return Err(Malformed);
        }
        Ok(Shape { block, count, ends_at, shared_at, first_slot })
    }

    #[inline]
    fn u16(&self, at: usize) -> usize {
        usize::from(u16::from_le_bytes([self.block[at], self.block[at + 1]]))
    }

    /// The tags and beginnings of all entries.
    #[inline]
    fn places(&self) -> &'a [u8] {
        &self.block[HEADER_BYTES..self.ends_at]
    }

    /// The shared beginning of this number.
    #[inline]
    fn shared(&self, number: usize) -> Result<&'a [u8], Malformed> {
        if number == 0 {
            return Ok(&[]);
        }
        let at = self.ends_at + 2 * (number - 1);
        if at >= self.shared_at {
            return Err(Malformed);
        }
        let start = if number == 1 { 0 } else { self.u16(at - 2) };
        self.block[self.shared_at..].get(start..self.u16(at)).ok_or(Malformed)
    }

    /// The parts of an entry below `count`.
    #[inline]
    fn key(&self, entry: usize) -> Result<EntryKey<'a>, Malformed> {
        let at = HEADER_BYTES + PLACE_BYTES * entry + 2;
        let end = if entry + 1 < self.count { self.u16(at + PLACE_BYTES) } else { self.block.len() };
        let mut at = self.u16(at);
        let bytes = self.block.get(..end).ok_or(Malformed)?;
        let head = *bytes.get(at).ok_or(Malformed)?;
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
    let look = |entry: usize| -> Result<Option<Value>, Malformed> {
        let found = shape.key(entry)?;
        Ok(found.is(key).then(|| found.value(block)))
    };
    // Two places at a time: a half is zero where the tag is the wanted one. The upper half may be taken for zero above
    // a lower one that is, which the comparison of the tag itself finds out.
    const ONES: u64 = 0x0000_0001_0000_0001;
    let pattern = u64::from(wanted) * ONES;
    let mut pairs = shape.places().chunks_exact(2 * PLACE_BYTES);
    let mut entry = 0;
    for pair in pairs.by_ref() {
        let halves = (u64::from_le_bytes(*pair.first_chunk().ok_or(Malformed)?) ^ pattern) & (ONES * 0xffff);
        if halves.wrapping_sub(ONES) & (ONES << 31) != 0 {
            for (entry, tag) in [(entry, halves as u32), (entry + 1, (halves >> 32) as u32)] {
                if tag == 0
                    && let Some(found) = look(entry)?
                {
                    return Ok(Some(found));
                }
            }
        }
        entry += 2;
    }
    let last = pairs.remainder();
    if last.first_chunk() == Some(&wanted.to_le_bytes()) { look(entry) } else { Ok(None) }
}

/// The value of the entry of this number, in order, and its stored key in the place of what `key` holds; `None` behind the last.
pub(super) fn entry(block: &Bytes, number: usize, key: &mut Vec<u8>) -> Result<Option<Value>, Malformed> {
    let shape = Shape::of(block)?;
    if number >= shape.count {
        return Ok(None);
    }
    let found = shape.key(number)?;
    Slot::stored(found.slot).ok_or(Malformed)?;
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
