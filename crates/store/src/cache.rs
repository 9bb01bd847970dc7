//! What was read from tables, within a byte budget: single records, and blocks. One cache per shard: no lock. Memory is
//! taken as things come in, and what the cache itself needs is part of the budget.
//!
//! Records are what is asked for again and again, wherever it lies; a block is kept for what lies near to what was asked
//! for. While there is room both stay. Then a block stays only if it was read a second time before long (`Cache::wants`),
//! and room is made by blocks that were not used for some rounds, as far as blocks take more than their part; else by
//! records. No call does more than a bounded piece of work, however much there is; what is left over is done by
//! [`Cache::tend`]. Does not read and does not know what blocks mean.

use crate::table::KeyRef;
use blocks::Blocks;
use bytes::Bytes;
use records::Records;

mod blocks;
mod pieces;
mod records;
mod touched;

use touched::Touched;

/// The part of the budget below which blocks do not make room for records.
const BLOCK_PART: usize = 8;
/// A budget below this is too small for records, in bytes.
const LEAST_FOR_RECORDS: usize = 8 * 1_024;
/// Blocks that fall out in one call.
const EVICTED_AT_ONCE: usize = 1_024;
/// Segments of records that go in one call; the later ones go whether they were used or not.
const SEGMENTS_AT_ONCE: usize = 8;

/// The same when the budget changes, which is seldom.
const SEGMENTS_OF_A_NEW_BUDGET: usize = 64;

/// A cache.
pub struct Cache {
    budget_bytes: usize,
    blocks: Blocks,
    records: Records,
    touched: Touched,
}

impl Cache {
    /// An empty cache of at most this many bytes.
    pub fn new(budget_bytes: usize) -> Cache {
        Cache { budget_bytes, blocks: Blocks::new(), records: Records::new(), touched: Touched::new() }
    }

    /// Bytes that it takes: blocks, records, and what it needs to find them.
    pub fn used_bytes(&self) -> usize {
        self.blocks.used_bytes() + self.record_bytes() + self.touched.used_bytes()
    }

    /// Bytes that records take, with what is needed to find them.
    pub fn record_bytes(&self) -> usize {
        self.records.used_bytes()
    }

    /// How many records there are.
    pub fn records(&self) -> usize {
        self.records.len()
    }

    /// The most that it may take, in bytes.
    pub fn budget_bytes(&self) -> usize {
        self.budget_bytes
    }

    /// Changes the budget. What is too much falls out at once if it is not much, and else as [`Cache::tend`] is called.
    pub fn set_budget(&mut self, budget_bytes: usize) {
        self.budget_bytes = budget_bytes;
        self.touched.fit(budget_bytes);
        self.evict(0, SEGMENTS_OF_A_NEW_BUDGET);
    }

    /// The block of this number of the table of this name.
    #[inline]
    pub fn block(&mut self, table: u64, block: u32) -> Option<&Bytes> {
        self.blocks.get(table, block)
    }

    /// Whether a block that is about to be read is worth keeping: there is room, or it was asked for before not long ago.
    pub fn wants(&mut self, table: u64, block: u32) -> bool {
        let again = self.touched.touch(blocks::hash(table, block), self.budget_bytes);
        again || self.used_bytes() < self.budget_bytes - self.budget_bytes / 16
    }

    /// Takes a block in, if it is not larger than an eighth of the budget and not there already.
    pub fn insert_block(&mut self, table: u64, block: u32, bytes: Bytes) {
        let cost = bytes.len() + blocks::BLOCK_OVERHEAD_BYTES;
        if cost > self.budget_bytes / 8 || self.block(table, block).is_some() || !self.make_room(cost) {
            return;
        }
        self.blocks.insert(table, block, bytes);
        // Its lists may have grown.
        self.make_room(0);
    }

    /// A key's record, if what is known of it is from the stage `from` of its cell or later; then it holds at stage `now`
    /// as well. `hash` is the memtable's.
    #[inline]
    pub(crate) fn record(&mut self, hash: u64, key: KeyRef<'_>, from: u64, now: u64) -> Option<Bytes> {
        self.records.get(hash, key, from, now)
    }

    /// Whether a key with its record is short enough to be kept apart from a block of this length.
    pub(crate) fn takes_record(&self, key: KeyRef<'_>, record: &[u8], block_bytes: usize) -> bool {
        let length = key.key.len() + record.len();
        self.budget_bytes >= LEAST_FOR_RECORDS
            && length <= block_bytes / 2
            && length <= records::most_bytes(self.budget_bytes)
    }

    /// Takes in what the tables said of a key at a stage of its cell, if [`Cache::takes_record`] says so.
    pub(crate) fn insert_record(&mut self, hash: u64, key: KeyRef<'_>, record: &[u8], stage: u64) {
        if self.make_room(0) {
            self.records.insert(hash, key, record, stage, self.budget_bytes);
            self.make_room(0);
        }
    }

    /// Forgets the blocks of tables that are gone, as [`Cache::tend`] is called.
    pub fn purge(&mut self, tables: Vec<u64>) {
        self.blocks.purge(tables);
    }

    /// Goes on with what was left over. To be called now and then.
    #[inline]
    pub fn tend(&mut self) {
        self.blocks.sweep();
        if self.used_bytes() > self.budget_bytes {
            self.make_room(0);
        }
    }

    /// Has blocks and records fall out until this much is free; false if that would be too much at once.
    #[inline]
    fn make_room(&mut self, cost: usize) -> bool {
        self.used_bytes() + cost <= self.budget_bytes || self.evict(cost, SEGMENTS_AT_ONCE)
    }

    #[cold]
    fn evict(&mut self, cost: usize, most_segments: usize) -> bool {
        let (mut blocks, mut segments) = (0, 0);
        while self.used_bytes() + cost > self.budget_bytes {
            if blocks == EVICTED_AT_ONCE || segments == most_segments {
                return false;
            }
            let many = self.blocks.used_bytes() > self.budget_bytes / BLOCK_PART;
            if many && self.blocks.evict_unused() {
                blocks += 1;
            } else if self.records.evict(segments >= most_segments / 2, self.budget_bytes) {
                segments += 1;
            } else if !self.blocks.is_empty() {
                self.blocks.evict_one();
                blocks += 1;
            } else {
                // Nothing is left but lists.
                return true;
            }
        }
        true
    }
}

#[cfg(test)]
mod records_tests;
#[cfg(test)]
mod tests;
