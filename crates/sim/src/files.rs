//! A server's data folder on a simulated disk, run by the real storage engine: commit log, memtables and tables.

use crate::server::Stop;
use bytes::Bytes;
use clockwise_core::{canary::Canary, ids::Lsn, storage::Loaded};
use clockwise_store::{Disk, Engine, Job, Log, Options, SimDisk, meta, open};
use std::sync::Arc;

/// Calls of [`Files::tick`] for one tick of the engines, which want one about every second.
const TICKS: u32 = 100;

/// Inside the first block of a table.
#[cfg(test)]
const FIRST_BLOCK: u64 = 24;
/// The size of a disk with room for everything.
const ROOM_BYTES: u64 = 1 << 40;

/// A data folder.
pub(crate) struct Files {
    disk: SimDisk,
    log: Option<Log>,
    ticks: u32,
    /// Something flipped bits here: damage is to be expected.
    rotten: bool,
}

impl Files {
    /// An empty folder.
    pub(crate) fn new(seed: u64) -> Files {
        Files { disk: SimDisk::new(seed), log: None, ticks: 0, rotten: false }
    }

    /// Recovery: one engine a shard. Damage is an error, since nothing here damages what was synced.
    pub(crate) fn open(
        &mut self,
        shards: u16,
        hash_seed: u64,
        canary: Canary,
    ) -> Result<Vec<Engine>, String> {
        let options = Options {
            shards: usize::from(shards),
            // Small enough that a run of a few seconds flushes, merges and reads cold.
            memtable_bytes: 48 * 1024,
            cache_bytes: 16 * 1024,
            segment_bytes: 64 * 1024,
            first_segment_bytes: 16 * 1024,
            log_bytes: 192 * 1024,
            block_bytes: 1024,
            flat_index_bytes: 256,
            hash_seed,
            canary,
            ..Options::default()
        };
        let opened = open(Arc::new(self.disk.clone()), options).map_err(|error| error.to_string())?;
        let report = &opened.report;
        let damaged = report.damaged_log_places > 0 || !report.damaged_tables.is_empty();
        if damaged && !self.rotten && canary == Canary::None {
            return Err(format!("recovery finds damage that nobody did: {report:?}"));
        }
        self.log = Some(opened.log);
        Ok(opened.engines)
    }

    /// The process is gone.
    pub(crate) fn close(&mut self, mut engines: Vec<Engine>, how: Stop) -> Result<(), String> {
        let log = self.log.take();
        match how {
            Stop::Clean => {
                let Some(mut log) = log else { return Ok(()) };
                engines.iter_mut().filter_map(Engine::take_batch).for_each(|batch| log.append(batch));
                log.close().map_err(|error| error.to_string())?;
                self.disk.kill();
            }
            Stop::Kill => self.disk.kill(),
            Stop::Power => self.disk.power_loss(),
        }
        Ok(())
    }

    /// Writes what an engine applied to the log, not yet synced. Whether there was anything.
    pub(crate) fn write(&mut self, engine: &mut Engine) -> bool {
        match (engine.take_batch(), &mut self.log) {
            (Some(batch), Some(log)) => {
                log.append(batch);
                true
            }
            _ => false,
        }
    }

    /// Lets what was written reach the files.
    pub(crate) fn flush(&mut self) -> Result<(), String> {
        self.log.as_mut().map_or(Ok(()), |log| log.write().map_err(|error| error.to_string()))
    }

    /// Syncs the log.
    pub(crate) fn sync(&mut self) -> Result<(), String> {
        self.log.as_mut().map_or(Ok(()), |log| log.sync().map_err(|error| error.to_string()))
    }

    /// Up to where a shard's changes are synced.
    pub(crate) fn synced(&self, shard: usize) -> Lsn {
        self.log.as_ref().map_or(Lsn(0), |log| log.synced(shard))
    }

    /// Whether the engines are to be ticked.
    pub(crate) fn tick(&mut self) -> bool {
        self.ticks = (self.ticks + 1) % TICKS;
        self.ticks == 0
    }

    /// Does a piece of work for an engine. Returns lookups that are answered by it.
    pub(crate) fn run(&mut self, job: Job, engine: &mut Engine) -> Vec<Loaded> {
        let done = job.run(&self.disk);
        let mut loaded = Vec::new();
        engine.on_job_done(done, &mut loaded);
        let mut flushed = Vec::new();
        engine.take_flushed(&mut flushed);
        if let Some(log) = &mut self.log {
            flushed.into_iter().for_each(|flushed| log.on_flushed(flushed));
        }
        loaded
    }

    /// Makes a small record durable.
    pub(crate) fn save(&self, name: &str, bytes: &[u8]) -> Result<(), String> {
        meta::save(&self.disk, name, bytes).map_err(|error| error.to_string())
    }

    /// A small record as it was made durable last.
    pub(crate) fn load(&self, name: &str) -> Result<Option<Bytes>, String> {
        meta::load(&self.disk, name).map_err(|error| format!("{error:?}"))
    }

    /// Flips a bit in the first block of every table. How many there are.
    #[cfg(test)]
    pub(crate) fn damage_tables(&self) -> usize {
        let tables: Vec<String> =
            self.disk.paths().into_iter().filter(|path| path.ends_with(".sst")).collect();
        tables.iter().filter(|path| self.disk.bit_flip(path, FIRST_BLOCK, 3)).count()
    }

    /// Flips a bit in the middle of every file whose name ends so, as bit rot does. How many there are.
    #[cfg(test)]
    pub(crate) fn rot(&mut self, ending: &str) -> usize {
        self.rotten = true;
        let paths = self.disk.paths().into_iter().filter(|path| path.ends_with(ending));
        let length = |path: &str| self.disk.bytes(path).map_or(0, |bytes| bytes.len() as u64);
        paths.filter(|path| self.disk.bit_flip(path, length(path) / 3, 4)).count()
    }

    /// Flips a bit somewhere in about half of the files whose name ends so. How many there are.
    pub(crate) fn rot_some(&mut self, ending: &str, seed: u64) -> usize {
        self.rotten = true;
        let mut rng = fastrand::Rng::with_seed(seed);
        let paths = self.disk.paths().into_iter().filter(|path| path.ends_with(ending));
        let paths: Vec<String> = paths.filter(|_| rng.bool()).collect();
        let mut rng = fastrand::Rng::with_seed(seed ^ 1);
        let mut flip = |path: &String| {
            let length = self.disk.bytes(path).map_or(0, |bytes| bytes.len() as u64);
            length > 0 && self.disk.bit_flip(path, rng.u64(..length), rng.u8(..8))
        };
        paths.iter().filter(|path| flip(path)).count()
    }

    /// The names of all files.
    #[cfg(test)]
    pub(crate) fn paths(&self) -> Vec<String> {
        self.disk.paths()
    }

    /// The disk is smaller than the reserve that engines keep free, or large again.
    pub(crate) fn fill(&self, full: bool) {
        self.disk.set_space(if full { 1 << 30 } else { ROOM_BYTES });
    }

    /// Figures for the trace: changes of the disk so far.
    pub(crate) fn changes(&self) -> u64 {
        self.disk.mutation_count()
    }
}

/// Whether an object that implements [`Disk`] is what the engine is opened on.
const _: fn(&SimDisk) -> &dyn Disk = |disk| disk;
