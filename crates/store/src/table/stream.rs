//! All entries of a table in order, read in large pieces past the cache. Every block is verified; the first
//! damaged one ends the stream with an error.

use super::{KeyRef, Table, block, envelope};
use crate::limits::{BLOCK_BYTES, STREAM_BYTES};
use bytes::Bytes;
use clockwise_core::storage::LoadError;
use std::sync::Arc;

/// A position in a table.
pub(crate) struct Stream {
    table: Arc<Table>,
    /// The next block that is not in `piece`.
    next_block: u32,
    /// Verified blocks of the piece that was read last, the next one at the end.
    piece: Vec<Bytes>,
    block: Bytes,
    entry: usize,
}

impl Stream {
    pub(super) fn new(table: Arc<Table>) -> Stream {
        Stream { table, next_block: 0, piece: Vec::new(), block: Bytes::new(), entry: 0 }
    }

    /// From the block on that could hold the first key that is not smaller; entries before it may come out.
    pub(super) fn from(table: Arc<Table>, stored: &[u8]) -> Stream {
        let index = table.body.as_ref().map(|body| &body.index);
        let first = KeyRef::parse(stored).and_then(|key| index.map(|index| index.find(key)));
        // Behind the last key there is no block: the stream begins at its end.
        let next_block = first.map_or(0, |block| block.unwrap_or(u32::MAX));
        Stream { next_block, ..Stream::new(table) }
    }

    /// The number of the table it reads.
    pub(crate) fn number(&self) -> u64 {
        self.table.info.number
    }

    /// The next entry: stored key and value.
    pub(crate) fn next(&mut self) -> Result<Option<(Bytes, block::Value)>, LoadError> {
        loop {
            if !self.block.is_empty()
                && let Some(found) = block::entry(&self.block, self.entry).map_err(|_| LoadError::Damaged)?
            {
                self.entry += 1;
                return Ok(Some(found));
            }
            if self.piece.is_empty() && !self.read_piece()? {
                return Ok(None);
            }
            self.block = self.piece.pop().unwrap_or_default();
            self.entry = 0;
        }
    }

    /// Reads the next blocks in one go; false behind the last.
    fn read_piece(&mut self) -> Result<bool, LoadError> {
        let body = self.table.body.as_ref().ok_or(LoadError::Damaged)?;
        let Some((start, first)) = body.index.place(self.next_block) else { return Ok(false) };
        let (mut blocks, mut length) = (vec![(start, first)], first);
        while let Some((offset, more)) = body.index.place(self.next_block + blocks.len() as u32)
            && length + more <= STREAM_BYTES
        {
            blocks.push((offset, more));
            length += more;
        }
        let mut bytes = vec![0; length];
        match body.file.read_at(&mut bytes, start) {
            Ok(read) if read == length => {}
            Ok(_) => return Err(LoadError::Damaged),
            Err(_) => return Err(LoadError::Io),
        }
        for &(offset, length) in blocks.iter().rev() {
            let at = (offset - start) as usize;
            let sealed = bytes[at..at + length].to_vec();
            self.piece.push(
                envelope::open(self.table.owner, offset, sealed, BLOCK_BYTES).ok_or(LoadError::Damaged)?,
            );
        }
        self.next_block += blocks.len() as u32;
        Ok(true)
    }
}
