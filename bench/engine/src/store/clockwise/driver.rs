//! A thread's loop around one engine, as a shard of the server has it: some operations, then a step, which hands
//! the changes to the log and the jobs to the threads and takes what came back.

use super::{
    super::{Cold, Durable},
    threads::{Letter, Shared},
};
use crate::load::{Key, Values, key, mixed};
use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use clockwise_core::{
    ids::Lsn,
    limits::{CELLS, SLOTS},
    slot::Slot,
    storage::{Found, JobId, Loaded, Lookup, Mutation, Refusal, Storage},
};
use clockwise_store::{Engine, Job, Scan, ScanRange};
use std::{
    collections::BTreeMap,
    sync::{Arc, mpsc::Receiver},
    time::{Duration, Instant},
};

/// Operations between two steps: what two clients with 32 requests in flight bring.
pub const STEP: usize = 64;
/// Bytes on their way to the log above which a driver waits.
const LOG_BACKLOG_BYTES: usize = 1 << 20;
/// Bytes of a scan that are read before it is looked whether they are enough.
const PAGE_BYTES: usize = 4096;
/// How long a driver that can do nothing waits for a letter before it looks again.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// See the module.
pub struct Driver {
    engine: Engine,
    inbox: Receiver<Letter>,
    shared: Arc<Shared>,
    /// Jobs that have not come back.
    running: usize,
    /// Operations since the last step.
    operations: usize,
    jobs: Vec<Job>,
    loaded: Vec<Loaded>,
}

impl Driver {
    /// A driver for an engine.
    pub fn new(engine: Engine, inbox: Receiver<Letter>, shared: Arc<Shared>) -> Driver {
        Driver { engine, inbox, shared, running: 0, operations: 0, jobs: Vec::new(), loaded: Vec::new() }
    }

    /// Puts as soon as the engine takes writes.
    pub fn put(&mut self, key: &Key, value: &[u8]) -> Result<Lsn> {
        while let Err(refusal) = self.engine.admits() {
            if refusal != Refusal::Backlog {
                bail!("the engine refuses writes: {refusal:?}");
            }
            self.step();
            self.wait()?;
        }
        let put = Mutation::Put { key, record: value, live: 0, sums: &[] };
        let lsn = self.engine.apply(Slot::of(key), &[put]);
        self.count()?;
        Ok(lsn)
    }

    /// Gets, waiting for the disk if need be.
    pub fn get(&mut self, key: &Key) -> Result<Option<usize>> {
        let length = |found: Found| std::hint::black_box(found.record).len();
        let job = match self.engine.get(Slot::of(key), key) {
            Lookup::Hit(found) => {
                self.count()?;
                return Ok(Some(length(found)));
            }
            Lookup::Miss(_) => {
                self.count()?;
                return Ok(None);
            }
            Lookup::Job(job) => job,
        };
        loop {
            self.step();
            if let Some(at) = self.loaded.iter().position(|loaded| loaded.job() == job) {
                return Ok(result(self.loaded.swap_remove(at))?.map(length));
            }
            self.wait()?;
        }
    }

    /// See [`super::super::Store::cold`].
    pub fn cold(&mut self, work: &Cold<'_>) -> Result<u64> {
        let mut values = work.then_put.map(Values::new);
        let mut asked: BTreeMap<JobId, u64> = BTreeMap::new();
        let mut answered: Vec<(u64, bool)> = Vec::new();
        let mut next = work.numbers.iter();
        let mut found = 0;
        loop {
            while asked.len() < work.in_flight
                && let Some(&number) = next.next()
            {
                let key = key(number);
                match self.engine.get(Slot::of(&key), &key) {
                    Lookup::Hit(_) => answered.push((number, true)),
                    Lookup::Miss(_) => answered.push((number, false)),
                    Lookup::Job(job) => drop(asked.insert(job, number)),
                }
            }
            self.step();
            if answered.is_empty() && self.loaded.is_empty() {
                if asked.is_empty() {
                    return Ok(found);
                }
                self.wait()?;
            }
            for loaded in std::mem::take(&mut self.loaded) {
                let number = asked.remove(&loaded.job()).context("an answer without a question")?;
                answered.push((number, result(loaded)?.is_some()));
            }
            for (number, was_there) in answered.drain(..) {
                found += u64::from(was_there);
                if let Some(values) = &mut values {
                    self.put(&key(number), values.of(number))?;
                }
            }
        }
    }

    /// See [`super::super::Store::durable`]; puts only keys of this shard.
    pub fn durable(&mut self, work: &Durable) -> Result<u64> {
        let shard = self.engine.shard();
        let mut values = Values::new(work.value_bytes);
        let (mut done, mut seed) = (0, mixed(shard as u64));
        while Instant::now() < work.until {
            let (mut under_way, mut last) = (0, Lsn(0));
            while under_way < work.in_flight {
                seed = seed.wrapping_add(1);
                let number = mixed(seed) % work.keys;
                let key = key(number);
                if usize::from(Slot::of(&key).cell()) % work.drivers == shard {
                    last = self.put(&key, values.of(number))?;
                    under_way += 1;
                }
            }
            self.step();
            while self.engine.durable() < last {
                self.wait()?;
                self.step();
            }
            done += under_way as u64;
        }
        Ok(done)
    }

    /// Reads all entries, cell by cell, waiting for the disk.
    pub fn scan_all(&mut self) -> Result<u64> {
        let mut count = 0;
        for cell in (0..CELLS).map(first_of) {
            let range = ScanRange { first: cell, last: last_of(cell), after: None };
            count += read(self.engine.scan(range), u64::MAX)?;
        }
        Ok(count)
    }

    /// Reads entries behind a key to the end of its cell, but not more than `most`, waiting for the disk.
    pub fn scan_from(&mut self, from: &Key, most: u64) -> Result<u64> {
        let slot = Slot::of(from);
        let after = Some(Bytes::copy_from_slice(from));
        let scan = self.engine.scan(ScanRange { first: slot, last: last_of(slot), after });
        let count = read(scan, most)?;
        self.count()?;
        Ok(count)
    }

    /// Waits until nothing is left to do.
    pub fn settle(&mut self) -> Result<()> {
        loop {
            self.step();
            if self.running == 0 && self.shared.log_backlog_bytes() == 0 {
                return Ok(());
            }
            self.wait()?;
        }
    }

    /// Has all memtables written to tables.
    pub fn flush(&mut self) -> Result<()> {
        self.engine.freeze_all();
        self.settle()
    }

    /// Hands out changes and jobs, and takes what came back.
    pub fn step(&mut self) {
        self.operations = 0;
        while let Ok(letter) = self.inbox.try_recv() {
            self.take(letter);
        }
        if let Some(batch) = self.engine.take_batch() {
            self.shared.log_batch(batch);
        }
        let mut flushed = Vec::new();
        self.engine.take_flushed(&mut flushed);
        flushed.into_iter().for_each(|notice| self.shared.log_flushed(notice));
        self.engine.take_jobs(&mut self.jobs);
        self.running += self.jobs.len();
        self.shared.run(&mut self.jobs);
    }

    /// Counts an operation; now and then a step is due.
    fn count(&mut self) -> Result<()> {
        self.operations += 1;
        if self.operations >= STEP {
            self.step();
            while self.shared.log_backlog_bytes() > LOG_BACKLOG_BYTES {
                self.wait()?;
            }
        }
        Ok(())
    }

    /// Waits a moment for a letter.
    fn wait(&mut self) -> Result<()> {
        match self.inbox.recv_timeout(LOOK_EVERY) {
            Ok(letter) => self.take(letter),
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
            Err(error) => bail!("the threads are gone: {error}"),
        }
        Ok(())
    }

    fn take(&mut self, letter: Letter) {
        match letter {
            Letter::Durable(lsn) => self.engine.on_durable(lsn),
            Letter::Done(done) => {
                self.running -= done.len();
                done.into_iter().for_each(|done| self.engine.on_job_done(done, &mut self.loaded));
            }
        }
    }
}

/// The first slot of a cell.
fn first_of(cell: u16) -> Slot {
    Slot::new(cell).expect("there are more slots than cells")
}

/// The last slot of a slot's cell.
fn last_of(slot: Slot) -> Slot {
    Slot::new(SLOTS - CELLS + slot.cell()).expect("below the number of slots")
}

fn read(mut scan: Scan, most: u64) -> Result<u64> {
    let (mut page, mut count, mut more) = (Vec::new(), 0, true);
    while more && count < most {
        more = scan.next_page(PAGE_BYTES, &mut page).map_err(|error| anyhow!("a scan failed: {error:?}"))?;
        count += page.len() as u64;
        std::hint::black_box(page.drain(..));
    }
    Ok(count.min(most))
}

fn result(loaded: Loaded) -> Result<Option<Found>> {
    let loaded = loaded.into_record().context("nothing but lookups was asked for")?;
    loaded.result.map_err(|error| anyhow!("a lookup failed: {error:?}"))
}
