//! The last key of every block and where the block lies, in memory. Blocks lie one behind the other from the
//! table's header on, so the stored form needs only their lengths.

use super::{
    HEADER_BYTES, KeyRef,
    block::{Malformed, get_varint, put_varint},
};

/// Which block could hold a key.
#[derive(Default)]
pub(super) struct Index {
    /// The first 8 bytes of each key as a number: enough to find the place, or almost, in few cache lines.
    prefixes: Vec<u64>,
    keys: Vec<u8>,
    key_ends: Vec<u32>,
    /// Where each block begins, and where the last one ends.
    offsets: Vec<u64>,
}

impl Index {
    pub(super) fn new() -> Index {
        Index { offsets: vec![HEADER_BYTES], ..Index::default() }
    }

    pub(super) fn add(&mut self, last_key: &[u8], length: u64) {
        self.prefixes.push(prefix(last_key));
        self.keys.extend_from_slice(last_key);
        self.key_ends.push(self.keys.len() as u32);
        self.offsets.push(self.end() + length);
    }

    /// Where the last block ends.
    pub(super) fn end(&self) -> u64 {
        *self.offsets.last().unwrap_or(&HEADER_BYTES)
    }

    pub(super) fn blocks(&self) -> usize {
        self.key_ends.len()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let (prefixes, offsets) = (8 * self.prefixes.capacity(), 8 * self.offsets.capacity());
        self.keys.capacity() + 4 * self.key_ends.capacity() + prefixes + offsets
    }

    /// The last key of a block.
    pub(super) fn key(&self, block: usize) -> &[u8] {
        let start = if block == 0 { 0 } else { self.key_ends[block - 1] as usize };
        &self.keys[start..self.key_ends[block] as usize]
    }

    /// The block that holds the key if any does.
    pub(super) fn find(&self, key: KeyRef<'_>) -> Option<u32> {
        // Prefixes are in the keys' order, so a smaller one is a smaller key; equal ones leave it to the keys.
        let wanted = stored_prefix(key);
        let mut low = self.prefixes.partition_point(|&prefix| prefix < wanted);
        let mut high = low + self.prefixes[low..].partition_point(|&prefix| prefix == wanted);
        while low < high {
            let middle = (low + high) / 2;
            if key.cmp_stored(self.key(middle)).is_gt() { low = middle + 1 } else { high = middle }
        }
        (low < self.blocks()).then_some(low as u32)
    }

    /// Offset and length of a block, in bytes.
    pub(super) fn place(&self, block: u32) -> Option<(u64, usize)> {
        let (start, end) = (self.offsets.get(block as usize)?, self.offsets.get(block as usize + 1)?);
        Some((*start, (end - start) as usize))
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.keys.len() + 6 * self.blocks() + 8);
        put_varint(&mut out, self.blocks() as u64);
        for block in 0..self.blocks() {
            let key = self.key(block);
            put_varint(&mut out, key.len() as u64);
            out.extend_from_slice(key);
            put_varint(&mut out, self.offsets[block + 1] - self.offsets[block]);
        }
        out
    }

    /// Reads the stored form; the blocks must end at `end`.
    pub(super) fn decode(bytes: &[u8], end: u64) -> Result<Index, Malformed> {
        let mut at = 0;
        let mut index = Index::new();
        for _ in 0..get_varint(bytes, &mut at)? {
            let length = get_varint(bytes, &mut at)? as usize;
            let key_end = at.checked_add(length).filter(|&end| end <= bytes.len()).ok_or(Malformed)?;
            let key = &bytes[at..key_end];
            at = key_end;
            let block = get_varint(bytes, &mut at)?;
            if block > end || index.end() + block > end {
                return Err(Malformed);
            }
            index.add(key, block);
        }
        if at == bytes.len() && index.end() == end { Ok(index) } else { Err(Malformed) }
    }
}

/// The first 8 bytes, with zeros behind a shorter key.
fn prefix(stored: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let length = stored.len().min(8);
    bytes[..length].copy_from_slice(&stored[..length]);
    u64::from_be_bytes(bytes)
}

/// [`prefix`] of a key's stored form.
#[inline]
fn stored_prefix(key: KeyRef<'_>) -> u64 {
    let mut bytes = [0; 8];
    bytes[..2].copy_from_slice(&key.slot.number().to_be_bytes());
    let length = key.key.len().min(6);
    bytes[2..2 + length].copy_from_slice(&key.key[..length]);
    u64::from_be_bytes(bytes)
}
