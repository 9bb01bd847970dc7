//! One shard's storage: the cells it owns, as a value that is driven from outside.
//!
//! A change is in memory when `apply` returns, and in the batch that [`Engine::take_batch`] hands to the log.
//! Whatever touches the disk leaves as a [`Job`] and comes back as a [`JobDone`]; jobs may run anywhere and
//! finish in any order. A lookup never shows a state older than its beginning. Positions (LSN) of shard `i` of
//! `n` are `i` modulo `n` above a floor that grows with every opening, so they are unique in the server for
//! ever and grow strictly within a shard and within a cell.

use crate::{
    cache::Cache,
    job::{CompactionFilter, Job, JobDone, ScanJob, Work},
    limits::PENDING_LOG_BYTES,
    log::LogBatch,
    options::Options,
    table::{BuilderOptions, KeyRef, Table},
};
use bytes::Bytes;
use cell::Cell;
use clockwise_core::{
    ids::Lsn,
    limits::CELLS,
    slot::Slot,
    storage::{Found, JobId, Loaded, Lookup, Mutation, PageLimit, Probe, Refusal, Storage},
    tree::Sum,
};
use std::sync::Arc;

pub(crate) mod cell;
mod checkpoint;
mod compaction;
mod damage;
mod entry;
mod lookup;
pub(crate) mod memtable;
mod plan;
mod reclaim;
mod scan;
mod stats;
pub(crate) mod trees;

pub(crate) use checkpoint::Noted;
pub use scan::{Scan, ScanRange, Scanned};
pub use stats::EngineStats;

/// Tells the log that a cell's changes up to a position are in tables, durably.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flushed {
    /// The cell.
    pub cell: u16,
    /// Everything of the cell up to here is in its tables.
    pub lsn: Lsn,
}

/// A shard's storage.
pub struct Engine {
    shard: usize,
    cells: Vec<Cell>,
    settings: Settings,
    next_lsn: u64,
    batch: LogBatch,
    batch_capacity: usize,
    durable: Lsn,
    cache: Cache,
    active_bytes: usize,
    frozen_bytes: usize,
    next_job: u64,
    /// Lookups that wait to be taken as jobs.
    reads: Vec<Job>,
    /// The part of [`Engine::pressure`] that tables make, as of the last planning.
    pressure_of_runs: u32,
    /// Drops of slots that are not durable yet: a first and the last one.
    fresh_drops: Option<(Lsn, Lsn)>,
    /// Work in slices that goes on.
    slices: Vec<Job>,
    filter: Option<Arc<dyn CompactionFilter>>,
    /// Something happened after which background work may be due.
    work_due: bool,
    /// A flush runs: what is closed meanwhile goes together with the next one.
    flushing: bool,
    /// Manifests are being written.
    installing: bool,
    /// The cell that is being compacted; one at a time in a shard.
    compacting: Option<usize>,
    /// Tables that no lookup will be given any more; removed when the last running one is done.
    gone: Vec<Arc<Table>>,
    /// Memtables that are in tables now, and whose memory is still there, and counted.
    dropped: Vec<Arc<cell::Frozen>>,
    /// The memory of one of them is being given back.
    freeing: bool,
    flushed: Vec<Flushed>,
    checkpoint: Option<checkpoint::Making>,
    checkpointed: Option<std::io::Result<crate::checkpoint::Part>>,
    space: SpaceWatch,
    failed: bool,
    damages: damage::Damages,
    /// Refusals since the last tick; [`Storage::admits`] counts them through a shared reference.
    refusals: std::cell::Cell<u64>,
    stats: EngineStats,
}

/// What of the options concerns one engine; byte figures are the engine's share.
struct Settings {
    shards: usize,
    memtable_bytes: usize,
    /// Memtables of this size begin to be flushed: what is left of the budget is room for one cell's.
    flush_bytes: usize,
    /// For blocks, indexes and filters.
    cache_bytes: usize,
    log_bytes: u64,
    space_check_bytes: u64,
    hash_seed: u64,
    builder: BuilderOptions,
    options: Options,
}

impl Settings {
    /// What memtables may take beyond their budget while flushes are behind, before writes are refused.
    fn excess_bytes(&self) -> usize {
        self.memtable_bytes / 2
    }
}

/// When to look at the disk's free space.
struct SpaceWatch {
    nearly_full: bool,
    /// As of the last look.
    free_bytes: u64,
    due: bool,
    running: bool,
    checked_at_bytes: u64,
}

/// Refusals after which an engine looks again at what refuses, even if nobody calls [`Engine::tick`].
const REFUSALS_PER_TICK: u64 = 64;

impl Engine {
    pub(crate) fn new(shard: usize, cells: Vec<Cell>, options: &Options, nearly_full: bool) -> Engine {
        let shards = options.shards;
        let builder = BuilderOptions {
            compression: options.compression,
            block_bytes: options.block_bytes,
            bloom_bits_per_key: options.bloom_bits_per_key,
            flat_index_bytes: options.flat_index_bytes,
        };
        let memtable_bytes = options.memtable_bytes * cells.len() / usize::from(CELLS);
        let settings = Settings {
            shards,
            memtable_bytes,
            flush_bytes: memtable_bytes * cells.len() / (cells.len() + 1),
            cache_bytes: options.cache_bytes / shards,
            log_bytes: options.log_bytes / shards as u64,
            space_check_bytes: crate::limits::SPACE_CHECK_BYTES.min(options.segment_bytes),
            hash_seed: options.hash_seed,
            builder,
            options: options.clone(),
        };
        let mut engine = Engine {
            shard,
            cells,
            settings,
            next_lsn: 0,
            batch: LogBatch { shard: shard as u16, ..LogBatch::default() },
            batch_capacity: 0,
            durable: Lsn(0),
            cache: Cache::new(options.cache_bytes / shards),
            active_bytes: 0,
            frozen_bytes: 0,
            next_job: 1,
            reads: Vec::new(),
            pressure_of_runs: 0,
            fresh_drops: None,
            slices: Vec::new(),
            filter: None,
            work_due: true,
            flushing: false,
            installing: false,
            compacting: None,
            gone: Vec::new(),
            dropped: Vec::new(),
            freeing: false,
            flushed: Vec::new(),
            checkpoint: None,
            checkpointed: None,
            space: SpaceWatch { nearly_full, free_bytes: 0, due: false, running: false, checked_at_bytes: 0 },
            failed: false,
            damages: damage::Damages::default(),
            refusals: std::cell::Cell::new(0),
            stats: EngineStats::default(),
        };
        engine.fit_cache();
        engine
    }

    /// The number of the shard.
    pub fn shard(&self) -> usize {
        self.shard
    }

    /// Everything applied since the last call, for the log; batches must reach the log in this order.
    pub fn take_batch(&mut self) -> Option<LogBatch> {
        if self.batch.is_empty() {
            return None;
        }
        let bytes = self.batch.bytes();
        // The next batch is likely as large as this one; a single huge one must not set the size for ever.
        self.batch_capacity = (self.batch_capacity / 2 + bytes).min(1 << 20);
        let payload = Vec::with_capacity(self.batch_capacity);
        let next = LogBatch { shard: self.batch.shard, payload, ..LogBatch::default() };
        self.stats.logged_bytes += bytes as u64;
        self.freeze_oldest_of_long_log();
        if self.stats.logged_bytes - self.space.checked_at_bytes >= self.settings.space_check_bytes {
            self.space.checked_at_bytes = self.stats.logged_bytes;
            self.space.due = true;
            self.work_due = true;
        }
        Some(std::mem::replace(&mut self.batch, next))
    }

    /// The log reports that this shard's changes up to here are durable (or, in periodic durability, that they
    /// may be acknowledged).
    pub fn on_durable(&mut self, lsn: Lsn) {
        self.durable = self.durable.max(lsn);
        if let Some((first, last)) = self.fresh_drops
            && first <= self.durable
        {
            // Now their bytes may go.
            self.fresh_drops = (last > self.durable).then_some((last, last));
            for cell in &mut self.cells {
                cell.work.reclaim_due |= cell.has_drops();
            }
            self.work_due = true;
        }
    }

    /// The log failed: from now on nothing is admitted. Reads go on.
    pub fn fail(&mut self) {
        self.failed = true;
        self.give_checkpoint_up();
    }

    /// The rule by which merges from now on may leave records out.
    pub fn set_filter(&mut self, filter: Arc<dyn CompactionFilter>) {
        self.filter = Some(filter);
    }

    /// How far flushes and merges are behind, from 0 (not at all) to 1,000 (writes are about to be refused). Whoever takes
    /// writes slows them down by it, little at first, so that there is no jump from all to nothing.
    pub fn pressure(&self) -> u32 {
        let budget = self.settings.memtable_bytes;
        let over = (self.active_bytes + self.frozen_bytes).saturating_sub(budget);
        let memory = (over * 1_000 / self.settings.excess_bytes().max(1)).min(1_000) as u32;
        memory.max(self.pressure_of_runs)
    }

    /// To be called about once a second: what failed is tried again, and the disk's free space is looked at.
    pub fn tick(&mut self) {
        for cell in &mut self.cells {
            cell.work.resting = false;
        }
        self.space.due = true;
        self.work_due = true;
        self.refusals.set(0);
    }

    /// Jobs that are to be run: cold reads first, then background work. To be asked after every step.
    pub fn take_jobs(&mut self, jobs: &mut Vec<Job>) {
        jobs.append(&mut self.reads);
        jobs.append(&mut self.slices);
        self.cache.tend();
        if self.refusals.get() >= REFUSALS_PER_TICK {
            self.tick();
        }
        if std::mem::take(&mut self.work_due) {
            self.plan(jobs);
        } else if !self.gone.is_empty() {
            self.remove_unused(jobs);
        }
    }

    /// Takes a job's result; lookups that are answered by it are appended to `loaded`.
    pub fn on_job_done(&mut self, done: JobDone, loaded: &mut Vec<Loaded>) {
        assert_eq!(done.shard, self.shard, "results go back to the engine that gave the job");
        self.finish(done.done, loaded);
    }

    /// Notices for the log that segments may be freed.
    pub fn take_flushed(&mut self, flushed: &mut Vec<Flushed>) {
        flushed.append(&mut self.flushed);
    }

    /// Closes all memtables, so that the next jobs write everything to tables.
    pub fn freeze_all(&mut self) {
        for at in 0..self.cells.len() {
            self.freeze(at);
        }
    }

    /// Figures.
    pub fn stats(&self) -> EngineStats {
        let mut stats = self.stats;
        stats.active_bytes = self.active_bytes as u64;
        stats.frozen_bytes = self.frozen_bytes as u64;
        stats.cache_bytes = self.cache.used_bytes() as u64;
        stats.record_bytes = self.cache.record_bytes() as u64;
        stats.records = self.cache.records() as u64;
        stats.disk_full = self.space.nearly_full;
        stats.disk_free_bytes = self.space.free_bytes;
        stats.pressure = u64::from(self.pressure());
        stats.damaged_tables = self.damaged_tables();
        for cell in &self.cells {
            stats.tables += cell.tables.len() as u64;
            stats.most_tables = stats.most_tables.max(cell.tables.len() as u64);
            stats.backlog += cell.frozen.len() as u64;
            for table in &cell.tables {
                stats.table_bytes += table.info().file_bytes;
                stats.table_entries += table.info().entries;
                stats.index_bytes += table.memory_bytes() as u64;
            }
        }
        stats
    }

    /// The cell of a slot, which must be one of this shard's.
    #[inline]
    fn place(&self, slot: Slot) -> usize {
        let cell = usize::from(slot.cell());
        assert_eq!(cell % self.settings.shards, self.shard, "the slot belongs to another shard");
        cell / self.settings.shards
    }

    pub(crate) fn cells(&self) -> &[Cell] {
        &self.cells
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Positions begin above this one, and everything up to it is durable.
    pub(crate) fn begin_above(&mut self, floor: Lsn) {
        self.durable = floor;
        self.next_lsn = floor.0 + (self.settings.shards + self.shard) as u64;
    }

    /// Takes changes that the log of an earlier life holds.
    pub(crate) fn replay(&mut self, applied: &crate::log::batch::Applied) -> bool {
        let place = self.place(applied.slot);
        let cell = &mut self.cells[place];
        let before = cell.active.bytes();
        if cell.active.is_untouched() {
            cell.oldest_mark = self.stats.logged_bytes;
        }
        let taken = cell.replay(self.settings.hash_seed, applied);
        self.active_bytes = self.active_bytes + cell.active.bytes() - before;
        taken
    }

    /// This much of the log was replayed: memtables that hold changes of it may not stay for ever.
    pub(crate) fn note_replayed(&mut self, bytes: u64) {
        self.stats.logged_bytes += bytes;
    }

    /// Whether memory is past the bound at which flushes begin.
    pub(crate) fn is_over_its_memory(&self) -> bool {
        self.active_bytes + self.frozen_bytes > self.settings.flush_bytes
    }
}

impl Storage for Engine {
    fn get(&mut self, slot: Slot, key: &[u8]) -> Lookup {
        let place = self.place(slot);
        let key = KeyRef { slot, key };
        if let Some((record, lsn)) = self.cells[place].in_memory(self.settings.hash_seed, key) {
            self.stats.memtable_hits += 1;
            let probe = Probe { memtable: true, ..Probe::default() };
            return match record {
                Some(record) => Lookup::Hit(Found { record, lsn, probe }),
                None => Lookup::Miss(probe),
            };
        }
        self.look_in_tables(place, key)
    }

    fn page(&mut self, slot: Slot, after: Option<Bytes>, limit: PageLimit) -> JobId {
        let id = JobId(self.next_job);
        self.next_job += 1;
        let range = ScanRange { after, ..ScanRange::slot(slot) };
        let scan = self.scan(range);
        self.slices.push(Job::of(self.shard, Work::Scan(Box::new(ScanJob { id, slot, scan, limit }))));
        id
    }

    fn apply(&mut self, slot: Slot, mutations: &[Mutation<'_>]) -> Lsn {
        let place = self.place(slot);
        if mutations.iter().any(|mutation| matches!(mutation, Mutation::DropSlot)) {
            self.freeze_unless_small(place);
        }
        let lsn = Lsn(self.next_lsn);
        self.next_lsn += self.settings.shards as u64;
        self.stats.applies += 1;
        self.batch.push(lsn, slot, mutations);
        let cell = &mut self.cells[place];
        let before = cell.active.bytes();
        if cell.active.is_untouched() {
            cell.oldest_mark = self.stats.logged_bytes;
        }
        for mutation in mutations {
            cell.apply(self.settings.hash_seed, slot, mutation, lsn);
            if matches!(mutation, Mutation::DropSlot) {
                self.fresh_drops = Some((self.fresh_drops.map_or(lsn, |(first, _)| first), lsn));
            }
        }
        self.active_bytes = self.active_bytes + cell.active.bytes() - before;
        if self.active_bytes >= self.settings.flush_bytes {
            self.freeze_largest();
        }
        lsn
    }

    fn lines(&self, slot: Slot) -> Option<Bytes> {
        self.cells[self.place(slot)].lines(slot)
    }

    fn live(&self, slot: Slot) -> u64 {
        self.cells[self.place(slot)].live(slot)
    }

    fn sums(&self, slot: Slot) -> Option<&[Sum]> {
        self.cells[self.place(slot)].sums(slot)
    }

    fn tree_depth(&self, slot: Slot) -> Option<u8> {
        self.cells[self.place(slot)].tree_depth(slot)
    }

    #[inline]
    fn expect_change(&self, slot: Slot, key_hash: u64) {
        self.cells[self.place(slot)].expect_change(slot, key_hash);
    }

    fn admits(&self) -> Result<(), Refusal> {
        let memory = self.active_bytes + self.frozen_bytes;
        let refusal = if self.failed {
            Refusal::Failed
        } else if self.space.nearly_full {
            Refusal::DiskFull
        } else if memory > self.settings.memtable_bytes + self.settings.excess_bytes()
            || self.batch.bytes() > PENDING_LOG_BYTES
        {
            Refusal::Backlog
        } else {
            return Ok(());
        };
        self.refusals.set(self.refusals.get() + 1);
        Err(refusal)
    }

    fn durable(&self) -> Lsn {
        self.durable
    }
}
