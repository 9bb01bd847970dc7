//! Entries of a table in order, from the first one or from a key on, read in large pieces past the cache. Every
//! block is verified; the first damaged one ends the stream with an error.

use super::{KeyRef, Place, Table, block};
use crate::limits::STREAM_BYTES;
use bytes::Bytes;
use clockwise_core::storage::LoadError;
use std::{collections::VecDeque, sync::Arc};

/// What is read at once at first when a stream begins at a key, in bytes; it doubles with each piece, as a stream
/// that has gone on for a while is likely to go on.
const FIRST_PIECE_BYTES: usize = 16 * 1024;

/// A position in a table.
pub struct Stream {
    table: Arc<Table>,
    /// The key to begin at, until its block is there.
    from: Option<Vec<u8>>,
    places: Places,
    /// The piece that was read last, and where it lies. Its blocks are opened one by one as they are needed: they are several
    /// times as large, and what was just opened is still in the processor's caches.
    piece: Vec<u8>,
    piece_offset: u64,
    /// Blocks of the piece that are not opened yet.
    closed: VecDeque<Place>,
    piece_bytes: usize,
    block: Bytes,
    entry: usize,
}

/// The places of a table's blocks from one on.
pub(super) struct Places {
    /// The next block or partition of the index that is in memory.
    next: u32,
    /// Blocks of the partition that was read last.
    known: VecDeque<Place>,
}

impl Places {
    /// All blocks, or those from the one that could hold a key.
    pub(super) fn new(table: &Table, from: Option<KeyRef<'_>>) -> Result<Places, LoadError> {
        let index = &table.body()?.index;
        let mut places = Places { next: 0, known: VecDeque::new() };
        let Some(key) = from else { return Ok(places) };
        let place = index.find(key).ok_or(LoadError::Damaged)?;
        places.next = place.number & !Place::PARTITION;
        if place.is_partition() {
            let block = table.locate(place, &table.read_block(place)?, key)?;
            places.fill(table)?;
            while places.known.front().is_some_and(|place| place.number < block.number) {
                places.known.pop_front();
            }
        }
        Ok(places)
    }

    /// Makes the next block known, if there is one.
    fn fill(&mut self, table: &Table) -> Result<(), LoadError> {
        if let Some(place) = table.body()?.index.place(self.next).filter(|_| self.known.is_empty()) {
            if place.is_partition() {
                self.known.extend(table.read_partition(place)?.into_iter().map(|(_, block)| block));
            } else {
                self.known.push_back(place);
            }
            self.next += 1;
        }
        Ok(())
    }

    /// The next block's place, which stays the next.
    pub(super) fn peek(&mut self, table: &Table) -> Result<Option<Place>, LoadError> {
        self.fill(table)?;
        Ok(self.known.front().copied())
    }

    pub(super) fn skip(&mut self) {
        self.known.pop_front();
    }
}

impl Stream {
    /// A stream that begins at a key, or at the first entry.
    pub(super) fn new(table: Arc<Table>, from: Option<KeyRef<'_>>) -> Stream {
        // The index answers for keys within the table only.
        let inside = |key: &KeyRef<'_>| key.cmp_stored(&table.info.first).is_gt();
        let from = from.filter(inside).map(|key| {
            let mut stored = Vec::new();
            key.store(&mut stored);
            stored
        });
        let piece_bytes = if from.is_some() { FIRST_PIECE_BYTES } else { STREAM_BYTES };
        let places = Places { next: 0, known: VecDeque::new() };
        Stream {
            table,
            from,
            places,
            piece: Vec::new(),
            piece_offset: 0,
            closed: VecDeque::new(),
            piece_bytes,
            block: Bytes::new(),
            entry: 0,
        }
    }

    /// The number of the table it reads.
    pub fn number(&self) -> u64 {
        self.table.info.number
    }

    /// The next entry: its value, and its stored key in the place of what `key` holds; `None` behind the last.
    pub fn next(&mut self, key: &mut Vec<u8>) -> Result<Option<block::Value>, LoadError> {
        if let Some(from) = self.from.take() {
            let result = self.seek(&from);
            if result.is_err() {
                // The error stays one when the caller asks again.
                self.from = Some(from);
                result?;
            }
        }
        loop {
            if !self.block.is_empty()
                && let Some(value) =
                    block::entry(&self.block, self.entry, key).map_err(|_| LoadError::Damaged)?
            {
                self.entry += 1;
                return Ok(Some(value));
            }
            if self.closed.is_empty() && !self.read_piece()? {
                return Ok(None);
            }
            self.open_block()?;
        }
    }

    fn seek(&mut self, from: &[u8]) -> Result<(), LoadError> {
        let key = KeyRef::parse(from).ok_or(LoadError::Damaged)?;
        self.places = Places::new(&self.table, Some(key))?;
        if self.read_piece()? {
            self.open_block()?;
            self.entry = block::lower_bound(&self.block, key).map_err(|_| LoadError::Damaged)?;
        }
        Ok(())
    }

    /// Reads the next blocks in one go; false behind the last. Called when the piece before is used up.
    fn read_piece(&mut self) -> Result<bool, LoadError> {
        let Some(first) = self.places.peek(&self.table)? else { return Ok(false) };
        let mut end = first.offset;
        while let Some(place) = self.places.peek(&self.table)? {
            let bytes = (place.offset - first.offset) as usize + place.length as usize;
            if place.offset != end || (bytes > self.piece_bytes && !self.closed.is_empty()) {
                break;
            }
            end += u64::from(place.length);
            self.closed.push_back(place);
            self.places.skip();
        }
        self.piece_offset = first.offset;
        self.table.read(first.offset, (end - first.offset) as usize, &mut self.piece)?;
        self.piece_bytes = (2 * self.piece_bytes).min(STREAM_BYTES);
        Ok(!self.closed.is_empty())
    }

    /// Opens the next block of the piece. A damaged one stays the next.
    fn open_block(&mut self) -> Result<(), LoadError> {
        let Some(&place) = self.closed.front() else { return Ok(()) };
        let at = (place.offset - self.piece_offset) as usize;
        let sealed = self.piece.get(at..at + place.length as usize).ok_or(LoadError::Damaged)?;
        self.block = self.table.open_block(place, sealed)?;
        self.closed.pop_front();
        self.entry = 0;
        Ok(())
    }
}
