//! Collects the entries of one block and writes its raw form. What keys share is known only when the last one has
//! come, so keys and records wait apart until then.

use super::{FORGOTTEN, HEADER_BYTES, KeyRef, PLACE_BYTES, put_varint, shared::Sharing, tag};
use clockwise_core::limits::CELLS;

/// Most bytes of entries, counted without sharing, at which another one may begin: starts are 16 bits wide.
const MOST_BYTES: usize = 60_000;
/// What an entry takes beside key and record, at most, in bytes: first byte, slot, length of the key, place.
const ENTRY_BYTES: usize = 9;

/// Collects entries.
#[derive(Default)]
pub(in super::super) struct BlockBuilder {
    keys: Vec<u8>,
    records: Vec<u8>,
    entries: Vec<Entry>,
    sharing: Sharing,
    raw: Vec<u8>,
}

struct Entry {
    key_end: u32,
    record_end: u32,
    slot: u16,
    tag: u16,
    /// What it shares its beginning with, as [`Sharing`] numbers it.
    group: u8,
    forgotten: bool,
}

impl BlockBuilder {
    /// Adds an entry; all are of one cell and come in order.
    pub(in super::super) fn add(&mut self, key: KeyRef<'_>, hash: u64, value: Option<&[u8]>) {
        let group = self.sharing.place(&self.keys, key.key);
        self.keys.extend_from_slice(key.key);
        self.records.extend_from_slice(value.unwrap_or_default());
        self.entries.push(Entry {
            key_end: self.keys.len() as u32,
            record_end: self.records.len() as u32,
            slot: key.slot.number(),
            tag: tag(hash),
            group,
            forgotten: value.is_none(),
        });
    }

    /// Its raw length so far, in bytes; a few more than it will be.
    fn len(&self) -> usize {
        self.plain_bytes() - self.sharing.saved_bytes()
    }

    fn plain_bytes(&self) -> usize {
        self.keys.len() + self.records.len() + ENTRY_BYTES * self.entries.len() + HEADER_BYTES
    }

    /// Whether it is to be finished before another entry comes.
    pub(in super::super) fn is_full(&self, target_bytes: usize) -> bool {
        self.len() >= target_bytes || self.plain_bytes() >= MOST_BYTES
    }

    pub(in super::super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Completes the raw block; [`BlockBuilder::clear`] begins the next.
    pub(in super::super) fn finish(&mut self) -> &[u8] {
        self.try_finish().expect("it was finished when it was full")
    }

    /// The same, of a block that may have been filled further; `None` if it is too large.
    pub(in super::super) fn try_finish(&mut self) -> Option<&[u8]> {
        let numbers = self.sharing.numbers();
        let first_slot = self.entries.first().map_or(0, |entry| entry.slot);
        let count = u16::try_from(self.entries.len()).ok()?;
        let raw = &mut self.raw;
        raw.clear();
        raw.extend_from_slice(&count.to_le_bytes());
        raw.extend_from_slice(&first_slot.to_le_bytes());
        raw.extend_from_slice(&[self.sharing.count(), 0, 0, 0]);
        raw.resize(HEADER_BYTES + PLACE_BYTES * self.entries.len(), 0);
        self.sharing.write(&self.keys, raw);
        let (mut key_at, mut record_at) = (0, 0);
        for (at, entry) in self.entries.iter().enumerate() {
            let start = u16::try_from(raw.len()).ok()?;
            let place = HEADER_BYTES + PLACE_BYTES * at;
            raw[place..place + 2].copy_from_slice(&entry.tag.to_le_bytes());
            raw[place + 2..place + PLACE_BYTES].copy_from_slice(&start.to_le_bytes());
            let (number, shared) = numbers[usize::from(entry.group)];
            let rest = &self.keys[key_at + shared..entry.key_end as usize];
            raw.push(number | if entry.forgotten { FORGOTTEN } else { 0 });
            put_varint(raw, u64::from((entry.slot - first_slot) / CELLS));
            put_varint(raw, rest.len() as u64);
            raw.extend_from_slice(rest);
            raw.extend_from_slice(&self.records[record_at..entry.record_end as usize]);
            (key_at, record_at) = (entry.key_end as usize, entry.record_end as usize);
        }
        Some(raw)
    }

    pub(in super::super) fn clear(&mut self) {
        self.keys.clear();
        self.records.clear();
        self.entries.clear();
        self.sharing = Sharing::default();
    }
}

const _: () = assert!(
    MOST_BYTES + super::MOST_SHARED * (super::SHARED_BYTES + 2) <= u16::MAX as usize,
    "where the last entry begins has 16 bits"
);
