//! What an operation costs the engine, in nanoseconds of the thread's CPU time (so that a busy machine disturbs
//! little; it still shares the memory).
//!
//! `cargo run --release -p clockwise-store --example engine_speed [FOLDER]`: puts and gets with the log batches
//! taken and dropped (CPU of the engine alone), then durable puts on the real disk in `FOLDER` (default: a
//! folder in the system's temporary directory, removed at the end).

use bytes::Bytes;
use clockwise_core::{
    slot::Slot,
    storage::{Lookup, Mutation, Storage},
    tree::Sum,
};
use clockwise_store::{Disk, Engine, Log, Options, RealDisk, SimDisk, open};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Instant,
};

const KEYS: u64 = 200_000;

fn key(number: u64) -> [u8; 16] {
    let mut key = *b"key:000000000000";
    let mut rest = number;
    for digit in key.iter_mut().rev().take(12) {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    key
}

/// A walk over the keys in no order, the same each time.
fn numbers(count: u64) -> impl Iterator<Item = u64> {
    (0..count).map(|at| at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20).map(|mixed| mixed % KEYS)
}

/// CPU time of this thread, in nanoseconds.
fn cpu_ns() -> u128 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    u128::from(now.tv_sec as u64) * 1_000_000_000 + u128::from(now.tv_nsec as u64)
}

struct Bench {
    disk: Arc<dyn Disk>,
    engines: Vec<Engine>,
    log: Log,
    /// Time spent in jobs, which other threads would do, in nanoseconds.
    jobs_ns: u128,
}

impl Bench {
    fn new(disk: Arc<dyn Disk>, memtable_bytes: usize, cache_bytes: usize) -> Bench {
        let options = Options { memtable_bytes, cache_bytes, log_bytes: 1 << 40, ..Options::default() };
        let opened = open(Arc::clone(&disk), options).expect("opens");
        Bench { disk, engines: opened.engines, log: opened.log, jobs_ns: 0 }
    }

    fn run_jobs(&mut self) {
        let (mut jobs, mut loaded, mut flushed) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            self.engines[0].take_jobs(&mut jobs);
            if jobs.is_empty() {
                break;
            }
            let started = cpu_ns();
            for job in jobs.drain(..) {
                let done = job.run(&*self.disk);
                self.engines[0].on_job_done(done, &mut loaded);
            }
            self.jobs_ns += cpu_ns() - started;
        }
        self.engines[0].take_flushed(&mut flushed);
        for notice in flushed {
            self.log.on_flushed(notice);
        }
    }
}

fn report(what: &str, operations: u64, total_ns: u128, jobs_ns: u128) {
    let engine = total_ns.saturating_sub(jobs_ns) / u128::from(operations);
    println!("{what:<58} {engine:>6} ns/op  (+ {:>5} ns/op of jobs)", jobs_ns / u128::from(operations));
}

/// `CLOCKWISE_SUMS=0` shows what puts cost without the sums of the trees.
fn with_sums() -> bool {
    static SUMS: OnceLock<bool> = OnceLock::new();
    *SUMS.get_or_init(|| std::env::var_os("CLOCKWISE_SUMS").is_none_or(|it| it != "0"))
}

fn puts(bench: &mut Bench, what: &str, count: u64, record: &[u8], read_first: bool) {
    bench.jobs_ns = 0;
    let started = cpu_ns();
    for (at, number) in numbers(count).enumerate() {
        let key = key(number);
        let slot = Slot::of(&key);
        if read_first {
            std::hint::black_box(bench.engines[0].get(slot, &key));
        }
        // As an overwrite changes them.
        let sums = [Sum { name: 16 + number % 16, value: u128::from(number) << 64 | 1 }];
        let put = Mutation::Put { key: &key, record, live: 0, sums: if with_sums() { &sums } else { &[] } };
        bench.engines[0].apply(slot, &[put]);
        if at % 32 == 31 {
            std::hint::black_box(bench.engines[0].take_batch());
            bench.run_jobs();
        }
    }
    report(what, count, cpu_ns() - started, bench.jobs_ns);
}

fn gets(bench: &mut Bench, what: &str, count: u64, offset: u64) {
    bench.jobs_ns = 0;
    let (mut hits, mut jobs) = (0u64, 0u64);
    let started = cpu_ns();
    for (at, number) in numbers(count).enumerate() {
        let key = key(number + offset);
        match bench.engines[0].get(Slot::of(&key), &key) {
            Lookup::Hit(found) => hits += std::hint::black_box(found.record.len()).min(1) as u64,
            Lookup::Miss(_) => {}
            Lookup::Job(_) => jobs += 1,
        }
        if at % 32 == 31 {
            bench.run_jobs();
        }
    }
    let what = format!("{what} ({hits} hits, {jobs} jobs)");
    report(&what, count, cpu_ns() - started, bench.jobs_ns);
}

/// What an ordered map would cost for the same keys, as a measure of the machine.
fn ordered_map(record: &[u8]) {
    let mut map = BTreeMap::new();
    let walk = |what: &str, count: u64, map: &mut BTreeMap<(u16, Box<[u8]>), Bytes>, put: bool| {
        let started = cpu_ns();
        for number in numbers(count) {
            let key = key(number);
            let place = (Slot::of(&key).number(), Box::from(&key[..]));
            if put {
                map.insert(place, Bytes::copy_from_slice(record));
            } else {
                std::hint::black_box(map.get(&place).cloned());
            }
        }
        report(what, count, cpu_ns() - started, 0);
    };
    walk("(BTreeMap alone, without a log: put, new keys)", KEYS, &mut map, true);
    walk("(BTreeMap alone, without a log: put, overwrites)", 2_000_000, &mut map, true);
    walk("(BTreeMap alone: get)", 2_000_000, &mut map, false);
}

fn durable(folder: &Path, batch: u64, seconds: f64) {
    let disk = Arc::new(RealDisk::open(folder).expect("the folder is free"));
    let mut bench = Bench::new(disk, 32 << 20, 32 << 20);
    let record = [7; 100];
    let (mut done, mut syncs) = (0u64, 0u64);
    let started = Instant::now();
    let mut walk = numbers(u64::MAX);
    while started.elapsed().as_secs_f64() < seconds {
        for number in walk.by_ref().take(batch as usize) {
            let key = key(number);
            bench.engines[0]
                .apply(Slot::of(&key), &[Mutation::Put { key: &key, record: &record, live: 0, sums: &[] }]);
        }
        if let Some(taken) = bench.engines[0].take_batch() {
            bench.log.append(taken);
        }
        bench.log.sync().expect("the disk works");
        bench.run_jobs();
        done += batch;
        syncs += 1;
    }
    let rate = |count: u64| count as f64 / started.elapsed().as_secs_f64();
    println!("durable puts, {batch:>4} per sync: {:>9.0} puts/s, {:>6.0} syncs/s", rate(done), rate(syncs));
}

fn main() {
    let record = vec![b'v'; 100];
    ordered_map(&record);
    let mut bench = Bench::new(Arc::new(SimDisk::new(1)), 256 << 20, 32 << 20);
    puts(&mut bench, "put, new keys, 100 B", KEYS, &record, false);
    puts(&mut bench, "put, overwrites in the memtable", 4_000_000, &record, false);
    puts(&mut bench, "get and put of the same key", 2_000_000, &record, true);
    gets(&mut bench, "get, memtable", 4_000_000, 0);
    gets(&mut bench, "get, absent, no tables", 2_000_000, 1 << 30);
    bench.engines[0].freeze_all();
    bench.run_jobs();
    gets(&mut bench, "get, tables, first time", 400_000, 0);
    gets(&mut bench, "get, tables, cached", 4_000_000, 0);
    gets(&mut bench, "get, absent, Bloom filters", 2_000_000, 1 << 30);
    println!("{:?}", bench.engines[0].stats());

    let mut bench = Bench::new(Arc::new(SimDisk::new(1)), 8 << 20, 32 << 20);
    puts(&mut bench, "put with flushes and compaction in between", 4_000_000, &record, false);
    let stats = bench.engines[0].stats();
    let amplification = (stats.flushed_bytes + stats.compacted_out_bytes) as f64 / stats.logged_bytes as f64;
    println!("tables written / log bytes: {amplification:.2}; {stats:?}");

    let given = std::env::args().nth(1).map(PathBuf::from);
    let folder =
        given.unwrap_or_else(|| std::env::temp_dir().join(format!("engine-speed-{}", std::process::id())));
    for batch in [1, 16, 256] {
        durable(&folder, batch, 2.0);
        std::fs::remove_dir_all(&folder).expect("ours");
    }
}
