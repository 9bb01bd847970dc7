//! Much is written, and memory must not grow with it.

use super::{
    Place, mib, remove,
    shard::{Answer, Shard},
    steps::LONGEST_CPU,
};
use crate::{
    load::{KEY_BYTES, Values, mixed},
    measure::{resident_bytes, written_bytes},
};
use anyhow::{Result, ensure};
use clap::Args;
use clockwise_core::storage::Loaded;
use rustix::fs::statvfs;
use serde_json::{Value, json};
use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// Bytes of keys and values that are put where the disk has room for it.
const MOST_BYTES: u64 = 50_000_000_000;
/// One put in so many is of a key that is there.
const OVERWRITE_EVERY: u64 = 4;
/// One read for so many puts.
const READ_EVERY: u64 = 8;
/// Puts between two turns of the loop.
const BURST: u64 = 64;
/// Lookups of the disk in flight at most.
const IN_FLIGHT: usize = 64;
/// Memory is taken to be grown after a tenth, and after so many times its size were put ...
const GROWN_AFTER: u64 = 8;
/// ... at most half of all; later it may grow by so much ...
const GROWTH_PERCENT: u64 = 10;
/// ... and this.
const GROWTH_BYTES: u64 = 32 << 20;
/// Between two looks at the memory.
const LOOK: Duration = Duration::from_secs(1);
/// Looks between two lines.
const LOOKS_PER_LINE: u64 = 10;
/// How long a writer that is refused waits.
const WAIT: Duration = Duration::from_millis(2);

/// Writes for long and fails if memory does not stay flat after the first tenth (of a short run: after eight times the
/// memory was put). The cache gives up what filters and indexes need
#[derive(Args)]
pub struct Soak {
    #[command(flatten)]
    place: Place,
    /// Keys and values to put, in 10^9 bytes [default: 50, or half of what the disk has free]
    #[arg(long)]
    gigabytes: Option<f64>,
    /// Bytes of a value
    #[arg(long, default_value_t = 1_000)]
    value_bytes: usize,
}

/// What was seen so far.
struct Watch {
    began: Instant,
    looked: Instant,
    looks: u64,
    rows: Vec<Value>,
    /// Bytes that were put when the last line was printed, and when that was.
    lined: (u64, Instant),
    /// Until so many bytes are put, memory may grow.
    growing: u64,
    /// Largest resident memory until then, in bytes.
    first: u64,
    /// Largest afterwards, in bytes.
    later: u64,
}

impl Soak {
    /// Runs it.
    pub fn run(&self) -> Result<()> {
        ensure!(self.value_bytes > 0, "values have bytes");
        let folder = self.place.fresh_folder("soak")?;
        let goal = match self.gigabytes {
            Some(gigabytes) => (gigabytes * 1e9) as u64,
            None => MOST_BYTES.min(free_bytes(&folder)? / 2),
        };
        let mut shard = Shard::open(&folder, self.place.options())?;
        println!(
            "{} MB of {} B with their keys\n\n\
             | s | GB | MB/s | RSS MiB | memtables | cache | indexes | tables | MiB of them | written / put |\n\
             |--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
            goal / 1_000_000,
            self.value_bytes
        );
        let options = self.place.options();
        let memory = (options.memtable_bytes + options.cache_bytes) as u64;
        let mut watch = Watch::new((goal / 10).max(memory * GROWN_AFTER).min(goal / 2));
        let keys = self.write(&mut shard, goal, &mut watch)?;
        shard.settle()?;
        watch.look(&mut shard, goal, true)?;
        let limit = watch.first + watch.first * GROWTH_PERCENT / 100 + GROWTH_BYTES;
        let (first, later) = (watch.first, watch.later);
        let seconds = watch.began.elapsed().as_secs_f64();
        let steps = shard.close()?;
        println!("\n{} keys, {:.1} MB/s\n\n{}", keys, goal as f64 / 1e6 / seconds, steps.to_markdown());
        self.place.write_json(&json!({
            "bytes": goal, "seconds": seconds, "keys": keys, "rows": watch.rows, "first_peak_bytes": first,
            "later_peak_bytes": later, "limit_bytes": limit, "steps": steps.to_json(),
        }))?;
        remove(&folder)?;
        println!("{} steps took over {LONGEST_CPU:?} of CPU on the shard's thread", steps.too_long());
        let word = if later <= limit { "met" } else { "missed" };
        println!(
            "memory stays flat: {word}; {} MiB in the first {:.1} GB, {} MiB later, {} allowed",
            mib(first),
            watch.growing as f64 / 1e9,
            mib(later),
            mib(limit)
        );
        ensure!(later <= limit, "memory grew");
        Ok(())
    }

    /// Writes until so many bytes are there; answers how many keys there are.
    fn write(&self, shard: &mut Shard, goal: u64, watch: &mut Watch) -> Result<u64> {
        let entry_bytes = (self.value_bytes + KEY_BYTES) as u64;
        let mut values = Values::new(self.value_bytes);
        let (mut puts, mut keys, mut reads, mut asked) = (0, 0, 0, 0);
        while puts * entry_bytes < goal {
            for _ in 0..BURST {
                let random = mixed(puts);
                let overwrite = puts > 0 && random.is_multiple_of(OVERWRITE_EVERY);
                let number = if overwrite { mixed(random) % keys } else { keys };
                if !shard.put(number, values.of(number))? {
                    shard.turn(WAIT)?;
                    break;
                }
                puts += 1;
                keys = keys.max(number + 1);
                if puts.is_multiple_of(READ_EVERY) && asked < IN_FLIGHT {
                    reads += 1;
                    asked += usize::from(matches!(shard.get(mixed(reads) % keys), Answer::Asked(_)));
                }
            }
            shard.turn(Duration::ZERO)?;
            for loaded in shard.loaded.drain(..).filter_map(Loaded::into_record) {
                asked -= 1;
                ensure!(matches!(loaded.result, Ok(Some(_))), "a key is gone: {:?}", loaded.result);
            }
            let pause = shard.pause();
            if !pause.is_zero() {
                thread::sleep(pause);
            }
            if watch.looked.elapsed() >= LOOK {
                watch.look(shard, puts * entry_bytes, false)?;
                let index_bytes = shard.stats().index_bytes as usize;
                shard.set_cache_bytes(self.place.options().cache_bytes.saturating_sub(index_bytes));
            }
        }
        Ok(keys)
    }
}

impl Watch {
    fn new(growing: u64) -> Watch {
        let now = Instant::now();
        Watch {
            began: now,
            looked: now,
            looks: 0,
            rows: Vec::new(),
            lined: (0, now),
            growing,
            first: 0,
            later: 0,
        }
    }

    /// Looks at the memory; prints a line now and then, or if asked to.
    fn look(&mut self, shard: &mut Shard, put: u64, line: bool) -> Result<()> {
        let resident = resident_bytes()?;
        let peak = if put <= self.growing { &mut self.first } else { &mut self.later };
        *peak = resident.max(*peak);
        self.looked = Instant::now();
        self.looks += 1;
        if !line && !self.looks.is_multiple_of(LOOKS_PER_LINE) {
            return Ok(());
        }
        let stats = shard.stats();
        let rate = (put - self.lined.0) as f64 / 1e6 / self.lined.1.elapsed().as_secs_f64();
        self.lined = (put, self.looked);
        let amplification = written_bytes()? as f64 / put.max(1) as f64;
        let seconds = self.began.elapsed().as_secs_f64();
        println!(
            "| {seconds:.0} | {:.1} | {rate:.0} | {} | {} | {} | {} | {} | {} | {amplification:.2} |",
            put as f64 / 1e9,
            mib(resident),
            mib(stats.active_bytes + stats.frozen_bytes),
            mib(stats.cache_bytes),
            mib(stats.index_bytes),
            stats.tables,
            mib(stats.table_bytes),
        );
        self.rows.push(json!({
            "seconds": seconds, "bytes": put, "megabytes_per_second": rate, "resident_bytes": resident,
            "active_bytes": stats.active_bytes, "frozen_bytes": stats.frozen_bytes,
            "cache_bytes": stats.cache_bytes, "index_bytes": stats.index_bytes, "tables": stats.tables,
            "table_bytes": stats.table_bytes, "write_amplification": amplification,
        }));
        Ok(())
    }
}

fn free_bytes(folder: &Path) -> Result<u64> {
    let disk = statvfs(folder)?;
    Ok(disk.f_bavail * disk.f_frsize)
}
