//! One SSTable: sorted entries of one cell in checksummed blocks, with an index and a Bloom filter in memory; of a
//! large index only the list of its partitions.
//!
//! A table never changes. A damaged part answers [`LoadError::Damaged`] for the keys it could hold, never
//! "absent", and hides nothing else. The format stands in `docs/formats/sstable.md`. Does not cache, does not
//! know which tables make up a cell, and does not remove files.

use crate::{
    damage::SlotRange,
    disk::{Disk, DiskFile},
    drops::Drops,
    limits::BLOCK_BYTES,
};
use bloom::Bloom;
use bytes::Bytes;
use clockwise_core::{slot::Slot, storage::LoadError};
use index::Index;
use std::sync::Arc;

mod block;
mod bloom;
mod builder;
mod compress;
mod damage;
mod envelope;
mod fences;
mod index;
mod info;
mod key;
mod merge;
mod properties;
mod reader;
mod stream;
#[cfg(test)]
mod tests;
mod v1;

pub use block::Value;
pub use bloom::hash;
pub use builder::{Builder, BuilderOptions};
pub use damage::Damage;
pub use info::TableInfo;
pub use key::KeyRef;
pub use merge::{Entries, Merge, MergeError, Merged};
pub use properties::{Properties, SlotCount, Span};
pub use reader::open;
pub use stream::Stream;

/// Version byte of the format.
pub const VERSION: u8 = 2;
/// Bytes before the first block.
pub(crate) const HEADER_BYTES: u64 = 16;
/// Bytes behind the last section.
pub(crate) const FOOTER_BYTES: usize = 64;

/// Where the tables of all cells lie.
pub const DIR: &str = "cells";

/// An open table.
pub struct Table {
    owner: u64,
    path: String,
    info: TableInfo,
    body: Result<Body, Broken>,
}

/// Why nothing of a table can be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Broken {
    /// There is no such file.
    Missing,
    /// Header, footer, index or properties are not what was written.
    Damaged,
    /// The disk cannot read one of them.
    Unreadable,
}

/// What is there when the table could be opened.
struct Body {
    file: Box<dyn DiskFile>,
    version: u8,
    index: Index,
    /// `None` if the filter is damaged: then nothing is excluded.
    filter: Option<Bloom>,
    /// Version 1 has none.
    properties: Option<Properties>,
}

/// Where a block of a table lies: a block of data, or a partition of the index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// Its number among the table's blocks, or among its partitions with [`Place::PARTITION`] set: a name for caches.
    pub number: u32,
    offset: u64,
    length: u32,
}

impl Place {
    /// The bit that tells a partition's number from a block's.
    pub const PARTITION: u32 = 1 << 31;

    /// Whether this is a partition of the index.
    pub fn is_partition(self) -> bool {
        self.number & Place::PARTITION != 0
    }
}

/// What a table knows about a key without reading a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Guess {
    /// It is not in this table: outside of its range, or excluded by the Bloom filter.
    Absent,
    /// If it is in this table, it is in this block.
    Block(Place),
    /// [`Table::locate`] answers the block from this partition.
    Partition(Place),
    /// The table could hold it, and cannot be read.
    Broken,
}

impl Table {
    /// A table that the manifest lists and of which nothing can be read.
    pub(crate) fn broken(cell: u16, info: TableInfo, why: Broken) -> Table {
        Table { owner: owner(cell, info.number), path: path(cell, info.number), info, body: Err(why) }
    }

    /// What the manifest keeps of it.
    pub fn info(&self) -> &TableInfo {
        &self.info
    }

    /// What it says about itself beyond that; `None` if it is broken or of version 1.
    pub fn properties(&self) -> Option<&Properties> {
        self.body.as_ref().ok()?.properties.as_ref()
    }

    /// From when its entries are, as far as it says so.
    pub fn span(&self) -> Span {
        let (oldest, times) =
            self.properties().map(|properties| (properties.oldest, properties.times)).unwrap_or_default();
        Span { oldest, newest: self.info.newest, times }
    }

    /// Its file.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Its name among all tables of the server.
    pub fn owner(&self) -> u64 {
        self.owner
    }

    /// Whether it cannot be read at all.
    pub fn is_broken(&self) -> bool {
        self.body.is_err()
    }

    /// Why it cannot be read at all; `None` if it can.
    pub fn broken_by(&self) -> Option<Broken> {
        self.body.as_ref().err().copied()
    }

    /// Whether its Bloom filter can be used; without it nothing is excluded.
    pub fn has_filter(&self) -> bool {
        self.body.as_ref().is_ok_and(|body| body.filter.is_some())
    }

    /// The slots whose keys could be in it, as far as its first and last key tell.
    pub(crate) fn slots(&self) -> SlotRange {
        self.info.slots((self.owner >> 48) as u16)
    }

    /// Bytes of memory that it takes: index, filter, properties, and what is kept of every table.
    pub fn memory_bytes(&self) -> usize {
        let own = size_of::<Table>() + self.path.capacity() + self.info.first.len() + self.info.last.len();
        own + self.body.as_ref().map_or(0, |body| {
            let filter = body.filter.as_ref().map_or(0, |filter| filter.bytes().len());
            body.index.memory_bytes() + filter + body.properties.as_ref().map_or(0, Properties::memory_bytes)
        })
    }

    fn body(&self) -> Result<&Body, LoadError> {
        self.body.as_ref().map_err(|_| LoadError::Damaged)
    }

    /// Where the key could be; `hash` is [`hash`] of it.
    #[inline]
    pub fn guess(&self, key: KeyRef<'_>, hash: u64) -> Guess {
        if self.excludes(key, hash) { Guess::Absent } else { self.guess_place(key) }
    }

    /// Whether the key is outside of its range, or excluded by the Bloom filter.
    #[inline]
    pub(crate) fn excludes(&self, key: KeyRef<'_>, hash: u64) -> bool {
        let filter = self.body.as_ref().ok().and_then(|body| body.filter.as_ref());
        key.cmp_stored(&self.info.first).is_lt()
            || key.cmp_stored(&self.info.last).is_gt()
            || filter.is_some_and(|filter| !filter.may_hold(hash))
    }

    /// Where a key could be that is not excluded.
    #[inline]
    pub(crate) fn guess_place(&self, key: KeyRef<'_>) -> Guess {
        let Ok(body) = &self.body else { return Guess::Broken };
        match body.index.find(key) {
            Some(place) if place.is_partition() => Guess::Partition(place),
            Some(place) => Guess::Block(place),
            None => Guess::Broken,
        }
    }

    /// The block that could hold a key, as a partition of the index says; `raw` is what [`Table::read_block`] read of it.
    #[inline]
    pub fn locate(&self, partition: Place, raw: &Bytes, key: KeyRef<'_>) -> Result<Place, LoadError> {
        match &self.body()?.index {
            Index::Partitioned(list) => {
                list.locate(partition.number & !Place::PARTITION, raw, key).map_err(|_| LoadError::Damaged)
            }
            Index::Flat(_) => Err(LoadError::Damaged),
        }
    }

    /// Reads, verifies and decompresses a block of data or a partition.
    pub fn read_block(&self, place: Place) -> Result<Bytes, LoadError> {
        let mut sealed = Vec::new();
        self.read(place.offset, place.length as usize, &mut sealed)?;
        self.open_block(place, &sealed)
    }

    /// Has the disk begin to read a block or partition.
    pub(crate) fn will_read(&self, place: Place) {
        if let Ok(body) = &self.body {
            body.file.will_read(place.length as usize, place.offset);
        }
    }

    fn open_block(&self, place: Place, sealed: &[u8]) -> Result<Bytes, LoadError> {
        let raw = envelope::open(self.owner, place.offset, sealed, BLOCK_BYTES).ok_or(LoadError::Damaged)?;
        if self.body()?.version == 1 { v1::block(&raw).map_err(|_| LoadError::Damaged) } else { Ok(raw) }
    }

    /// The blocks that a partition lists, with the fence before each.
    fn read_partition(&self, place: Place) -> Result<Vec<(Vec<u8>, Place)>, LoadError> {
        match &self.body()?.index {
            Index::Partitioned(list) => {
                let raw = self.read_block(place)?;
                list.blocks(place.number & !Place::PARTITION, &raw).map_err(|_| LoadError::Damaged)
            }
            Index::Flat(_) => Err(LoadError::Damaged),
        }
    }

    /// Bytes of the file, in the place of what `bytes` holds.
    fn read(&self, offset: u64, length: usize, bytes: &mut Vec<u8>) -> Result<(), LoadError> {
        let file = &self.body()?.file;
        // A partition is believed about a length only within the file.
        if offset.checked_add(length as u64).is_none_or(|end| end > self.info.file_bytes) {
            return Err(LoadError::Damaged);
        }
        bytes.resize(length, 0);
        match file.read_at(bytes, offset) {
            Ok(read) if read == length => Ok(()),
            Ok(_) => Err(LoadError::Damaged),
            Err(_) => Err(LoadError::Io),
        }
    }

    /// Looks for a key in a block of a table: `Ok(None)` if it is not there. `hash` is [`hash`] of it.
    #[inline]
    pub fn find(block: &Bytes, key: KeyRef<'_>, hash: u64) -> Result<Option<Value>, LoadError> {
        block::find(block, key, hash).map_err(|_| LoadError::Damaged)
    }

    /// Entries from the first one on.
    pub fn stream(self: &Arc<Table>) -> Stream {
        self.stream_past(&Drops::default(), None, None)
    }

    /// Entries from the first one that is not before the key on.
    pub fn stream_from(self: &Arc<Table>, key: KeyRef<'_>) -> Stream {
        self.stream_past(&Drops::default(), Some(key), None)
    }

    /// Entries from the first one, or the first one that is not before a key, on. Blocks of which everything was dropped, or
    /// is behind the last slot, are neither read nor verified; of other blocks everything comes out.
    pub(crate) fn stream_past(
        self: &Arc<Table>,
        drops: &Drops,
        from: Option<KeyRef<'_>>,
        last: Option<Slot>,
    ) -> Stream {
        let drops = if drops.can_hide(self.info.newest) { drops.clone() } else { Drops::default() };
        Stream::new(Arc::clone(self), drops, from, last)
    }

    /// Reads every block and says whether all are good.
    pub fn verify(self: &Arc<Table>) -> Result<(), LoadError> {
        let (mut stream, mut key) = (self.stream(), Vec::new());
        while stream.next(&mut key)?.is_some() {}
        Ok(())
    }
}

/// The name that checksums of a table are bound to.
pub(crate) fn owner(cell: u16, number: u64) -> u64 {
    (u64::from(cell) << 48) | number
}

/// The file of a table.
pub fn path(cell: u16, number: u64) -> String {
    format!("{DIR}/{cell:02}-{number:012}.sst")
}

/// The cell and number of a table file's name (without the folder).
pub fn parse_name(name: &str) -> Option<(u16, u64)> {
    let (cell, number) = name.strip_suffix(".sst")?.split_once('-')?;
    let parsed = (cell.parse().ok()?, number.parse().ok()?);
    (path(parsed.0, parsed.1).strip_prefix(DIR)?.strip_prefix('/')? == name).then_some(parsed)
}

/// Makes the file for a new table, replacing what an earlier life may have left under that name.
pub(crate) fn create(disk: &dyn Disk, cell: u16, number: u64) -> std::io::Result<Box<dyn DiskFile>> {
    let path = path(cell, number);
    crate::disk::remove_if_there(disk, &path)?;
    disk.create(&path)
}
