//! Writes a new table from entries in key order. The file is complete and synced when [`Builder::finish`]
//! returns, but its name is not: the caller syncs the folder. After an error the file is garbage.

use super::{
    Body, FOOTER_BYTES, HEADER_BYTES, KeyRef, Table, TableInfo, VERSION,
    block::BlockBuilder,
    bloom::BloomBuilder,
    create, envelope, hash,
    index::Index,
    owner, path,
    reader::{Footer, header},
};
use crate::{
    disk::{Disk, DiskFile},
    limits::{STREAM_BYTES, SYNC_EVERY_BYTES},
    options::Compression,
};
use bytes::Bytes;
use clockwise_core::ids::Lsn;
use std::io;

/// How to build.
#[derive(Clone, Copy, Debug)]
pub struct BuilderOptions {
    /// Compression of blocks.
    pub compression: Compression,
    /// Target size of a raw block, in bytes.
    pub block_bytes: usize,
    /// Bits per key of the filter.
    pub bloom_bits_per_key: u32,
}

/// A table that is being written.
pub struct Builder {
    options: BuilderOptions,
    cell: u16,
    file: Box<dyn DiskFile>,
    /// Bytes that are not in the file yet; they follow `written`.
    out: Vec<u8>,
    written: u64,
    synced: u64,
    block: BlockBuilder,
    last_key: Vec<u8>,
    index: Index,
    filter: BloomBuilder,
    info: TableInfo,
}

impl Builder {
    /// Begins the table `number` of a cell, for at most `keys` entries.
    pub fn new(
        disk: &dyn Disk,
        cell: u16,
        number: u64,
        keys: u64,
        options: BuilderOptions,
    ) -> io::Result<Builder> {
        let file = create(disk, cell, number)?;
        Ok(Builder {
            options,
            cell,
            file,
            out: header(owner(cell, number), VERSION).to_vec(),
            written: 0,
            synced: 0,
            block: BlockBuilder::default(),
            last_key: Vec::new(),
            index: Index::new(),
            filter: BloomBuilder::new(keys, options.bloom_bits_per_key),
            info: TableInfo { number, ..TableInfo::default() },
        })
    }

    /// Adds the next entry; keys must come in strictly growing stored order.
    pub fn add(&mut self, key: &[u8], value: Option<&[u8]>) -> io::Result<()> {
        let parsed = KeyRef::parse(key).expect("entries come from a memtable or a verified table");
        assert!(self.info.entries == 0 || key > &self.last_key[..], "entries come in order");
        if self.info.entries == 0 {
            self.info.first = Bytes::copy_from_slice(key);
        }
        self.info.entries += 1;
        self.info.forgotten += u64::from(value.is_none());
        self.info.raw_bytes += (key.len() + value.map_or(0, <[u8]>::len)) as u64;
        let hash = hash(parsed);
        self.filter.add(hash);
        self.block.add(key, hash, value);
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
        if self.block.len() >= self.options.block_bytes { self.end_block() } else { Ok(()) }
    }

    /// Raw bytes of what was added.
    pub fn raw_bytes(&self) -> u64 {
        self.info.raw_bytes
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.info.entries == 0
    }

    fn end_block(&mut self) -> io::Result<()> {
        let offset = self.written + self.out.len() as u64;
        let before = self.out.len();
        let (owner, compression) = (owner(self.cell, self.info.number), self.options.compression);
        envelope::seal(owner, offset, self.block.finish(), compression, &mut self.out);
        self.block.clear();
        self.index.add(&self.last_key, (self.out.len() - before) as u64);
        if self.out.len() >= STREAM_BYTES { self.write_out() } else { Ok(()) }
    }

    fn write_out(&mut self) -> io::Result<()> {
        self.file.write_at(&self.out, self.written)?;
        self.written += self.out.len() as u64;
        self.out.clear();
        if self.written - self.synced >= SYNC_EVERY_BYTES {
            self.file.sync()?;
            self.synced = self.written;
        }
        Ok(())
    }

    /// Appends a section in its envelope and answers where it lies and how long it is.
    fn section(&mut self, raw: &[u8], compression: Compression) -> io::Result<(u64, u64)> {
        let offset = self.written + self.out.len() as u64;
        let before = self.out.len();
        envelope::seal(owner(self.cell, self.info.number), offset, raw, compression, &mut self.out);
        let length = (self.out.len() - before) as u64;
        self.write_out()?;
        Ok((offset, length))
    }

    /// Completes and syncs the table. `newest` is the position of the latest write in it.
    pub fn finish(mut self, newest: Lsn) -> io::Result<Table> {
        if !self.block.is_empty() {
            self.end_block()?;
        }
        self.info.newest = newest;
        self.info.last = Bytes::copy_from_slice(&self.last_key);
        debug_assert!(
            self.index.end() == self.written + self.out.len() as u64 && self.index.end() >= HEADER_BYTES
        );
        let index = self.index.encode();
        let index = self.section(&index, self.options.compression)?;
        let filter = std::mem::replace(&mut self.filter, BloomBuilder::new(0, 1)).finish();
        let filter_place = self.section(filter.bytes(), Compression::None)?;
        // The properties carry the file's final length, so their own must be known: they are not compressed.
        let mut properties = Vec::new();
        self.info.encode(&mut properties);
        let at = self.written;
        loop {
            let end = at + (envelope::HEADER_BYTES + properties.len() + FOOTER_BYTES) as u64;
            if self.info.file_bytes == end {
                break;
            }
            self.info.file_bytes = end;
            properties.clear();
            self.info.encode(&mut properties);
        }
        let owner = owner(self.cell, self.info.number);
        envelope::seal(owner, at, &properties, Compression::None, &mut self.out);
        let properties = (at, self.out.len() as u64);
        Footer { index, filter: filter_place, properties }.encode(owner, at + properties.1, &mut self.out);
        self.write_out()?;
        self.file.sync()?;
        let path = path(self.cell, self.info.number);
        let body = Body { file: self.file, index: self.index, filter: Some(filter) };
        Ok(Table { owner, path, info: self.info, body: Some(body) })
    }
}
