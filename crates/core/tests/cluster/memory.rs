//! A store for tests: a memtable, and tables that are looked into only by jobs.
//!
//! A job answers with what the tables held when it was asked: the oldest answer that core must be able to live with.
//! (The engine answers with what it holds when the job comes back.) What is in the memtable hides the tables.

use bytes::Bytes;
use clockwise_core::{
    ids::Lsn,
    limits::RECORD_BYTES,
    slot::Slot,
    storage::{
        Found, JobId, LoadError, Loaded, LoadedRecord, Lookup, Mutation, Page, PageEnd, PageLimit, Probe,
        Refusal, Storage,
    },
    tree::{Sum, Sums},
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Keeps everything in maps; durable when told so.
#[derive(Default)]
pub struct Memory {
    records: BTreeMap<(Slot, Vec<u8>), (Bytes, Lsn)>,
    tables: BTreeMap<(Slot, Vec<u8>), Bytes>,
    lines: BTreeMap<Slot, Bytes>,
    live: BTreeMap<Slot, i64>,
    sums: BTreeMap<Slot, Sums>,
    /// Slots whose sums nobody knows.
    pub unknown: BTreeSet<Slot>,
    /// Keys whose records cannot be read.
    pub damaged: BTreeSet<(Slot, Vec<u8>)>,
    pub last: u64,
    pub durable: u64,
    /// Positions become durable at once.
    pub instant: bool,
    /// Lookups that the disk still owes, with what it will answer; the oldest first.
    pub jobs: VecDeque<Loaded>,
    /// Why nothing is taken.
    pub refusal: Option<Refusal>,
    /// So many pages are still answered with an error of the disk.
    pub failing_pages: u32,
    next_job: u64,
}

impl Memory {
    /// Empty, and durable at once.
    pub fn new() -> Memory {
        Memory { instant: true, ..Memory::default() }
    }

    /// The memtable goes to the disk: the next lookup of each of its keys is a job.
    pub fn flush(&mut self) {
        let flushed = std::mem::take(&mut self.records);
        self.tables.extend(flushed.into_iter().map(|(key, (record, _))| (key, record)));
    }

    /// Whether no key has a record.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.tables.is_empty()
    }

    /// All records of all slots, as they are stored.
    pub fn records(&self) -> BTreeMap<(Slot, Vec<u8>), Bytes> {
        let fresh = self.records.iter().map(|(name, (record, _))| (name.clone(), record.clone()));
        self.tables.clone().into_iter().chain(fresh).collect()
    }

    /// Makes a record that cannot be read of a key, and says so as an engine does.
    pub fn damage(&mut self, slot: Slot, key: &[u8]) {
        self.records.remove(&(slot, key.to_vec()));
        self.tables.remove(&(slot, key.to_vec()));
        self.damaged.insert((slot, key.to_vec()));
        self.unknown.insert(slot);
    }

    /// Keys that are not in their slot.
    pub fn strays(&self) -> Vec<Vec<u8>> {
        let names = self.records.keys().chain(self.tables.keys());
        names.filter(|(slot, key)| slot.of_keys() != Slot::of(key)).map(|(_, key)| key.clone()).collect()
    }

    fn ask_disk(&mut self, found: Result<Bytes, LoadError>) -> Lookup {
        self.next_job += 1;
        let job = JobId(self.next_job);
        let probe = Probe { tables_read: 1, disk_reads: 1, ..Probe::default() };
        let result = found.map(|record| Some(Found { record, lsn: Lsn(0), probe }));
        self.jobs.push_back(Loaded::Record(LoadedRecord { job, result, probe }));
        Lookup::Job(job)
    }
}

impl Storage for Memory {
    fn get(&mut self, slot: Slot, key: &[u8]) -> Lookup {
        let probe = Probe { memtable: true, ..Probe::default() };
        let name = (slot, key.to_vec());
        if self.damaged.contains(&name) {
            return self.ask_disk(Err(LoadError::Damaged));
        }
        if let Some((record, lsn)) = self.records.get(&name) {
            return Lookup::Hit(Found { record: record.clone(), lsn: *lsn, probe });
        }
        match self.tables.get(&name).cloned() {
            Some(record) => self.ask_disk(Ok(record)),
            None => Lookup::Miss(Probe::default()),
        }
    }

    fn page(&mut self, slot: Slot, after: Option<Bytes>, limit: PageLimit) -> JobId {
        self.next_job += 1;
        let job = JobId(self.next_job);
        let above = |key: &[u8]| after.as_ref().is_none_or(|after| key > &after[..]);
        let from = (slot, after.as_ref().map_or(Vec::new(), |after| after.to_vec()));
        let mut found: BTreeMap<Vec<u8>, Bytes> = BTreeMap::new();
        let tables = self.tables.range(from.clone()..);
        for ((_, key), record) in tables.take_while(|((of, _), _)| *of == slot) {
            found.insert(key.clone(), record.clone());
        }
        let fresh = self.records.range(from..).map(|(name, (record, _))| (name, record));
        for ((_, key), record) in fresh.take_while(|((of, _), _)| *of == slot) {
            found.insert(key.clone(), record.clone());
        }
        found.retain(|key, _| above(key));
        let bad = self.damaged.iter().find(|(of, key)| *of == slot && above(key));
        let mut result = None;
        if let Some((_, bad)) = bad {
            found.split_off(bad);
            result = (found.len() < limit.records).then_some(Err(LoadError::Damaged));
        }
        if self.failing_pages > 0 {
            self.failing_pages -= 1;
            (found, result) = (BTreeMap::new(), Some(Err(LoadError::Io)));
        }
        let more = bad.is_some() || found.len() > limit.records;
        let records =
            found.into_iter().take(limit.records).map(|(key, record)| (key.into(), record)).collect();
        let end = if more { PageEnd::More } else { PageEnd::Done };
        let result = result.unwrap_or(Ok(end));
        self.jobs.push_back(Loaded::Page(Page { job, slot, records, result }));
        job
    }

    fn apply(&mut self, slot: Slot, mutations: &[Mutation<'_>]) -> Lsn {
        self.last += 1;
        for mutation in mutations {
            match *mutation {
                Mutation::Put { key, record, live, sums } => {
                    self.damaged.remove(&(slot, key.to_vec()));
                    sums.iter().for_each(|sum| self.sums.entry(slot).or_default().add(*sum));
                    assert!(record.len() <= RECORD_BYTES, "the engine takes no larger record");
                    let record = Bytes::copy_from_slice(record);
                    self.records.insert((slot, key.to_vec()), (record, Lsn(self.last)));
                    *self.live.entry(slot).or_default() += i64::from(live);
                }
                Mutation::Forget { key, live, sums } => {
                    sums.iter().for_each(|sum| self.sums.entry(slot).or_default().add(*sum));
                    self.records.remove(&(slot, key.to_vec()));
                    self.tables.remove(&(slot, key.to_vec()));
                    *self.live.entry(slot).or_default() += i64::from(live);
                }
                Mutation::Lines(lines) => {
                    self.lines.insert(slot, Bytes::copy_from_slice(lines));
                }
                Mutation::Tree { live, sums } => {
                    self.live.insert(slot, live as i64);
                    self.sums.insert(slot, Sums::new(sums.to_vec()));
                    self.unknown.remove(&slot);
                }
                Mutation::DropSlot => {
                    self.sums.remove(&slot);
                    self.damaged.retain(|(of, _)| *of != slot);
                    self.unknown.remove(&slot);
                    self.records.retain(|(of, _), _| *of != slot);
                    self.tables.retain(|(of, _), _| *of != slot);
                    self.live.remove(&slot);
                }
            }
        }
        if self.instant {
            self.durable = self.last;
        }
        Lsn(self.last)
    }

    fn lines(&self, slot: Slot) -> Option<Bytes> {
        self.lines.get(&slot).cloned()
    }

    fn live(&self, slot: Slot) -> u64 {
        self.live.get(&slot).map_or(0, |&live| live as u64)
    }

    fn sums(&self, slot: Slot) -> Option<&[Sum]> {
        if self.unknown.contains(&slot) {
            return None;
        }
        Some(self.sums.get(&slot).map_or(&[], Sums::list))
    }

    fn admits(&self) -> Result<(), Refusal> {
        self.refusal.map_or(Ok(()), Err)
    }

    fn durable(&self) -> Lsn {
        Lsn(self.durable)
    }
}
