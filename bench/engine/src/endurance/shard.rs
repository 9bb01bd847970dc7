//! A shard's thread around one engine, with the server's lanes, in which each call into the engine is measured alone.

use super::steps::{Step, Steps};
use crate::{
    load::{Key, key},
    store::clockwise::threads::{Letter, Merging, Threads},
};
use anyhow::{Context, Result, anyhow, bail};
use clockwise_core::{
    limits::{CELLS, SLOTS},
    slot::Slot,
    storage::{JobId, LoadError, Loaded, Lookup, Mutation, Refusal, Storage},
};
use clockwise_store::{Disk, Engine, EngineStats, Job, Options, RealDisk, ScanRange, open};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, mpsc, mpsc::Receiver},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Bytes on their way to the log above which writes wait, as in the server.
const LOG_BACKLOG_BYTES: usize = 64 << 20;
/// Longest pause of a connection that writes, when the engine is about to refuse; the server's.
const SLOW_WRITES_MS: u64 = 50;
/// Bytes of a scan's page.
const PAGE_BYTES: usize = 64 << 10;
/// How long to wait for a letter when there is nothing else to do.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Folder of the checkpoints, inside the data folder.
const CHECKPOINT: &str = "checkpoint";

/// What a lookup came to.
pub enum Answer {
    /// The key is there; the answer came from memory.
    Hit,
    /// It is not; likewise.
    Miss,
    /// The disk is asked.
    Asked(JobId),
}

/// See the module.
pub struct Shard {
    engine: Engine,
    /// Times of all steps.
    pub steps: Steps,
    /// Lookups that came back from the disk.
    pub loaded: Vec<Loaded>,
    inbox: Receiver<Letter>,
    threads: Threads,
    folder: PathBuf,
    running: usize,
    jobs: Vec<Job>,
    ticked: Instant,
    /// Reads a page of a scan, away from the shard's thread.
    scanning: Option<JoinHandle<Result<(), LoadError>>>,
}

impl Shard {
    /// Opens a folder, making it if there is none.
    pub fn open(folder: &Path, options: Options) -> Result<Shard> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::open(folder)?);
        let opened = open(Arc::clone(&disk), Options { shards: 1, ..options })?;
        let (sender, inbox) = mpsc::channel();
        let threads = Threads::start(opened.log, false, Merging::AsInTheServer, &disk, &[sender])?;
        let engine = opened.engines.into_iter().next().context("there is one shard")?;
        let steps = Steps::new(Arc::clone(&threads.shared));
        let (loaded, jobs, ticked) = (Vec::new(), Vec::new(), Instant::now());
        let folder = folder.to_owned();
        Ok(Shard { engine, steps, loaded, inbox, threads, folder, running: 0, jobs, ticked, scanning: None })
    }

    /// Puts, if writes are taken now.
    pub fn put(&mut self, number: u64, value: &[u8]) -> Result<bool> {
        if self.threads.shared.log_backlog_bytes() > LOG_BACKLOG_BYTES {
            return Ok(false);
        }
        match self.engine.admits() {
            Ok(()) => {}
            Err(Refusal::Backlog) => return Ok(false),
            Err(refusal) => bail!("the engine refuses writes: {refusal:?}"),
        }
        let key = key(number);
        let put = [Mutation::Put { key: &key, record: value, live: 0, sums: &[] }];
        let engine = &mut self.engine;
        self.steps.measure(Step::Apply, || engine.apply(Slot::of(&key), &put));
        Ok(true)
    }

    /// How long whoever writes has to pause.
    pub fn pause(&self) -> Duration {
        let pressure = u64::from(self.engine.pressure());
        Duration::from_micros(SLOW_WRITES_MS * pressure * pressure / 1_000)
    }

    /// Looks a key up.
    pub fn get(&mut self, number: u64) -> Answer {
        let key = key(number);
        let engine = &mut self.engine;
        match self.steps.measure(Step::Get, || engine.get(Slot::of(&key), &key)) {
            Lookup::Hit(found) => {
                std::hint::black_box(found);
                Answer::Hit
            }
            Lookup::Miss(_) => Answer::Miss,
            Lookup::Job(job) => Answer::Asked(job),
        }
    }

    /// Drops the slot of a key.
    pub fn drop_slot(&mut self, number: u64) {
        let slot = Slot::of(&key(number));
        let engine = &mut self.engine;
        self.steps.measure(Step::DropSlot, || engine.apply(slot, &[Mutation::DropSlot]));
    }

    /// Begins a scan at a key; another thread reads a page of it.
    pub fn scan(&mut self, number: u64) -> Result<()> {
        if let Some(scanning) = self.scanning.take() {
            let page = scanning.join().expect("a panic ends the process");
            page.map_err(|error| anyhow!("a scan failed: {error:?}"))?;
        }
        let first: Key = key(number);
        let first = Slot::of(&first);
        let last = Slot::new(SLOTS - CELLS + first.cell()).context("below the number of slots")?;
        let engine = &mut self.engine;
        let range = ScanRange { first, last, after: None };
        let mut scan = self.steps.measure(Step::Scan, || engine.scan(range));
        let page = move || scan.next_page(PAGE_BYTES, &mut Vec::new()).map(drop);
        self.scanning = Some(thread::Builder::new().name("scan".to_owned()).spawn(page)?);
        Ok(())
    }

    /// Begins a checkpoint, which is removed when it is done.
    pub fn checkpoint(&mut self) {
        let engine = &mut self.engine;
        self.steps.measure(Step::Checkpoint, || engine.checkpoint(CHECKPOINT));
    }

    /// Changes the cache's budget.
    pub fn set_cache_bytes(&mut self, budget_bytes: usize) {
        let engine = &mut self.engine;
        self.steps.measure(Step::SetCache, || engine.set_cache_bytes(budget_bytes));
    }

    /// A turn of the loop: hands out changes and jobs, then takes what came back, waiting for it at most this
    /// long.
    pub fn turn(&mut self, wait: Duration) -> Result<()> {
        let engine = &mut self.engine;
        if self.ticked.elapsed() >= Duration::from_secs(1) {
            self.ticked = Instant::now();
            self.steps.measure(Step::Tick, || engine.tick());
        }
        if let Some(batch) = self.steps.measure(Step::TakeBatch, || engine.take_batch()) {
            self.threads.shared.log_batch(batch);
        }
        let mut flushed = Vec::new();
        self.steps.measure(Step::TakeFlushed, || engine.take_flushed(&mut flushed));
        flushed.into_iter().for_each(|notice| self.threads.shared.log_flushed(notice));
        self.steps.measure(Step::TakeJobs, || engine.take_jobs(&mut self.jobs));
        self.running += self.jobs.len();
        self.threads.shared.run(&mut self.jobs);
        if let Some(made) = engine.take_checkpoint() {
            made.context("make a checkpoint")?;
            fs::remove_dir_all(self.folder.join(CHECKPOINT)).context("remove a checkpoint")?;
        }
        if self.threads.log_failed() {
            bail!("the log failed; is the data folder still there, and the disk not full?");
        }
        self.steps.begin_turn();
        let first = if wait.is_zero() { None } else { self.inbox.recv_timeout(wait).ok() };
        first.into_iter().for_each(|letter| self.take(letter));
        while let Ok(letter) = self.inbox.try_recv() {
            self.take(letter);
        }
        Ok(())
    }

    fn take(&mut self, letter: Letter) {
        let engine = &mut self.engine;
        match letter {
            Letter::Durable(lsn) => self.steps.measure(Step::Durable, || engine.on_durable(lsn)),
            Letter::Done(done) => {
                self.running -= done.len();
                let loaded = &mut self.loaded;
                for done in done {
                    self.steps.measure(Step::JobDone, || engine.on_job_done(done, loaded));
                }
            }
        }
    }

    /// The engine's figures.
    pub fn stats(&self) -> EngineStats {
        self.engine.stats()
    }

    /// Waits until no work is left.
    pub fn settle(&mut self) -> Result<()> {
        loop {
            self.turn(LOOK_EVERY)?;
            if self.running == 0 && self.jobs.is_empty() && self.threads.shared.log_backlog_bytes() == 0 {
                // What came back last may have made more.
                self.turn(Duration::ZERO)?;
                if self.running == 0 {
                    return Ok(());
                }
            }
        }
    }

    /// Has everything written to tables, and waits.
    pub fn flush(&mut self) -> Result<()> {
        self.engine.freeze_all();
        self.settle()
    }

    /// Closes it in order.
    pub fn close(mut self) -> Result<Steps> {
        self.settle()?;
        self.threads.stop()?;
        Ok(self.steps)
    }
}
