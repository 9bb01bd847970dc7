//! What differs in tables of version 1: their blocks and index are read into the form of today, so that nothing
//! else knows of them. Such tables go with the next compaction.

use super::{
    KeyRef,
    block::{BlockBuilder, Malformed, get_varint},
    hash,
    index::{Flat, get_bytes},
};
use bytes::Bytes;

/// Bytes of an entry's start and tag in a block.
const PLACE_BYTES: usize = 6;

/// A block of version 1 in the form of today.
pub(super) fn block(raw: &[u8]) -> Result<Bytes, Malformed> {
    let count = u32::from_le_bytes(*raw.last_chunk().ok_or(Malformed)?) as usize;
    let tail = count.checked_mul(PLACE_BYTES).and_then(|places| places.checked_add(4)).ok_or(Malformed)?;
    let end = raw.len().checked_sub(tail).ok_or(Malformed)?;
    let entries = &raw[..end];
    let mut builder = BlockBuilder::default();
    let mut at = 0;
    let mut last: Option<KeyRef<'_>> = None;
    for _ in 0..count {
        let stored = get_bytes(entries, &mut at)?;
        let key = KeyRef::parse(stored).ok_or(Malformed)?;
        // What the builder takes for granted is checked: one cell, and rising keys.
        let fits =
            last.is_none_or(|last| last.slot.cell() == key.slot.cell() && last.cmp_stored(stored).is_lt());
        if !fits {
            return Err(Malformed);
        }
        let value = match get_varint(entries, &mut at)? {
            0 => None,
            announced => {
                let length = usize::try_from(announced - 1).map_err(|_| Malformed)?;
                let end = at.checked_add(length).filter(|&end| end <= entries.len()).ok_or(Malformed)?;
                Some(&entries[std::mem::replace(&mut at, end)..end])
            }
        };
        builder.add(key, hash(key), value);
        last = Some(key);
    }
    let block = builder.try_finish().filter(|_| at == end && count > 0).ok_or(Malformed)?;
    Ok(Bytes::copy_from_slice(block))
}

/// The index of a table of version 1, which lists the last key of each block. The blocks must end at `end`.
pub(super) fn index(bytes: &[u8], first: &[u8], end: u64) -> Result<Flat, Malformed> {
    let mut at = 0;
    let mut flat = Flat::new();
    let mut fence = first.to_vec();
    for _ in 0..get_varint(bytes, &mut at)? {
        let last = get_bytes(bytes, &mut at)?;
        let length = get_varint(bytes, &mut at)?;
        let fits = flat.end().checked_add(length).is_some_and(|block_end| block_end <= end);
        if !fits || length > u64::from(u32::MAX) || KeyRef::parse(&fence).is_none() || *last < fence[..] {
            return Err(Malformed);
        }
        flat.add(&fence, length);
        // The smallest key behind the last one.
        fence.clear();
        fence.extend_from_slice(last);
        fence.push(0);
    }
    if at == bytes.len() && flat.end() == end && flat.blocks() > 0 { Ok(flat.seal()) } else { Err(Malformed) }
}
