//! How large a case is, and how an engine's memory is dealt out: the same budget for all.

use crate::load::KEY_BYTES;
use serde::{Deserialize, Serialize};

/// A block before compression, in bytes, for all engines.
pub const BLOCK_BYTES: usize = 4096;
/// Bits of a Bloom filter per key, for all engines.
pub const BLOOM_BITS: u32 = 10;
/// Threads for flush and compaction, for all engines.
pub const BACKGROUND_THREADS: usize = 2;
/// Data is this many times the memory budget ...
const DATA_PER_MEMORY: u64 = 8;
/// ... unless that would be less than this, in bytes.
const LEAST_MEMORY: u64 = 8 << 20;
/// What an index needs for a block, in bytes: a short key, a place and a length.
const INDEX_BYTES_PER_BLOCK: u64 = 32;

/// Keys and values of a part of the run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Case {
    /// Distinct keys.
    pub keys: u64,
    /// Bytes of a value.
    pub value_bytes: usize,
}

impl Case {
    /// Bytes of a key and its value.
    pub fn entry_bytes(&self) -> u64 {
        (KEY_BYTES + self.value_bytes) as u64
    }

    /// Bytes of all keys and values.
    pub fn data_bytes(&self) -> u64 {
        self.keys * self.entry_bytes()
    }

    /// Memory that an engine may use, in bytes.
    pub fn memory_bytes(&self) -> u64 {
        (self.data_bytes() / DATA_PER_MEMORY).max(LEAST_MEMORY)
    }

    /// Memory for changes that are not in tables yet, in bytes: half of all.
    pub fn write_buffer_bytes(&self) -> u64 {
        self.memory_bytes() / 2
    }

    /// Memory for blocks, in bytes: what filters and indexes leave of the other half. All engines keep those in
    /// memory beside the cache.
    pub fn cache_bytes(&self) -> u64 {
        let filters = self.keys * u64::from(BLOOM_BITS) / 8;
        let indexes = self.data_bytes() / BLOCK_BYTES as u64 * INDEX_BYTES_PER_BLOCK;
        let half = self.memory_bytes() / 2;
        half.saturating_sub(filters + indexes).max(half / 4)
    }

    /// Keys that are asked for over and over: each may lie in a block of its own, and all these blocks take
    /// half of the cache.
    pub fn hot_keys(&self) -> u64 {
        (self.cache_bytes() / 2 / (BLOCK_BYTES as u64 + 512)).clamp(1, self.keys)
    }

    /// In words.
    pub fn name(&self) -> String {
        let keys = match self.keys {
            keys if keys % 1_000_000 == 0 => format!("{} M", keys / 1_000_000),
            keys if keys % 1_000 == 0 => format!("{} k", keys / 1_000),
            keys => keys.to_string(),
        };
        format!("{keys} x {} B", self.value_bytes)
    }
}

/// How an engine is opened.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Sizes.
    pub case: Case,
    /// Whether blocks are compressed, with LZ4.
    pub compression: bool,
    /// Threads that drive the engine.
    pub drivers: usize,
    /// Whether a write is acknowledged after a sync only; else a sync comes about every second, or never.
    pub durable: bool,
}
