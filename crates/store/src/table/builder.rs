//! Writes a new table from entries in key order. The file is complete and synced when [`Builder::finish`]
//! returns, but its name is not: the caller syncs the folder. After an error the file is garbage.

use super::{
    Body, FOOTER_BYTES, KeyRef, Properties, Span, Table, TableInfo, VERSION,
    block::BlockBuilder,
    bloom::BloomBuilder,
    compress::Compressor,
    create, envelope, fences, hash,
    index::{Flat, Index, Partitioned},
    owner, path,
    properties::SlotCounter,
    reader::{Footer, header},
};
use crate::{
    disk::{Disk, DiskFile},
    limits::{STREAM_BYTES, SYNC_EVERY_BYTES},
    options::Compression,
};
use bytes::Bytes;
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
    /// Memory of an index from which on it is cut in partitions, in bytes.
    pub flat_index_bytes: usize,
}

/// A table that is being written.
pub struct Builder {
    options: BuilderOptions,
    cell: u16,
    out: Out,
    block: BlockBuilder,
    /// The fence before the block that is being filled.
    fence: Vec<u8>,
    last_key: Vec<u8>,
    index: Flat,
    filter: BloomBuilder,
    slots: SlotCounter,
    times: Option<(u64, u64)>,
    properties: Properties,
    info: TableInfo,
}

/// The file, written in large pieces.
struct Out {
    owner: u64,
    file: Box<dyn DiskFile>,
    /// Bytes that are not in the file yet; they follow `written`.
    bytes: Vec<u8>,
    written: u64,
    synced: u64,
    compressor: Compressor,
    /// How envelopes so far are compressed, a bit each.
    kinds: u64,
}

impl Out {
    /// Where the next byte will lie.
    fn end(&self) -> u64 {
        self.written + self.bytes.len() as u64
    }

    /// Appends an envelope and answers how long it is.
    fn seal(&mut self, raw: &[u8], compressed: bool) -> io::Result<u64> {
        let (start, offset) = (self.bytes.len(), self.end());
        let compressor = compressed.then_some(&mut self.compressor);
        envelope::seal(self.owner, offset, raw, compressor, &mut self.bytes);
        self.kinds |= 1 << self.bytes[start];
        let length = (self.bytes.len() - start) as u64;
        if self.bytes.len() >= STREAM_BYTES {
            self.write()?
        }
        Ok(length)
    }

    fn write(&mut self) -> io::Result<()> {
        self.file.write_at(&self.bytes, self.written)?;
        self.written += self.bytes.len() as u64;
        self.bytes.clear();
        if self.written - self.synced >= SYNC_EVERY_BYTES {
            self.file.sync()?;
            self.synced = self.written;
        }
        Ok(())
    }
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
        let owner = owner(cell, number);
        let out = Out {
            owner,
            file: create(disk, cell, number)?,
            bytes: header(owner, VERSION).to_vec(),
            written: 0,
            synced: 0,
            compressor: Compressor::new(options.compression),
            kinds: 0,
        };
        Ok(Builder {
            options,
            cell,
            out,
            block: BlockBuilder::default(),
            fence: Vec::new(),
            last_key: Vec::new(),
            index: Flat::new(),
            filter: BloomBuilder::new(keys, options.bloom_bits_per_key),
            slots: SlotCounter::default(),
            times: None,
            properties: Properties::default(),
            info: TableInfo { number, ..TableInfo::default() },
        })
    }

    /// Adds the next entry; keys must be of the cell and come in strictly growing stored order.
    pub fn add(&mut self, key: &[u8], value: Option<&[u8]>) -> io::Result<()> {
        let parsed = KeyRef::parse(key).expect("entries come from a memtable or a verified table");
        assert!(parsed.slot.cell() == self.cell, "entries are of the cell");
        assert!(self.info.entries == 0 || key > &self.last_key[..], "entries come in order");
        if self.info.entries == 0 {
            self.info.first = Bytes::copy_from_slice(key);
        }
        if self.block.is_empty() {
            self.fence.clear();
            self.fence.extend_from_slice(fences::between(&self.last_key, key));
        }
        let raw_bytes = (key.len() + value.map_or(0, <[u8]>::len)) as u64;
        self.info.entries += 1;
        self.info.forgotten += u64::from(value.is_none());
        self.info.raw_bytes += raw_bytes;
        self.slots.add(parsed.slot, raw_bytes);
        let hash = hash(parsed);
        self.filter.add(hash);
        self.block.add(parsed, hash, value);
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
        if self.block.is_full(self.options.block_bytes) { self.end_block() } else { Ok(()) }
    }

    /// Notes the time of an entry, in units of the caller's own; the table keeps the earliest and the latest.
    pub fn note_time(&mut self, time: u64) {
        let (earliest, latest) = self.times.unwrap_or((time, time));
        self.times = Some((earliest.min(time), latest.max(time)));
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
        let raw = self.block.finish();
        let length = self.out.seal(raw, true)?;
        self.properties.blocks += 1;
        self.properties.block_bytes += raw.len() as u64;
        self.properties.stored_bytes += length;
        self.index.add(&self.fence, length);
        self.block.clear();
        Ok(())
    }

    /// Appends a section and answers where it lies and how long it is.
    fn section(&mut self, raw: &[u8], compressed: bool) -> io::Result<(u64, u64)> {
        let offset = self.out.end();
        Ok((offset, self.out.seal(raw, compressed)?))
    }

    /// Writes the index and answers it as it is to be kept, with the place of its section.
    fn write_index(&mut self) -> io::Result<(Index, (u64, u64))> {
        let flat = std::mem::replace(&mut self.index, Flat::new());
        debug_assert_eq!(flat.end(), self.out.end());
        if flat.weight() <= self.options.flat_index_bytes {
            let place = self.section(&flat.encode(), true)?;
            return Ok((Index::Flat(flat.seal()), place));
        }
        let list: Partitioned = flat.cut(|raw| self.out.seal(raw, true))?;
        self.properties.partitions = list.partitions() as u64;
        let place = self.section(&list.encode(), true)?;
        Ok((Index::Partitioned(list), place))
    }

    /// Completes and syncs the table, which must not be empty. Times that were noted widen those of `span`.
    pub fn finish(mut self, span: Span) -> io::Result<Table> {
        assert!(!self.is_empty(), "a table has entries");
        if !self.block.is_empty() {
            self.end_block()?;
        }
        let span = span.join(Span { times: self.times, ..span });
        self.info.newest = span.newest;
        self.info.last = Bytes::copy_from_slice(&self.last_key);
        let (index, index_place) = self.write_index()?;
        let filter = std::mem::replace(&mut self.filter, BloomBuilder::new(0, 1)).finish();
        let filter_place = self.section(filter.bytes(), false)?;
        let Builder { cell, mut out, slots, properties, mut info, .. } = self;
        let mut properties = slots.finish(properties);
        (properties.oldest, properties.times) = (span.oldest, span.times);
        properties.kinds = out.kinds;
        // The properties carry the file's final length, so their own must be known: they are not compressed.
        let (at, mut raw) = (out.end(), Vec::new());
        loop {
            raw.clear();
            properties.encode(&info, &mut raw);
            let end = at + (envelope::HEADER_BYTES + raw.len() + FOOTER_BYTES) as u64;
            if info.file_bytes == end {
                break;
            }
            info.file_bytes = end;
        }
        let length = out.seal(&raw, false)?;
        let (owner, end) = (out.owner, out.end());
        let footer = Footer { index: index_place, filter: filter_place, properties: (at, length) };
        footer.encode(owner, VERSION, end, &mut out.bytes);
        out.write()?;
        out.file.sync()?;
        let path = path(cell, info.number);
        let body = Body {
            file: out.file,
            version: VERSION,
            index,
            filter: Some(filter),
            properties: Some(properties),
        };
        Ok(Table { owner, path, info, body: Ok(body) })
    }
}
