//! A steady load of puts, by the clock, beside hot reads and what else a server does to its engine: no step may
//! take long.

use super::{
    Place, mib, remove,
    shard::{Answer, Shard},
    steps::{Histogram, LONGEST_CPU, Steps},
};
use crate::{
    load::{KEY_BYTES, Values, mixed},
    machine,
};
use anyhow::{Result, ensure};
use clap::Args;
use clockwise_core::storage::Loaded;
use serde_json::{Value, json};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// Puts between two turns of the loop at most, and reads likewise: what a few clients bring.
const BURST: u64 = 64;
/// Waiting between two turns.
const TURN: Duration = Duration::from_millis(1);
/// One read in so many is of any key, not of a hot one.
const COLD_EVERY: u64 = 50;
/// Lookups of the disk in flight at most.
const COLD_IN_FLIGHT: usize = 64;
/// What hot keys' blocks may take of the cache: half.
const HOT_PART: u64 = 2;
/// Bytes of a block with what it costs beside.
const BLOCK_COST_BYTES: u64 = 4096 + 512;
/// A put that comes so much later than it was due is counted.
const LATE: Duration = Duration::from_millis(20);

/// Runs a steady load and lists what holds the shard's thread up; fails if a step takes over 5 ms of its CPU time
#[derive(Args)]
pub struct Stalls {
    #[command(flatten)]
    place: Place,
    /// Rounds; later ones go on with the data of the earlier
    #[arg(long, default_value_t = 3)]
    rounds: u64,
    /// Length of a round
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,
    /// Puts by the clock, in 10^6 bytes of keys and values a second
    #[arg(long, default_value_t = 20.0)]
    megabytes_per_second: f64,
    /// Bytes of a value
    #[arg(long, default_value_t = 1_000)]
    value_bytes: usize,
    /// Seconds between two scans
    #[arg(long, default_value_t = 2.0)]
    scan_every: f64,
    /// Seconds between two drops of a slot
    #[arg(long, default_value_t = 5.0)]
    drop_every: f64,
    /// Seconds between two checkpoints
    #[arg(long, default_value_t = 15.0)]
    checkpoint_every: f64,
}

/// What comes now and then.
struct Every {
    interval: Duration,
    next: Duration,
}

impl Every {
    fn new(seconds: f64) -> Every {
        let interval = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        Every { interval, next: interval }
    }

    fn is_due(&mut self, now: Duration) -> bool {
        let due = now >= self.next;
        if due {
            self.next = now.saturating_add(self.interval);
        }
        due
    }
}

/// Counts of a round.
#[derive(Default)]
struct Counts {
    puts: u64,
    refused: u64,
    hits: u64,
    misses: u64,
    cold: u64,
    /// From when a put was due to when it was done.
    delay: Histogram,
    late: u64,
    paused: Duration,
}

/// Which keys there are.
struct Keys {
    hot: u64,
    next: u64,
    seed: u64,
}

impl Keys {
    fn random(&mut self) -> u64 {
        self.seed += 1;
        mixed(self.seed)
    }

    /// Every second one is new.
    fn next_put(&mut self) -> u64 {
        let random = self.random();
        if random & 1 == 0 { self.next } else { (random >> 1) % self.next }
    }

    fn put(&mut self, number: u64) {
        self.next = self.next.max(number + 1);
    }

    fn next_get(&mut self, cold: bool) -> u64 {
        self.random() % if cold { self.next } else { self.hot }
    }
}

impl Stalls {
    /// Runs it.
    pub fn run(&self) -> Result<()> {
        ensure!(self.value_bytes > 0 && self.megabytes_per_second > 0.0, "there is nothing to put");
        let folder = self.place.fresh_folder("stalls")?;
        let hot = (self.place.options().cache_bytes as u64 / HOT_PART / BLOCK_COST_BYTES).max(1);
        let mut keys = Keys { hot, next: 0, seed: 0 };
        let (mut rounds, mut too_long, mut longest) = (Vec::new(), 0, Duration::ZERO);
        let machine = machine::description();
        for round in 0..self.rounds.max(1) {
            let (steps, figures) = self.round(&folder, round, &mut keys)?;
            println!("{}", steps.to_markdown());
            too_long += steps.too_long();
            longest = longest.max(steps.longest_cpu());
            rounds.push(figures);
        }
        self.place.write_json(&json!({
            "machine": machine, "rounds": rounds, "too_long": too_long,
            "load_average_at_end": machine::load_average(),
        }))?;
        remove(&folder)?;
        let word = if too_long == 0 { "met" } else { "missed" };
        println!(
            "no step over {LONGEST_CPU:?} of CPU on the shard's thread: {word}; the longest took {longest:.2?}"
        );
        ensure!(too_long == 0, "{too_long} steps took over {LONGEST_CPU:?} of CPU time");
        Ok(())
    }

    fn round(&self, folder: &Path, round: u64, keys: &mut Keys) -> Result<(Steps, Value)> {
        let mut shard = Shard::open(folder, self.place.options())?;
        let mut values = Values::new(self.value_bytes);
        // The hot keys are there from the beginning.
        while keys.next < keys.hot {
            if shard.put(keys.next, values.of(keys.next))? {
                keys.next += 1;
            }
            if keys.next.is_multiple_of(BURST) {
                shard.turn(Duration::ZERO)?;
            }
        }
        shard.settle()?;
        let mut counts = Counts::default();
        let began = Instant::now();
        self.drive(&mut shard, keys, &mut values, &mut counts)?;
        let seconds = began.elapsed().as_secs_f64();
        let stats = shard.stats();
        let steps = shard.close()?;
        let entry_bytes = (self.value_bytes + KEY_BYTES) as f64;
        let rate = counts.puts as f64 * entry_bytes / seconds / 1e6;
        println!(
            "\nround {}: {rate:.1} MB/s of puts, half of them new keys; {} reads from memory ({} absent), {} from the \
             disk; {} flushes, {} merges, {} MiB of tables in {}; load average {:.1}\n\
             puts after they were due: p50 {:.1?}, p99 {:.1?}, p99.99 {:.1?}, most {:.1?}; {} over {LATE:?}; \
             slowed down for {:.1?}, {} turns refused\n",
            round + 1,
            counts.hits + counts.misses,
            counts.misses,
            counts.cold,
            stats.flushes,
            stats.compactions,
            mib(stats.table_bytes),
            stats.tables,
            machine::load_average(),
            counts.delay.quantile(0.5),
            counts.delay.quantile(0.99),
            counts.delay.quantile(0.9999),
            counts.delay.most(),
            counts.late,
            counts.paused,
            counts.refused,
        );
        let figures = json!({
            "seconds": seconds, "megabytes_per_second": rate, "reads_from_memory": counts.hits + counts.misses,
            "absent": counts.misses, "reads_from_disk": counts.cold, "flushes": stats.flushes,
            "merges": stats.compactions, "table_bytes": stats.table_bytes, "tables": stats.tables,
            "put_delay": counts.delay.to_json(), "late_puts": counts.late,
            "slowed_down_s": counts.paused.as_secs_f64(), "refused_turns": counts.refused, "steps": steps.to_json(),
        });
        Ok((steps, figures))
    }

    fn drive(
        &self,
        shard: &mut Shard,
        keys: &mut Keys,
        values: &mut Values,
        counts: &mut Counts,
    ) -> Result<()> {
        let per_put = (self.value_bytes + KEY_BYTES) as f64 / (self.megabytes_per_second * 1e6);
        let (mut scans, mut drops) = (Every::new(self.scan_every), Every::new(self.drop_every));
        let mut checkpoints = Every::new(self.checkpoint_every);
        let (began, mut resume, mut asked) = (Instant::now(), Duration::ZERO, 0);
        loop {
            let now = began.elapsed();
            if now.as_secs_f64() >= self.seconds {
                return Ok(());
            }
            if now >= resume {
                let due = ((now.as_secs_f64() / per_put) as u64).saturating_sub(counts.puts);
                for _ in 0..due.min(BURST) {
                    let number = keys.next_put();
                    if !shard.put(number, values.of(number))? {
                        counts.refused += 1;
                        break;
                    }
                    keys.put(number);
                    counts.puts += 1;
                    let delay =
                        began.elapsed().saturating_sub(Duration::from_secs_f64(counts.puts as f64 * per_put));
                    counts.late += u64::from(delay > LATE);
                    counts.delay.add(delay);
                }
                let pause = shard.pause();
                resume = now + pause;
                counts.paused += pause;
            }
            let reads = counts.hits + counts.misses + counts.cold;
            let due = ((now.as_secs_f64() / per_put) as u64).saturating_sub(reads);
            for read in 0..due.min(BURST) {
                let cold = (reads + read).is_multiple_of(COLD_EVERY) && asked < COLD_IN_FLIGHT;
                match shard.get(keys.next_get(cold)) {
                    Answer::Hit => counts.hits += 1,
                    Answer::Miss => counts.misses += 1,
                    Answer::Asked(_) => {
                        counts.cold += 1;
                        asked += 1;
                    }
                }
            }
            if scans.is_due(now) {
                shard.scan(keys.random())?;
            }
            if drops.is_due(now) {
                let number = keys.random();
                shard.drop_slot(number);
            }
            if checkpoints.is_due(now) {
                shard.checkpoint();
            }
            let behind = (began.elapsed().as_secs_f64() / per_put) as u64 > counts.puts + BURST;
            shard.turn(if behind && resume <= now { Duration::ZERO } else { TURN })?;
            for loaded in shard.loaded.drain(..).filter_map(Loaded::into_record) {
                asked -= 1;
                ensure!(loaded.result.is_ok(), "a lookup failed: {:?}", loaded.result);
            }
        }
    }
}
