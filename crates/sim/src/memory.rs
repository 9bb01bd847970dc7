//! A store without files, with the durability of a synced log: what was not synced is lost with the power, a
//! random prefix of each shard's unsynced tail excepted. Lookups are "on the disk" now and then.
//!
//! It is the yardstick for the real engine: what fails on both is not the engine's fault.

use bytes::Bytes;
use clockwise_core::{
    ids::Lsn,
    slot::Slot,
    storage::{
        Found, JobId, Loaded, LoadedRecord, Lookup, Mutation, Page, PageEnd, PageLimit, Probe, Refusal,
        Storage,
    },
};
use fastrand::Rng;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// One sync in so many lets what was written become cold.
const FLUSHES: u32 = 20;

/// What one slot holds.
#[derive(Clone, Debug, Default)]
struct SlotImage {
    records: BTreeMap<Vec<u8>, Bytes>,
    lines: Option<Bytes>,
    live: i64,
}

/// All slots of a disk or of a shard.
type Image = BTreeMap<u16, SlotImage>;

/// One change as it stands in the log.
#[derive(Clone, Debug)]
enum Change {
    Put { key: Vec<u8>, record: Bytes, live: i8 },
    Forget { key: Vec<u8>, live: i8 },
    Lines(Bytes),
    DropSlot,
}

#[derive(Clone, Debug)]
struct Entry {
    lsn: Lsn,
    slot: u16,
    changes: Vec<Change>,
}

fn replay(image: &mut Image, entry: &Entry) {
    let slot = image.entry(entry.slot).or_default();
    for change in &entry.changes {
        match change {
            Change::Put { key, record, live } => {
                slot.records.insert(key.clone(), record.clone());
                slot.live += i64::from(*live);
            }
            Change::Forget { key, live } => {
                slot.records.remove(key);
                slot.live += i64::from(*live);
            }
            Change::Lines(lines) => slot.lines = Some(lines.clone()),
            Change::DropSlot => {
                slot.records.clear();
                slot.live = 0;
            }
        }
    }
}

/// What survives a process: synced changes, and in `tails` each shard's log that is not synced yet.
#[derive(Debug, Default)]
pub(crate) struct MemoryDisk {
    image: Image,
}

/// One shard's part of it while a process runs.
#[derive(Debug)]
pub(crate) struct MemoryShard {
    image: Image,
    log: VecDeque<Entry>,
    next: u64,
    durable: Lsn,
    cold_per_mille: u32,
    rng: Rng,
    jobs: Vec<Loaded>,
    next_job: u64,
    /// Keys written since the last "flush": found without the disk.
    fresh: BTreeSet<(u16, Vec<u8>)>,
}

impl MemoryDisk {
    /// Opens the disk for `shards` shards; `cold_per_mille` of the lookups need the disk.
    pub(crate) fn open(&self, shards: u16, cold_per_mille: u32, rng: &mut Rng) -> Vec<MemoryShard> {
        (0..shards)
            .map(|shard| {
                let own = |slot: &u16| Slot::stored(*slot).is_some_and(|slot| slot.cell() % shards == shard);
                MemoryShard {
                    image: self
                        .image
                        .iter()
                        .filter(|(slot, _)| own(slot))
                        .map(|(slot, image)| (*slot, image.clone()))
                        .collect(),
                    log: VecDeque::new(),
                    next: 1,
                    durable: Lsn(0),
                    cold_per_mille,
                    rng: rng.fork(),
                    jobs: Vec::new(),
                    next_job: 1,
                    fresh: BTreeSet::new(),
                }
            })
            .collect()
    }

    /// The process ends and everything that it wrote stays.
    pub(crate) fn keep(&mut self, shard: &MemoryShard) {
        shard.log.iter().for_each(|entry| replay(&mut self.image, entry));
    }

    /// The power goes: of what was not synced a random prefix stays.
    pub(crate) fn lose(&mut self, shard: &MemoryShard, rng: &mut Rng) {
        let kept = rng.usize(0..=shard.log.len());
        shard.log.iter().take(kept).for_each(|entry| replay(&mut self.image, entry));
    }

    /// A shard's log is synced up to a position.
    pub(crate) fn synced(&mut self, shard: &mut MemoryShard, position: Lsn) {
        while shard.log.front().is_some_and(|entry| entry.lsn <= position) {
            let entry = shard.log.pop_front().expect("its front was looked at");
            replay(&mut self.image, &entry);
        }
        shard.durable = shard.durable.max(position);
        if shard.rng.u32(0..FLUSHES) == 0 {
            shard.fresh.clear();
        }
    }
}

impl MemoryShard {
    /// Where the log ends.
    pub(crate) fn written(&self) -> Lsn {
        Lsn(self.next - 1)
    }

    /// Lookups that went to the disk since the last call.
    pub(crate) fn take_jobs(&mut self) -> Vec<Loaded> {
        std::mem::take(&mut self.jobs)
    }
}

impl Storage for MemoryShard {
    fn get(&mut self, slot: Slot, key: &[u8]) -> Lookup {
        let probe = Probe { memtable: true, ..Probe::default() };
        let found = self
            .image
            .get(&slot.number())
            .and_then(|image| image.records.get(key))
            .map(|record| Found { record: record.clone(), lsn: self.written(), probe });
        let cold = self.rng.u32(0..1000) < self.cold_per_mille;
        if cold && !self.fresh.contains(&(slot.number(), key.to_vec())) {
            let job = JobId(self.next_job);
            self.next_job += 1;
            self.jobs.push(Loaded::Record(LoadedRecord { job, result: Ok(found), probe }));
            return Lookup::Job(job);
        }
        match found {
            Some(found) => Lookup::Hit(found),
            None => Lookup::Miss(probe),
        }
    }

    fn page(&mut self, slot: Slot, after: Option<Bytes>, limit: PageLimit) -> JobId {
        let job = JobId(self.next_job);
        self.next_job += 1;
        let image = self.image.get(&slot.number());
        let mut rest = image.into_iter().flat_map(|image| &image.records).peekable();
        while rest.next_if(|(key, _)| after.as_ref().is_some_and(|after| key[..] <= after[..])).is_some() {}
        let (mut records, mut bytes) = (Vec::new(), 0);
        while records.len() < limit.records && bytes < limit.bytes {
            let Some((key, record)) = rest.next() else { break };
            bytes += key.len() + record.len();
            records.push((Bytes::copy_from_slice(key), record.clone()));
        }
        let end = if rest.peek().is_some() { PageEnd::More } else { PageEnd::Done };
        self.jobs.push(Loaded::Page(Page { job, slot, records, result: Ok(end) }));
        job
    }

    fn apply(&mut self, slot: Slot, mutations: &[Mutation<'_>]) -> Lsn {
        let changes = mutations
            .iter()
            .map(|mutation| match *mutation {
                Mutation::Put { key, record, live } => {
                    self.fresh.insert((slot.number(), key.to_vec()));
                    Change::Put { key: key.to_vec(), record: Bytes::copy_from_slice(record), live }
                }
                Mutation::Forget { key, live } => Change::Forget { key: key.to_vec(), live },
                Mutation::Lines(lines) => Change::Lines(Bytes::copy_from_slice(lines)),
                Mutation::DropSlot => Change::DropSlot,
            })
            .collect();
        let entry = Entry { lsn: Lsn(self.next), slot: slot.number(), changes };
        self.next += 1;
        replay(&mut self.image, &entry);
        let lsn = entry.lsn;
        self.log.push_back(entry);
        lsn
    }

    fn lines(&self, slot: Slot) -> Option<Bytes> {
        self.image.get(&slot.number()).and_then(|image| image.lines.clone())
    }

    fn live(&self, slot: Slot) -> u64 {
        self.image.get(&slot.number()).map_or(0, |image| image.live.max(0) as u64)
    }

    fn admits(&self) -> Result<(), Refusal> {
        Ok(())
    }

    fn durable(&self) -> Lsn {
        self.durable
    }
}
