//! Figures of an engine, for metrics. Counts are since opening; sizes are of now.

/// What an engine has done and holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EngineStats {
    /// Memory of memtables that take changes, in bytes.
    pub active_bytes: u64,
    /// Memory of closed memtables, in bytes: they wait to be flushed, are being flushed, or are in tables and being given
    /// back. What a scan holds beyond that is not counted.
    pub frozen_bytes: u64,
    /// Memory of the cache, in bytes: blocks and records.
    pub cache_bytes: u64,
    /// Memory of cached records, in bytes.
    pub record_bytes: u64,
    /// Cached records.
    pub records: u64,
    /// Memory of indexes and filters, in bytes.
    pub index_bytes: u64,
    /// Tables.
    pub tables: u64,
    /// Tables of the cell that has most.
    pub most_tables: u64,
    /// Bytes of tables on disk.
    pub table_bytes: u64,
    /// Entries of tables, replaced and forgotten ones included.
    pub table_entries: u64,
    /// Applied changes of slots.
    pub applies: u64,
    /// Bytes handed to the log.
    pub logged_bytes: u64,
    /// Lookups answered by a memtable.
    pub memtable_hits: u64,
    /// Lookups answered by cached records.
    pub record_hits: u64,
    /// Lookups answered by cached blocks, absences included.
    pub cache_hits: u64,
    /// Lookups that no table could hold.
    pub filtered: u64,
    /// Lookups that became jobs.
    pub cold_reads: u64,
    /// Blocks read from the disk for lookups.
    pub blocks_read: u64,
    /// Tables that a range or Bloom filter ruled out.
    pub bloom_skips: u64,
    /// Blocks that were looked at although the key was not in the table.
    pub bloom_false: u64,
    /// Lookups that ended at a damaged block.
    pub damaged_reads: u64,
    /// Tables that are damaged now, as far as the start, lookups and merges have met it.
    pub damaged_tables: u64,
    /// Lookups that ended at a disk error.
    pub failed_reads: u64,
    /// Scans that began.
    pub scans: u64,
    /// Memtables written to tables.
    pub flushes: u64,
    /// Bytes of tables written by flushes.
    pub flushed_bytes: u64,
    /// Merges of tables.
    pub compactions: u64,
    /// Bytes of tables read by merges.
    pub compacted_in_bytes: u64,
    /// Bytes of tables written by merges.
    pub compacted_out_bytes: u64,
    /// Records that merges left out by the caller's rule.
    pub filtered_entries: u64,
    /// Background jobs that failed and were or will be tried again.
    pub failed_jobs: u64,
    /// How far flushes and merges are behind, from 0 to 1,000.
    pub pressure: u64,
    /// Closed memtables that wait for their table.
    pub backlog: u64,
    /// Times that `admits` said no.
    pub refusals: u64,
    /// Whether the disk is nearly full.
    pub disk_full: bool,
    /// Free bytes of the disk when they were last looked at; 0 before.
    pub disk_free_bytes: u64,
}
