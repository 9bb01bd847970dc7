//! Millions of random operations against an ordered map: puts, forgets, lines, drops of slots, lookups and scans, with
//! flushes, merges and restarts in between, in an order of jobs that changes with every seed.
//!
//! `CLOCKWISE_OPERATIONS=100000000 cargo test --release -p clockwise-store endurance -- --nocapture` runs longer.

use crate::harness::{Change, Op, Server, small};
use bytes::Bytes;
use clockwise_core::{
    slot::Slot,
    storage::{LoadedRecord, Lookup, Storage},
};
use clockwise_store::{
    CompactionFilter, Compression, Disk, Options, ScanRange, SimDisk, check::check, disk::Loss,
};
use fastrand::Rng;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

/// Operations of each of the two tests, unless more are asked for.
const OPERATIONS: u64 = 2_000_000;

/// What stands for the whole folder.
#[derive(Default)]
struct Model {
    records: BTreeMap<(Slot, Vec<u8>), Vec<u8>>,
    lines: BTreeMap<Slot, Vec<u8>>,
    live: BTreeMap<Slot, u64>,
}

#[derive(Default, Debug)]
struct Count {
    operations: u64,
    lookups: u64,
    cold: u64,
    records: u64,
    left_out: u64,
    restarts: u64,
    power_losses: u64,
    flushes: u64,
    merges: u64,
    recycled: u64,
    checks: u64,
    drops: u64,
    scans: u64,
}

struct Run {
    rng: Rng,
    disk: SimDisk,
    options: Options,
    server: Server,
    model: Model,
    keys: u64,
    /// Lookups that went to the disk, by shard and number.
    waiting: HashMap<(usize, u64), (Slot, Vec<u8>)>,
    /// Keys whose record was left out by a merge: it must not come back.
    gone: HashSet<(Slot, Vec<u8>)>,
    count: Count,
}

/// Merges may leave out some records, told by the number they begin with.
struct Some13th;

fn is_forgettable(record: &[u8]) -> bool {
    record.first_chunk().is_some_and(|serial| u64::from_le_bytes(*serial).is_multiple_of(13))
}

impl CompactionFilter for Some13th {
    fn may_forget(&self, _: Slot, _: &[u8], record: &[u8]) -> bool {
        is_forgettable(record)
    }
}

impl Run {
    fn new(seed: u64) -> Run {
        let mut rng = Rng::with_seed(seed);
        let disk = SimDisk::new(seed);
        let options = Options {
            memtable_bytes: 192 << 10,
            cache_bytes: 64 << 10,
            segment_bytes: 128 << 10,
            log_bytes: 384 << 10,
            block_bytes: 1024,
            ..small(1 + rng.usize(..4))
        };
        let server = Server::open(Arc::new(disk.clone()), &options).expect("an empty disk opens");
        let keys = 2_000 + rng.u64(..6_000);
        let (model, waiting, count) = (Model::default(), HashMap::new(), Count::default());
        let mut run = Run { rng, disk, options, server, model, keys, waiting, gone: HashSet::new(), count };
        run.set_filters();
        run
    }

    fn set_filters(&mut self) {
        self.server.engines.iter_mut().for_each(|engine| engine.set_filter(Arc::new(Some13th)));
    }

    /// Half of all operations hit a tenth of the keys; slots are spread over all cells.
    fn key(&mut self) -> (Slot, Vec<u8>) {
        let number = if self.rng.bool() { self.rng.u64(..self.keys / 10) } else { self.rng.u64(..self.keys) };
        let slot = Slot::new((number.wrapping_mul(2_654_435_761) >> 7) as u16 % 600).expect("a slot");
        // Shared prefixes of all lengths, and keys that are prefixes of others.
        let mut key = format!("{}/{}", ["a", "user", "user/long/prefix"][number as usize % 3], number / 3);
        if number.is_multiple_of(11) {
            key.truncate(key.len() / 2);
        }
        (slot, key.into_bytes())
    }

    fn change(&mut self, slot: Slot, key: Vec<u8>, serial: u64) -> Change {
        if self.rng.u32(..2_000) == 0 {
            self.count.drops += 1;
            return Change::DropSlot;
        }
        let was_there = self.model.records.contains_key(&(slot, key.clone()));
        match self.rng.u32(..16) {
            0..3 => Change::Forget(key, -i8::from(was_there)),
            3 => Change::Lines(format!("lines {serial}").into_bytes()),
            _ => {
                let mut record = serial.to_le_bytes().to_vec();
                let length = match self.rng.u32(..64) {
                    0 => 5_000,
                    1..8 => 8,
                    _ => self.rng.usize(8..200),
                };
                record.resize(length, (serial % 251) as u8);
                Change::Put(key, record, i8::from(!was_there))
            }
        }
    }

    fn write(&mut self, serial: u64) {
        let (slot, key) = self.key();
        if self.server.engine(slot).admits().is_err() {
            self.server.settle();
            self.answers();
        }
        let op = Op { slot, changes: vec![self.change(slot, key, serial)] };
        self.server.apply(&op);
        for change in op.changes {
            match change {
                Change::Put(key, record, live) => {
                    *self.model.live.entry(slot).or_default() += live as u64;
                    self.gone.remove(&(slot, key.clone()));
                    self.model.records.insert((slot, key), record);
                }
                Change::Forget(key, live) => {
                    self.gone.remove(&(slot, key.clone()));
                    if live < 0 {
                        *self.model.live.get_mut(&slot).expect("it was there") -= 1;
                    }
                    self.model.records.remove(&(slot, key));
                }
                Change::Lines(lines) => {
                    self.model.lines.insert(slot, lines);
                }
                Change::DropSlot => {
                    self.model.live.remove(&slot);
                    self.gone.retain(|(of, _)| *of != slot);
                    self.model.records.retain(|(of, _), _| *of != slot);
                }
            }
        }
    }

    fn look(&mut self) {
        let (slot, key) = self.key();
        self.count.lookups += 1;
        let engine = self.server.engine(slot);
        let shard = engine.shard();
        match engine.get(slot, &key) {
            Lookup::Hit(found) => self.same_now(slot, key, Some(&found.record)),
            Lookup::Miss(_) => self.same_now(slot, key, None),
            Lookup::Job(id) => {
                self.count.cold += 1;
                self.waiting.insert((shard, id.0), (slot, key));
            }
        }
        let engine = self.server.engine(slot);
        assert_eq!(engine.live(slot), self.model.live.get(&slot).copied().unwrap_or(0));
        assert_eq!(engine.lines(slot).as_deref(), self.model.lines.get(&slot).map(Vec::as_slice));
    }

    /// A slot or a part of one, in pages, against the map.
    fn scan(&mut self) {
        let (slot, key) = self.key();
        let after = self.rng.bool().then(|| Bytes::from(key));
        let range = ScanRange { after: after.clone(), ..ScanRange::slot(slot) };
        let mut scan = self.server.engine(slot).scan(range);
        let mut found = Vec::new();
        while scan.next_page(1 + self.rng.usize(..2_000), &mut found).expect("no fault") {}
        let first = (slot, after.as_ref().map_or(Vec::new(), |after| after.to_vec()));
        let inside = self.model.records.range(first..).take_while(|((of, _), _)| *of == slot);
        let expected = inside.filter(|((_, key), record)| {
            !is_forgettable(record) && after.as_deref().is_none_or(|after| &key[..] > after)
        });
        let found = found.iter().map(|it| (&it.key[..], &it.record[..]));
        let found = found.filter(|(_, record)| !is_forgettable(record));
        assert!(found.eq(expected.map(|((_, key), record)| (&key[..], &record[..]))), "{slot:?} {after:?}");
        self.count.scans += 1;
    }

    fn same(&self, slot: Slot, key: &[u8], found: Option<&[u8]>) {
        let expected = self.model.records.get(&(slot, key.to_vec())).map(Vec::as_slice);
        if found.is_none() && expected.is_some_and(is_forgettable) {
            return;
        }
        assert_eq!(found, expected, "{slot:?} {key:?} after {} operations", self.count.operations);
    }

    /// The same for what was answered at once: what a merge left out was there for the last time.
    fn same_now(&mut self, slot: Slot, key: Vec<u8>, found: Option<&[u8]>) {
        self.same(slot, &key, found);
        let key = (slot, key);
        if found.is_some() {
            assert!(!self.gone.contains(&key), "{key:?} is back after {} operations", self.count.operations);
        } else if self.model.records.contains_key(&key) {
            self.count.left_out += 1;
            self.gone.insert(key);
        }
    }

    /// Answers show what was written until they came back.
    fn answers(&mut self) {
        for (shard, loaded) in self.server.take_loaded() {
            let LoadedRecord { job, result, .. } = loaded;
            let (slot, key) = self.waiting.remove(&(shard, job.0)).expect("asked once, answered once");
            let found = result.expect("no fault").map(|found| found.record);
            self.same(slot, &key, found.as_deref());
        }
    }

    fn restart(&mut self) {
        self.server.commit().expect("no fault");
        if self.rng.bool() {
            self.server.settle();
            self.answers();
        }
        // What is under way goes down with the process.
        self.waiting.clear();
        self.note();
        self.count.restarts += 1;
        let clean = self.rng.bool();
        if clean {
            let empty = Server::open(Arc::new(SimDisk::new(0)), &small(1)).expect("an empty disk opens");
            let old = std::mem::replace(&mut self.server, empty);
            old.log.close().expect("no fault");
        }
        if self.rng.bool() {
            self.count.power_losses += 1;
            self.disk.power_loss_as(Loss::ALL[self.rng.usize(..Loss::ALL.len())]);
        } else {
            self.disk.kill();
        }
        if self.rng.u32(..4) == 0 {
            self.count.checks += 1;
            let report = check(&self.disk).expect("no fault");
            assert!(report.is_good() && report.clean == clean, "{report:?}");
        }
        self.options.shards = 1 + self.rng.usize(..16);
        self.options.compression = if self.rng.bool() { Compression::Lz4 } else { Compression::None };
        self.options.flat_index_bytes = self.rng.usize(..2_000);
        // With one bit most tables seem to hold every key.
        self.options.bloom_bits_per_key = [1, 10][self.rng.usize(..2)];
        self.options.cache_bytes = [64 << 10, 400 << 10, 4 << 20][self.rng.usize(..3)];
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        self.server = Server::open(disk, &self.options).expect("recovers");
        self.set_filters();
        assert!(self.server.report.damaged_slots.is_empty() && self.server.report.clean == clean);
    }

    fn note(&mut self) {
        for stats in self.server.engines.iter().map(|engine| engine.stats()) {
            self.count.flushes += stats.flushes;
            self.count.merges += stats.compactions;
            self.count.records += stats.record_hits;
        }
        self.count.recycled += self.server.log.stats().segments_recycled;
    }

    fn go(&mut self, operations: u64) {
        for serial in 1..=operations {
            self.count.operations += 1;
            match self.rng.u32(..1_000_000) {
                0..30 => self.restart(),
                30..1_000 => self.server.engines.iter_mut().for_each(|engine| engine.freeze_all()),
                1_000..20_000 => {
                    self.server.commit().expect("no fault");
                }
                20_000..22_000 => self.scan(),
                22_000..400_000 => self.look(),
                _ => self.write(serial),
            }
            if self.rng.u32(..8) == 0 {
                self.server.step(&mut self.rng);
                self.answers();
            }
        }
        self.server.settle();
        self.answers();
        self.note();
        assert!(self.waiting.is_empty());
        let keys: Vec<_> = self.model.records.keys().cloned().collect();
        for (slot, key) in keys {
            let found = self.server.get(slot, &key).expect("no fault");
            self.same(slot, &key, found.as_deref());
        }
    }
}

fn run(name: &str, first_seed: u64) {
    let asked = std::env::var("CLOCKWISE_OPERATIONS").ok().and_then(|count| count.parse().ok());
    let mut left: u64 = asked.unwrap_or(OPERATIONS);
    for seed in first_seed.. {
        let operations = left.min(500_000);
        let mut run = Run::new(seed);
        run.go(operations);
        println!("{name}: {:?}", run.count);
        let count = &run.count;
        assert!(
            count.flushes > 100
                && count.merges > 20
                && count.restarts > 3
                && count.cold > 1_000
                && count.records > 1_000
                && count.left_out > 100
                && count.drops > 50,
            "{count:?}"
        );
        left -= operations;
        if left == 0 {
            return;
        }
    }
}

#[test]
fn millions_of_operations_are_like_an_ordered_map_1() {
    run("endurance 1", 100);
}

#[test]
fn millions_of_operations_are_like_an_ordered_map_2() {
    run("endurance 2", 200);
}
