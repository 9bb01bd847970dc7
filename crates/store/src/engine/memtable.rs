//! The newest changes of a cell, in memory: a hash table by (slot, key), sorted only when it is flushed. A put
//! copies key and record to one place; a get hands out a slice of it. Which keys are of which slot is kept beside it. Knows
//! no log and no tables.

mod slots;

use super::entry::{self, Chunk};
use crate::{
    steady::{Entries, SteadyTable},
    table::KeyRef,
};
use bytes::Bytes;
use clockwise_core::{ids::Lsn, slot::Slot};

/// Entries that a step of the engine may walk over, which takes about a millisecond.
pub(crate) const FEW_ENTRIES: usize = 4_096;

/// What an entry costs beside key and record: the table's place (at a mean load of two thirds), the
/// allocator's share, and its place among those of its slot, in bytes.
const ENTRY_OVERHEAD_BYTES: usize = 128;

/// A memtable.
pub(crate) struct Memtable {
    entries: SteadyTable<Entry>,
    slots: slots::Slots,
    chunk: Chunk,
    bytes: usize,
    last: Lsn,
}

/// One key's newest change.
pub(crate) struct Entry {
    /// The key, and behind it the record.
    data: Bytes,
    lsn: Lsn,
    hash: u64,
    slot: Slot,
    key_bytes: u16,
    forgotten: bool,
    /// Its bytes are part of a chunk, and stay when they are overwritten.
    in_chunk: bool,
}

impl Entry {
    /// What is given back when it goes, in bytes.
    fn own_bytes(&self) -> usize {
        if self.in_chunk { 0 } else { self.data.len() }
    }

    pub(crate) fn key(&self) -> KeyRef<'_> {
        KeyRef { slot: self.slot, key: &self.data[..usize::from(self.key_bytes)] }
    }

    /// The position of the change.
    pub(crate) fn lsn(&self) -> Lsn {
        self.lsn
    }

    /// Memory that it takes, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.data.len() + ENTRY_OVERHEAD_BYTES
    }

    /// The record; `None` if the key was forgotten.
    pub(crate) fn record(&self) -> Option<&[u8]> {
        (!self.forgotten).then(|| &self.data[usize::from(self.key_bytes)..])
    }

    /// The same, sharing the entry's memory.
    pub(crate) fn shared_record(&self) -> Option<Bytes> {
        (!self.forgotten).then(|| self.data.slice(usize::from(self.key_bytes)..))
    }
}

/// The hash of a key in a memtable. The seed has no influence on anything that is written.
#[inline]
pub(crate) fn hash(seed: u64, key: KeyRef<'_>) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(key.key, seed ^ u64::from(key.slot.number()))
}

impl Memtable {
    pub(crate) fn new() -> Memtable {
        let (entries, slots) = (SteadyTable::new(), slots::Slots::default());
        Memtable { entries, slots, chunk: Chunk::default(), bytes: 0, last: Lsn(0) }
    }

    /// The position of the last change; 0 if there is none.
    pub(crate) fn last(&self) -> Lsn {
        self.last
    }

    /// Memory that it takes, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there was no change at all, so that there is nothing to flush.
    #[inline]
    pub(crate) fn is_untouched(&self) -> bool {
        self.last.0 == 0
    }

    /// Notes a change that leaves no entry (of a slot's lines, which are kept elsewhere).
    pub(crate) fn touch(&mut self, lsn: Lsn) {
        self.last = lsn;
    }

    /// The newest change of a key: its record (or `None` if it was forgotten) and position.
    #[inline]
    pub(crate) fn get(&self, hash: u64, key: KeyRef<'_>) -> Option<(Option<Bytes>, Lsn)> {
        let entry = self.entries.find(hash, |entry| entry.hash == hash && entry.key() == key)?;
        let record = (!entry.forgotten).then(|| entry.data.slice(usize::from(entry.key_bytes)..));
        Some((record, entry.lsn))
    }

    /// Puts a record, or notes that the key is forgotten.
    #[inline]
    pub(crate) fn put(&mut self, hash: u64, key: KeyRef<'_>, record: Option<&[u8]>, lsn: Lsn) {
        let record_bytes = record.unwrap_or_default();
        let entry = |data, in_chunk| Entry {
            data,
            lsn,
            hash,
            slot: key.slot,
            key_bytes: key.key.len() as u16,
            forgotten: record.is_none(),
            in_chunk,
        };
        self.last = lsn;
        self.bytes += key.key.len() + record_bytes.len();
        match self.entries.find_mut(hash, |entry| entry.hash == hash && entry.key() == key) {
            Some(old) => {
                self.bytes -= old.own_bytes();
                *old = entry(entry::pack(key.key, record_bytes), false);
            }
            None => {
                let (packed, unused) = self.chunk.pack(key.key, record_bytes, self.bytes);
                let new = match packed {
                    Some(data) => entry(data, true),
                    None => entry(entry::pack(key.key, record_bytes), false),
                };
                self.bytes += ENTRY_OVERHEAD_BYTES + unused;
                self.entries.insert_unique(hash, new, |entry| entry.hash);
                self.slots.note(key.slot, hash);
            }
        }
    }

    /// Forgets all entries of a slot without a trace; what older tables hold of it is for the caller to hide. Walks
    /// over all entries.
    pub(crate) fn drop_slot(&mut self, slot: Slot, lsn: Lsn) {
        let mut freed = 0;
        self.entries.retain(|entry| {
            let stays = entry.slot != slot;
            if !stays {
                freed += entry.own_bytes() + ENTRY_OVERHEAD_BYTES;
            }
            stays
        });
        self.slots.forget(slot);
        self.bytes -= freed;
        self.last = lsn;
    }

    /// All entries, in no order, to be dropped a few at a time.
    pub(crate) fn into_entries(self) -> Entries<Entry> {
        self.entries.into_entries()
    }

    /// All entries, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// How many entries a slot has; there may be a few less.
    pub(crate) fn count_of(&self, slot: Slot) -> usize {
        self.slots.count(slot)
    }

    /// All entries of a slot, in no order.
    pub(crate) fn of_slot(&self, slot: Slot) -> Vec<&Entry> {
        let of_hash = |hash| self.entries.with_hash(hash).filter(move |entry| entry.hash == hash);
        self.slots.of(slot).into_iter().flat_map(of_hash).filter(|entry| entry.slot == slot).collect()
    }

    /// All entries in (slot, key) order.
    pub(crate) fn sorted(&self) -> Vec<&Entry> {
        let mut entries: Vec<&Entry> = self.entries.iter().collect();
        entries.sort_unstable_by(|left, right| {
            let (left, right) = (left.key(), right.key());
            left.slot.cmp(&right.slot).then_with(|| left.key.cmp(right.key))
        });
        entries
    }
}
