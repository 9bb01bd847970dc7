//! Settings of a data folder's engine while it is open. None of them is stored: every one may change at any
//! restart.

use crate::{
    error::OpenError,
    limits::{BLOCK_TARGET_BYTES, SHARDS},
};
use clockwise_core::canary::Canary;

/// How blocks of new tables are compressed. Tables say it per block, so all kinds live side by side.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Compression {
    /// Not at all.
    None,
    /// LZ4, unless it saves nothing.
    #[default]
    Lz4,
    /// Zstandard, unless it saves nothing: about a quarter smaller than LZ4 in blocks of 4 KiB, and some five times
    /// slower to read. Needs the feature `zstd` of this crate, which is on by default.
    Zstd {
        /// 1 (fast) to 19 (slow).
        level: u8,
    },
}

/// Settings; byte figures are for the whole server.
#[derive(Clone, Debug)]
pub struct Options {
    /// Threads that own cells, 1 to 16. Shard `i` owns the cells `c` with `c % shards == i`.
    pub shards: usize,
    /// Memory for memtables, in bytes: when only a cell's share of it is left, the largest cell is flushed; at half
    /// more than this writes are refused.
    pub memtable_bytes: usize,
    /// Memory for records and decompressed blocks with the indexes and filters of all tables, in bytes; grown into as they are
    /// read.
    pub cache_bytes: usize,
    /// Compression of new tables.
    pub compression: Compression,
    /// Size of a full log segment, in bytes; at most half of `memtable_bytes` is used, but always 2 MiB if allowed here.
    pub segment_bytes: u64,
    /// Size of the first log segment after opening, in bytes; later ones double up to `segment_bytes`.
    pub first_segment_bytes: u64,
    /// Log bytes at which the cell that holds the oldest of them is flushed.
    pub log_bytes: u64,
    /// Target size of a block before compression, in bytes.
    pub block_bytes: usize,
    /// Memory that the index of a table may take whole, in bytes; of a larger one only a list of its partitions stays
    /// in memory, and these are read through the cache.
    pub flat_index_bytes: usize,
    /// Bits per key of new Bloom filters.
    pub bloom_bits_per_key: u32,
    /// Writes are refused when less than this many bytes of the disk are free ...
    pub reserve_bytes: u64,
    /// ... or less than this share of the disk, in percent.
    pub reserve_percent: u64,
    /// Seed of the memtable's hash table. A server draws it, so that clients cannot choose keys that collide;
    /// it has no influence on anything that is written.
    pub hash_seed: u64,
    /// A known bug, for tests.
    pub canary: Canary,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            shards: 1,
            memtable_bytes: 32 << 20,
            cache_bytes: 32 << 20,
            compression: Compression::Lz4,
            segment_bytes: 16 << 20,
            first_segment_bytes: 1 << 20,
            log_bytes: 512 << 20,
            block_bytes: 4096,
            flat_index_bytes: 1 << 20,
            bloom_bits_per_key: 10,
            reserve_bytes: 1 << 30,
            reserve_percent: 5,
            hash_seed: 0,
            canary: Canary::None,
        }
    }
}

impl Options {
    pub(crate) fn check(&self) -> Result<(), OpenError> {
        if self.shards == 0 || self.shards > SHARDS {
            return Err(OpenError::Options("shards must be 1 to 16"));
        }
        if self.block_bytes < 256 || self.block_bytes > BLOCK_TARGET_BYTES {
            return Err(OpenError::Options("block_bytes must be 256 to 65536"));
        }
        if let Compression::Zstd { level } = self.compression {
            if !cfg!(feature = "zstd") {
                return Err(OpenError::Options("compression with zstd is left out of this build"));
            }
            if !(1..=19).contains(&level) {
                return Err(OpenError::Options("the level of zstd must be 1 to 19"));
            }
        }
        if !(1..=64).contains(&self.bloom_bits_per_key) {
            return Err(OpenError::Options("bloom_bits_per_key must be 1 to 64"));
        }
        if self.first_segment_bytes < 16 * 1024 || self.segment_bytes < self.first_segment_bytes {
            return Err(OpenError::Options("16384 <= first_segment_bytes <= segment_bytes must hold"));
        }
        if self.segment_bytes > 1 << 30 || self.memtable_bytes < 4096 {
            return Err(OpenError::Options("segment_bytes is above 1 GiB, or memtable_bytes below 4096"));
        }
        if self.reserve_percent > 90 {
            return Err(OpenError::Options("reserve_percent must be at most 90"));
        }
        Ok(())
    }

    /// The size of a full log segment: small memtables need no large ones, of which two are there at all times.
    pub(crate) fn fitting_segment_bytes(&self) -> u64 {
        let fitting = (self.memtable_bytes as u64 / 2).max(2 << 20);
        self.segment_bytes.min(fitting).max(self.first_segment_bytes)
    }

    /// Whether a disk with this much space is too full to take writes.
    pub(crate) fn nearly_full(&self, space: crate::disk::Space) -> bool {
        let share = (space.total_bytes / 100).saturating_mul(self.reserve_percent);
        space.available_bytes < share.max(self.reserve_bytes)
    }
}
