//! The raw form of a block: entries in key order, then where each begins, then how many. Found by halving.

use super::KeyRef;
use bytes::Bytes;
use std::cmp::Ordering;

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
}

impl BlockBuilder {
    pub(super) fn add(&mut self, key: &[u8], value: Option<&[u8]>) {
        self.starts.push(self.bytes.len() as u32);
        put_varint(&mut self.bytes, key.len() as u64);
        self.bytes.extend_from_slice(key);
        put_varint(&mut self.bytes, value.map_or(0, |value| value.len() as u64 + 1));
        self.bytes.extend_from_slice(value.unwrap_or_default());
    }

    /// Its raw length so far, in bytes.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() + 4 * self.starts.len() + 4
    }

    pub(super) fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Completes the raw block; [`BlockBuilder::clear`] begins the next.
    pub(super) fn finish(&mut self) -> &[u8] {
        for start in &self.starts {
            self.bytes.extend_from_slice(&start.to_le_bytes());
        }
        self.bytes.extend_from_slice(&(self.starts.len() as u32).to_le_bytes());
        &self.bytes
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.starts.clear();
    }
}

/// How many entries a raw block has, and where its table of starts lies.
fn shape(block: &[u8]) -> Result<(usize, usize), Malformed> {
    let count = u32::from_le_bytes(*block.last_chunk().ok_or(Malformed)?) as usize;
    let tail = count.checked_mul(4).and_then(|starts| starts.checked_add(4)).ok_or(Malformed)?;
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

/// Looks for a key.
#[inline]
pub(super) fn find(block: &Bytes, key: KeyRef<'_>) -> Result<Option<Value>, Malformed> {
    let (count, starts) = shape(block)?;
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = (low + high) / 2;
        let (stored, value) = key_at(block, starts, middle)?;
        match key.cmp_stored(stored) {
            Ordering::Less => high = middle,
            Ordering::Greater => low = middle + 1,
            Ordering::Equal => return value_at(block, starts, value).map(Some),
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
