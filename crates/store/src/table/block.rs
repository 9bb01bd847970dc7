//! The raw form of a block: entries in key order, then where each begins, then a tag of each key's hash, then
//! how many. A lookup compares tags, which lie side by side, and then one key: few cache lines. Where several
//! keys have one tag, each is compared.

use super::KeyRef;
use bytes::Bytes;

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

/// Collects entries.
#[derive(Default)]
pub(super) struct BlockBuilder {
    bytes: Vec<u8>,
    starts: Vec<u32>,
    tags: Vec<u16>,
}

/// Bytes of an entry's start and tag.
const PLACE_BYTES: usize = 6;

/// The part of a key's hash that a block keeps.
#[inline]
fn tag(hash: u64) -> u16 {
    (hash >> 48) as u16
}

impl BlockBuilder {
    pub(super) fn add(&mut self, key: &[u8], hash: u64, value: Option<&[u8]>) {
        self.tags.push(tag(hash));
        self.starts.push(self.bytes.len() as u32);
        put_varint(&mut self.bytes, key.len() as u64);
        self.bytes.extend_from_slice(key);
        put_varint(&mut self.bytes, value.map_or(0, |value| value.len() as u64 + 1));
        self.bytes.extend_from_slice(value.unwrap_or_default());
    }

    /// Its raw length so far, in bytes.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() + PLACE_BYTES * self.starts.len() + 4
    }

    pub(super) fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Completes the raw block; [`BlockBuilder::clear`] begins the next.
    pub(super) fn finish(&mut self) -> &[u8] {
        for start in &self.starts {
            self.bytes.extend_from_slice(&start.to_le_bytes());
        }
        for tag in &self.tags {
            self.bytes.extend_from_slice(&tag.to_le_bytes());
        }
        self.bytes.extend_from_slice(&(self.starts.len() as u32).to_le_bytes());
        &self.bytes
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.starts.clear();
        self.tags.clear();
    }
}

/// How many entries a raw block has, and where its table of starts lies.
fn shape(block: &[u8]) -> Result<(usize, usize), Malformed> {
    let count = u32::from_le_bytes(*block.last_chunk().ok_or(Malformed)?) as usize;
    let tail = count.checked_mul(PLACE_BYTES).and_then(|places| places.checked_add(4)).ok_or(Malformed)?;
    Ok((count, block.len().checked_sub(tail).ok_or(Malformed)?))
}

/// The key of an entry, and where its value's length stands.
#[inline]
fn key_at(block: &[u8], starts: usize, entry: usize) -> Result<(&[u8], usize), Malformed> {
    let at = starts + 4 * entry;
    let start = block.get(at..at + 4).ok_or(Malformed)?;
    let mut at = u32::from_le_bytes([start[0], start[1], start[2], start[3]]) as usize;
    let length = get_varint(block, &mut at)? as usize;
    let end = at.checked_add(length).filter(|&end| end <= starts).ok_or(Malformed)?;
    Ok((&block[at..end], end))
}

fn value_at(block: &Bytes, starts: usize, mut at: usize) -> Result<Value, Malformed> {
    match get_varint(block, &mut at)? {
        0 => Ok(Value::Forgotten),
        announced => {
            let end = at.checked_add(announced as usize - 1).filter(|&end| end <= starts).ok_or(Malformed)?;
            Ok(Value::Record(block.slice(at..end)))
        }
    }
}

/// Looks for a key; `hash` is [`super::hash`] of it.
#[inline]
pub(super) fn find(block: &Bytes, key: KeyRef<'_>, hash: u64) -> Result<Option<Value>, Malformed> {
    let (count, starts) = shape(block)?;
    let tags = starts + 4 * count;
    let wanted = tag(hash).to_le_bytes();
    for (entry, tag) in block[tags..tags + 2 * count].chunks_exact(2).enumerate() {
        if tag == wanted {
            let (stored, value) = key_at(block, starts, entry)?;
            if key.cmp_stored(stored).is_eq() {
                return value_at(block, starts, value).map(Some);
            }
        }
    }
    Ok(None)
}

/// The entry of this number, in order; `None` behind the last.
pub(super) fn entry(block: &Bytes, number: usize) -> Result<Option<(Bytes, Value)>, Malformed> {
    let (count, starts) = shape(block)?;
    if number >= count {
        return Ok(None);
    }
    let (key, value) = key_at(block, starts, number)?;
    let key = block.slice_ref(key);
    Ok(Some((key, value_at(block, starts, value)?)))
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
