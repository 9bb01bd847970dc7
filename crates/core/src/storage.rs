//! What core needs of a storage engine: one current record per key, opaque bytes in (slot, key) order.
//!
//! The interface is made of values. A lookup answers at once, or with the number of a job that somebody runs
//! against the disk; a change answers with a log position, and "durable up to here" comes back later. Nothing
//! here blocks and nothing here knows a file.

use crate::{ids::Lsn, slot::Slot, tree::Sum};
use alloc::vec::Vec;
use bytes::Bytes;

/// A lookup that needs the disk. Unique within a shard while it is open.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct JobId(pub u64);

/// Where an answer came from, for `explain` and for metrics.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Probe {
    /// The memtable (or one being flushed) had the record.
    pub memtable: bool,
    /// Tables that a Bloom filter or key range ruled out.
    pub bloom_skips: u16,
    /// Tables in which a block was looked at.
    pub tables_read: u16,
    /// Blocks that had to come from the disk.
    pub disk_reads: u16,
}

/// A record as it is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// The encoded record.
    pub record: Bytes,
    /// The log position of the write that put it there; [`Lsn`] 0 once it is in a table.
    pub lsn: Lsn,
    /// How it was found.
    pub probe: Probe,
}

/// The answer to a lookup.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Lookup {
    /// The record.
    Hit(Found),
    /// There is none.
    Miss(Probe),
    /// The disk knows; the result arrives later as [`Loaded`].
    Job(JobId),
}

/// What a job came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Loaded {
    /// A lookup.
    Record(LoadedRecord),
    /// A scan.
    Page(Page),
}

impl Loaded {
    /// Which job.
    pub fn job(&self) -> JobId {
        match self {
            Loaded::Record(loaded) => loaded.job,
            Loaded::Page(page) => page.job,
        }
    }

    /// The result of a lookup; `None` of a scan.
    pub fn into_record(self) -> Option<LoadedRecord> {
        match self {
            Loaded::Record(loaded) => Some(loaded),
            Loaded::Page(_) => None,
        }
    }
}

/// The result of a lookup that needed the disk. It may be as old as the lookup: whoever takes it asks [`Storage::get`]
/// again for what was applied since.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoadedRecord {
    /// Which lookup.
    pub job: JobId,
    /// The record, or none; or damage, which is never taken for absence.
    pub result: Result<Option<Found>, LoadError>,
    /// How it was looked for.
    pub probe: Probe,
}

/// Where a page ends: at whichever comes first, but not before its first record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageLimit {
    /// Most records.
    pub records: usize,
    /// Bytes of keys and records from which on there are no more.
    pub bytes: usize,
}

/// Records of a slot in the order of their keys, as they were when the scan was asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// Which scan.
    pub job: JobId,
    /// The slot.
    pub slot: Slot,
    /// Keys with their encoded records. The last key is where the next page goes on.
    pub records: Vec<(Bytes, Bytes)>,
    /// Whether there are none behind these; an error is never the end.
    pub result: Result<PageEnd, LoadError>,
}

/// Whether a page was the last one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageEnd {
    /// There are more behind it.
    More,
    /// There are none.
    Done,
}

/// Why a lookup failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LoadError {
    /// A block that could hold the key fails its checksum.
    Damaged,
    /// The disk answered with an error.
    Io,
}

/// One change of one slot. A list of them is applied as a whole or not at all.
#[derive(Clone, Copy, Debug)]
pub enum Mutation<'a> {
    /// The key's record is now this.
    Put {
        /// The key.
        key: &'a [u8],
        /// The encoded record.
        record: &'a [u8],
        /// What it changes in the slot's count of live keys: −1, 0 or 1.
        live: i8,
        /// What it adds to the slot's sums.
        sums: &'a [Sum],
    },
    /// The key has no record any more.
    Forget {
        /// The key.
        key: &'a [u8],
        /// As above.
        live: i8,
        /// As above.
        sums: &'a [Sum],
    },
    /// The slot's sums and its count of live keys, counted anew; they are known from now on.
    Tree {
        /// Live keys.
        live: u64,
        /// The sums, as [`crate::tree::is_sound`] wants them.
        sums: &'a [Sum],
    },
    /// The slot's lines (what outlives forgotten records) are now this.
    Lines(&'a [u8]),
    /// No key of the slot has a record any more, none is counted as live, and there are no sums. The lines stay.
    DropSlot,
}

/// Why nothing can be written at the moment. Reads go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The disk is nearly full.
    DiskFull,
    /// Flushes are behind and memory is at its bound.
    Backlog,
    /// A sync failed; the server stops.
    Failed,
}

/// A shard's storage: the cells that the shard owns.
pub trait Storage {
    /// Looks up the record of a key.
    fn get(&mut self, slot: Slot, key: &[u8]) -> Lookup;

    /// Reads the slot's records with keys above `after` in order; the page arrives later as [`Loaded::Page`]. May close
    /// memtables if the slot is large, so it is nothing for every request.
    fn page(&mut self, slot: Slot, after: Option<Bytes>, limit: PageLimit) -> JobId;

    /// As [`Storage::page`], but leaves out keys whose record is damaged; [`Storage::get`] tells of those that they are.
    fn readable_page(&mut self, slot: Slot, after: Option<Bytes>, limit: PageLimit) -> JobId {
        self.page(slot, after, limit)
    }

    /// Applies the mutations of one slot as a whole, visible to the next `get`. To be asked only after
    /// [`Storage::admits`] said yes.
    fn apply(&mut self, slot: Slot, mutations: &[Mutation<'_>]) -> Lsn;

    /// The slot's lines as last applied; answered from memory.
    fn lines(&self, slot: Slot) -> Option<Bytes>;

    /// How many keys of the slot have a live version, as counted by [`Mutation`]s.
    fn live(&self, slot: Slot) -> u64;

    /// The slot's sums, as changed by [`Mutation`]s; `None` if they are not known: the slot was written without them, or
    /// damage may have hit it. Then they are to be counted anew.
    fn sums(&self, slot: Slot) -> Option<&[Sum]>;

    /// The depth of the slot's tree, if its sums are known: what every write asks.
    fn tree_depth(&self, slot: Slot) -> Option<u8> {
        self.sums(slot).map(crate::tree::depth)
    }

    /// The key with this [`crate::tree::key_hash`] is about to be looked up, and then changed. Changes nothing; a store whose
    /// sums are far away in memory may fetch the one that will change while it looks the key up.
    fn expect_change(&self, _slot: Slot, _key_hash: u64) {}

    /// Whether writes are taken.
    fn admits(&self) -> Result<(), Refusal>;

    /// Everything at or below this position survives a power cut.
    fn durable(&self) -> Lsn;
}
