//! Entries of a table in order, from the first one or from a key on, read in large pieces past the cache. Every
//! block is verified; the first damaged one ends the stream with an error, behind all that comes before it.

use super::{Entries, KeyRef, Place, Table, Value, block, index::Index};
use crate::{drops::Drops, limits::STREAM_BYTES};
use bytes::Bytes;
use clockwise_core::{slot::Slot, storage::LoadError};
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
    /// What is wrong behind the piece that was read last.
    stopped: Option<LoadError>,
}

/// The places of a table's blocks from one on, without those of which everything was dropped.
pub(super) struct Places {
    drops: Drops,
    /// Blocks that begin behind this slot are none of them.
    last: Option<Slot>,
    /// The next block or partition of the index that is in memory.
    next: u32,
    /// Blocks of the partition that was read last.
    known: VecDeque<Place>,
}

impl Places {
    /// All blocks.
    fn new(drops: Drops, last: Option<Slot>) -> Places {
        Places { drops, last, next: 0, known: VecDeque::new() }
    }

    /// Whether all that is behind a fence is behind the last slot.
    fn ends(&self, fence: &[u8]) -> bool {
        self.last.is_some_and(|last| KeyRef::parse(fence).is_some_and(|key| key.slot > last))
    }

    /// Goes to the block that could hold a key.
    fn seek(&mut self, table: &Table, key: KeyRef<'_>) -> Result<(), LoadError> {
        let index = &table.body()?.index;
        let place = index.find(key).ok_or(LoadError::Damaged)?;
        self.next = place.number & !Place::PARTITION;
        self.known.clear();
        if place.is_partition() && !self.skips(table, index.fence(self.next), self.fence_behind(index)) {
            let block = table.locate(place, &table.read_block(place)?, key)?;
            self.fill(table)?;
            while self.known.front().is_some_and(|place| place.number < block.number) {
                self.known.pop_front();
            }
        }
        Ok(())
    }

    /// The fence behind the next block or partition.
    fn fence_behind<'a>(&self, index: &'a Index) -> Option<&'a [u8]> {
        index.place(self.next + 1).map(|_| index.fence(self.next + 1))
    }

    /// Whether everything between two fences was dropped.
    fn skips(&self, table: &Table, fence: &[u8], behind: Option<&[u8]>) -> bool {
        !self.drops.is_empty() && self.drops.hide_all(table.slots_between(fence, behind), table.info.newest)
    }

    /// Makes the next block known, if there is one.
    fn fill(&mut self, table: &Table) -> Result<(), LoadError> {
        let index = &table.body()?.index;
        while self.known.is_empty()
            && let Some(place) = index.place(self.next)
        {
            let (fence, behind) = (index.fence(self.next), self.fence_behind(index));
            if self.ends(fence) {
                break;
            }
            if self.skips(table, fence, behind) {
                self.next += 1;
                continue;
            }
            if place.is_partition() {
                let blocks = table.read_partition(place)?;
                for (at, (fence, block)) in blocks.iter().enumerate() {
                    let behind = blocks.get(at + 1).map(|(fence, _)| &fence[..]).or(behind);
                    if self.ends(fence) {
                        break;
                    }
                    if !self.skips(table, fence, behind) {
                        self.known.push_back(*block);
                    }
                }
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

impl Entries for Stream {
    fn next(&mut self, key: &mut Vec<u8>) -> Result<Option<Value>, LoadError> {
        Stream::next(self, key)
    }
}

impl Stream {
    /// A stream that begins at a key, or at the first entry.
    pub(super) fn new(
        table: Arc<Table>,
        drops: Drops,
        from: Option<KeyRef<'_>>,
        last: Option<Slot>,
    ) -> Stream {
        // The index answers for keys within the table only.
        let inside = |key: &KeyRef<'_>| key.cmp_stored(&table.info.first).is_gt();
        let from = from.filter(inside).map(|key| {
            let mut stored = Vec::new();
            key.store(&mut stored);
            stored
        });
        let piece_bytes = if from.is_some() { FIRST_PIECE_BYTES } else { STREAM_BYTES };
        let places = Places::new(drops, last);
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
            stopped: None,
        }
    }

    /// See [`Entries::next`].
    pub fn next(&mut self, key: &mut Vec<u8>) -> Result<Option<Value>, LoadError> {
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
        self.places.seek(&self.table, key)?;
        if self.read_piece()? {
            self.open_block()?;
            self.entry = block::lower_bound(&self.block, key).map_err(|_| LoadError::Damaged)?;
        }
        Ok(())
    }

    /// Reads the next blocks in one go; false behind the last. Called when the piece before is used up. What is wrong with one
    /// of them is an error only when those before it were taken.
    fn read_piece(&mut self) -> Result<bool, LoadError> {
        if let Some(error) = self.stopped {
            return Err(error);
        }
        let Some(first) = self.places.peek(&self.table)? else { return Ok(false) };
        let mut end = first.offset;
        loop {
            let place = match self.places.peek(&self.table) {
                Ok(Some(place)) => place,
                Ok(None) => break,
                Err(error) => {
                    self.stopped = Some(error);
                    break;
                }
            };
            let bytes = (place.offset - first.offset) as usize + place.length as usize;
            if place.offset != end || (bytes > self.piece_bytes && !self.closed.is_empty()) {
                break;
            }
            end += u64::from(place.length);
            self.closed.push_back(place);
            self.places.skip();
        }
        self.piece_offset = first.offset;
        if self.table.read(first.offset, (end - first.offset) as usize, &mut self.piece).is_err() {
            // Perhaps only one of them cannot be read: each is tried by itself.
            self.piece.clear();
        }
        self.piece_bytes = (2 * self.piece_bytes).min(STREAM_BYTES);
        Ok(!self.closed.is_empty())
    }

    /// Opens the next block of the piece. A damaged one stays the next.
    fn open_block(&mut self) -> Result<(), LoadError> {
        let Some(&place) = self.closed.front() else { return Ok(()) };
        let at = (place.offset - self.piece_offset) as usize;
        self.block = match self.piece.get(at..at + place.length as usize) {
            Some(sealed) => self.table.open_block(place, sealed)?,
            None => self.table.read_block(place)?,
        };
        self.closed.pop_front();
        self.entry = 0;
        Ok(())
    }
}
