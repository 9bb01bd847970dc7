//! One SSTable: sorted entries of one cell in checksummed blocks, with an index and a Bloom filter in memory.
//!
//! A table never changes. A damaged part answers [`LoadError::Damaged`] for the keys it could hold, never
//! "absent", and hides nothing else. The format stands in `docs/formats/sstable.md`. Does not cache, does not
//! know which tables make up a cell, and does not remove files.

use crate::{
    disk::{Disk, DiskFile},
    limits::BLOCK_BYTES,
};
use bloom::Bloom;
use bytes::Bytes;
use clockwise_core::storage::LoadError;
use index::Index;
use std::sync::Arc;

mod block;
mod bloom;
mod builder;
mod damage;
mod envelope;
mod index;
mod info;
mod key;
mod merge;
mod reader;
mod stream;

pub use block::Value;
pub use bloom::hash;
pub use builder::{Builder, BuilderOptions};
pub use damage::Damage;
pub use info::TableInfo;
pub use key::KeyRef;
pub use merge::{Merge, MergeError};
pub use reader::open;

/// Version byte of the format.
pub const VERSION: u8 = 1;
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
    body: Option<Body>,
}

/// What is there when the table could be opened.
struct Body {
    file: Box<dyn DiskFile>,
    index: Index,
    /// `None` if the filter is damaged: then nothing is excluded.
    filter: Option<Bloom>,
}

/// What a table knows about a key without reading a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Guess {
    /// It is not in this table: outside of its range, or excluded by the Bloom filter.
    Absent,
    /// If it is in this table, it is in this block.
    Block(u32),
    /// The table could hold it, and cannot be read.
    Broken,
}

impl Table {
    /// A table that the manifest lists and that cannot be opened.
    pub(crate) fn broken(cell: u16, info: TableInfo) -> Table {
        Table { owner: owner(cell, info.number), path: path(cell, info.number), info, body: None }
    }

    /// What the manifest keeps of it.
    pub fn info(&self) -> &TableInfo {
        &self.info
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
        self.body.is_none()
    }

    /// Whether its Bloom filter can be used; without it nothing is excluded.
    pub fn has_filter(&self) -> bool {
        self.body.as_ref().is_some_and(|body| body.filter.is_some())
    }

    /// Bytes of memory that its index and filter take.
    pub fn memory_bytes(&self) -> usize {
        self.body.as_ref().map_or(0, |body| {
            body.index.memory_bytes() + body.filter.as_ref().map_or(0, |filter| filter.bytes().len())
        })
    }

    /// Where the key could be; `hash` is [`hash`] of it.
    #[inline]
    pub fn guess(&self, key: KeyRef<'_>, hash: u64) -> Guess {
        if key.cmp_stored(&self.info.first).is_lt() || key.cmp_stored(&self.info.last).is_gt() {
            return Guess::Absent;
        }
        let Some(body) = &self.body else { return Guess::Broken };
        if body.filter.as_ref().is_some_and(|filter| !filter.may_hold(hash)) {
            return Guess::Absent;
        }
        body.index.find(key).map_or(Guess::Absent, Guess::Block)
    }

    /// Reads, verifies and decompresses a block.
    pub fn read_block(&self, block: u32) -> Result<Bytes, LoadError> {
        let body = self.body.as_ref().ok_or(LoadError::Damaged)?;
        let (offset, length) = body.index.place(block).ok_or(LoadError::Damaged)?;
        let mut bytes = vec![0; length];
        match body.file.read_at(&mut bytes, offset) {
            Ok(read) if read == length => {
                envelope::open(self.owner, offset, bytes, BLOCK_BYTES).ok_or(LoadError::Damaged)
            }
            Ok(_) => Err(LoadError::Damaged),
            Err(_) => Err(LoadError::Io),
        }
    }

    /// Looks for a key in a block of a table: `Ok(None)` if it is not there. `hash` is [`hash`] of it.
    #[inline]
    pub fn find(block: &Bytes, key: KeyRef<'_>, hash: u64) -> Result<Option<Value>, LoadError> {
        block::find(block, key, hash).map_err(|_| LoadError::Damaged)
    }

    /// Entries from the first key on, for merging.
    pub(crate) fn stream(self: &Arc<Table>) -> stream::Stream {
        stream::Stream::new(Arc::clone(self))
    }

    /// Reads every block and says whether all are good.
    pub fn verify(self: &Arc<Table>) -> Result<(), LoadError> {
        let mut stream = self.stream();
        while stream.next()?.is_some() {}
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
