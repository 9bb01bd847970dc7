//! Every cap of this crate in one table, with the relations that must hold between them.

use clockwise_core::limits::{CELLS, KEY_BYTES, RECORD_BYTES, STORED_SLOTS};

/// Longest meta record, in bytes.
pub const META_BYTES: usize = 128 * 1024 * 1024;
/// Longest entry of a table: slot, key, record and their lengths, in bytes.
pub const ENTRY_BYTES: usize = KEY_BYTES + RECORD_BYTES + 64;
/// Longest decompressed block of a table, in bytes: one that is full but for a byte, and one entry.
pub const BLOCK_BYTES: usize = ENTRY_BYTES + 128 * 1024;
/// Largest target size of a block that options may ask for, in bytes.
pub const BLOCK_TARGET_BYTES: usize = 64 * 1024;
/// Longest index or filter of a table, in bytes; a table is closed to compaction before it gets there.
pub const INDEX_BYTES: usize = 1024 * 1024 * 1024;
/// Log bytes that an engine collects before it refuses writes until they are taken, in bytes.
pub const PENDING_LOG_BYTES: usize = 64 * 1024 * 1024;
/// Longest payload of one log frame that recovery believes, in bytes.
pub const FRAME_BYTES: usize = 1024 * 1024 * 1024;
/// Most tables of one cell that a manifest may list.
pub const TABLES: usize = 4_096;
/// Longest text of a slot's lines, in bytes.
pub const LINES_BYTES: usize = 32 * 1024;
/// Most shards of a server: a shard without a cell makes no sense.
pub const SHARDS: usize = CELLS as usize;
/// Bytes that compaction and flush write between two syncs, so that a sync never has much to do.
pub const SYNC_EVERY_BYTES: u64 = 8 * 1024 * 1024;
/// Keys and records that one slice of a merge takes, in bytes: some milliseconds of work.
pub const SLICE_BYTES: usize = 1024 * 1024;
/// Bytes that compaction reads and writes at once.
pub const STREAM_BYTES: usize = 256 * 1024;
/// Bytes of the log between two looks at the disk's free space.
pub const SPACE_CHECK_BYTES: u64 = 8 * 1024 * 1024;
/// Runs of a cell at which compaction starts to merge the newest of similar size.
pub const COMPACT_RUNS: usize = 4;
/// Tables that are looked at in one step for whether much of them is dropped: about a millisecond.
pub const RECLAIM_TABLES: usize = 128;
/// Memory of the memtables that one flush takes together, in bytes; a larger one goes alone.
pub const FLUSH_BYTES: usize = 32 * 1024 * 1024;
/// Runs of a cell above which writers are slowed down, and merges are urgent.
pub const SLOW_RUNS: usize = 20;
/// Runs of a cell at which flushes wait for compaction.
pub const STALL_RUNS: usize = 40;

/// Most files of tables that are open at a time: what cells may hold, and what flushes and merges read and write.
pub const OPEN_TABLES: usize = CELLS as usize * 2 * (STALL_RUNS + 2);

/// Bytes that a manifest can take: lines of all slots of a cell, two keys of each table, and what goes with them.
const MANIFEST_BYTES: usize =
    (STORED_SLOTS / CELLS) as usize * (LINES_BYTES + 32) + TABLES * (2 * KEY_BYTES + 128) + 128;

const _: () = assert!(MANIFEST_BYTES < META_BYTES);
const _: () = assert!(BLOCK_BYTES > ENTRY_BYTES + BLOCK_TARGET_BYTES);
const _: () = assert!(PENDING_LOG_BYTES + 2 * ENTRY_BYTES < FRAME_BYTES);
const _: () = assert!(COMPACT_RUNS * 4 <= SLOW_RUNS && SLOW_RUNS < STALL_RUNS);
const _: () = assert!(COMPACT_RUNS >= 2 && STALL_RUNS > 4 * COMPACT_RUNS && TABLES > STALL_RUNS);
