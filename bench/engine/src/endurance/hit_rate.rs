//! How much of a skewed load memory answers: most reads are of few keys, which lie anywhere among the others.

use super::{
    Place, mib, remove,
    shard::{Answer, Shard},
};
use crate::load::{KEY_BYTES, Shuffle, Values, mixed};
use anyhow::{Result, bail, ensure};
use clap::Args;
use clockwise_core::storage::{JobId, Loaded};
use serde_json::json;
use std::{collections::BTreeSet, time::Duration};

/// Reads of hot keys, in percent of all.
const HOT_READS_PERCENT: u64 = 95;
/// Hot keys, in percent of all.
const HOT_KEYS_PERCENT: u64 = 5;
/// Data is this many times the memory.
const DATA_PER_MEMORY: u64 = 8;
/// Part of the memory for memtables, which stand at their bound while there are writes: what is read is in tables.
const MEMTABLE_PART: usize = 8;
/// What is asked: reads of hot keys that memory answers, in percent.
const GOAL_PERCENT: f64 = 95.0;
/// Reads between two turns of the loop.
const BURST: u64 = 64;
/// Waiting for an answer.
const WAIT: Duration = Duration::from_millis(5);

/// Reads 5 % of the keys with 95 % of the reads, with eight times as much data as memory; fails if memory answers
/// fewer than 95 % of the reads of hot keys
#[derive(Args)]
pub struct HitRate {
    #[command(flatten)]
    place: Place,
    /// Bytes of a value
    #[arg(long, default_value_t = 1_000)]
    value_bytes: usize,
    /// Keys [default: as many as make eight times the memory that --memtable-mib and --cache-mib give]
    #[arg(long)]
    keys: Option<u64>,
    /// Reads that count [default: four for each key]
    #[arg(long)]
    reads: Option<u64>,
}

/// Reads of one kind of key.
#[derive(Default)]
struct Reads {
    memory: u64,
    disk: u64,
}

impl Reads {
    fn percent(&self) -> f64 {
        self.memory as f64 * 100.0 / (self.memory + self.disk).max(1) as f64
    }
}

impl HitRate {
    /// Runs it.
    pub fn run(&self) -> Result<()> {
        ensure!(self.value_bytes > 0, "values have bytes");
        let entry_bytes = (self.value_bytes + KEY_BYTES) as u64;
        let given = self.place.options();
        let memory = match self.keys {
            None => given.memtable_bytes + given.cache_bytes,
            Some(keys) => (keys * entry_bytes / DATA_PER_MEMORY) as usize,
        };
        let keys = self.keys.unwrap_or(memory as u64 * DATA_PER_MEMORY / entry_bytes);
        let hot_keys = keys * HOT_KEYS_PERCENT / 100;
        ensure!(hot_keys > 0, "too few keys");
        let mut options = given;
        // Writes are refused at twice this.
        options.memtable_bytes = (memory / MEMTABLE_PART / 2).max(64 << 10);
        options.cache_bytes = memory - 2 * options.memtable_bytes;
        let folder = self.place.fresh_folder("hit-rate")?;
        let mut shard = Shard::open(&folder, options.clone())?;
        self.fill(&mut shard, keys)?;
        // Filters and indexes are part of what the engine was given for its cache.
        let index_bytes = shard.stats().index_bytes;

        let shuffle = Shuffle::new(keys, 2);
        let reads = self.reads.unwrap_or(4 * keys);
        self.read(&mut shard, &shuffle, 0..reads / 2)?;
        let (hot, cold) = self.read(&mut shard, &shuffle, reads / 2..reads + reads / 2)?;
        let all = Reads { memory: hot.memory + cold.memory, disk: hot.disk + cold.disk };
        println!(
            "{keys} keys of {entry_bytes} B, memory of {} MiB (memtables {}, filters and indexes {}, the rest cache)\n\
             reads answered from memory: {:.2} % of those of the {hot_keys} hot keys, {:.2} % of the others, {:.2} % of all",
            mib(memory as u64),
            mib(2 * options.memtable_bytes as u64),
            mib(index_bytes),
            hot.percent(),
            cold.percent(),
            all.percent(),
        );
        self.place.write_json(&json!({
            "keys": keys, "entry_bytes": entry_bytes, "memory_bytes": memory, "index_bytes": index_bytes,
            "hot_percent": hot.percent(), "cold_percent": cold.percent(), "all_percent": all.percent(),
        }))?;
        shard.close()?;
        remove(&folder)?;
        let word = if hot.percent() >= GOAL_PERCENT { "met" } else { "missed" };
        println!("{GOAL_PERCENT} % of the reads of hot keys are answered from memory: {word}");
        ensure!(hot.percent() >= GOAL_PERCENT, "memory answers {:.2} % of the hot reads", hot.percent());
        Ok(())
    }

    fn fill(&self, shard: &mut Shard, keys: u64) -> Result<()> {
        let mut values = Values::new(self.value_bytes);
        let order = Shuffle::new(keys, 1);
        let mut place = 0;
        while place < keys {
            let number = order.at(place);
            let taken = shard.put(number, values.of(number))?;
            place += u64::from(taken);
            if !taken || place.is_multiple_of(BURST) {
                shard.turn(if taken { Duration::ZERO } else { WAIT })?;
            }
        }
        shard.flush()
    }

    /// Reads; answers what came from memory of hot keys and of others.
    fn read(
        &self,
        shard: &mut Shard,
        shuffle: &Shuffle,
        reads: std::ops::Range<u64>,
    ) -> Result<(Reads, Reads)> {
        let (mut hot, mut cold) = (Reads::default(), Reads::default());
        let mut asked: BTreeSet<JobId> = BTreeSet::new();
        let keys = shuffle.size();
        let hot_keys = keys * HOT_KEYS_PERCENT / 100;
        for read in reads {
            let random = mixed(read.wrapping_mul(3));
            let is_hot = random % 100 < HOT_READS_PERCENT;
            let among = mixed(random);
            let place = if is_hot { among % hot_keys } else { hot_keys + among % (keys - hot_keys) };
            let count = if is_hot { &mut hot } else { &mut cold };
            match shard.get(shuffle.at(place)) {
                Answer::Hit => count.memory += 1,
                Answer::Miss => bail!("a key is gone"),
                Answer::Asked(job) => {
                    count.disk += 1;
                    asked.insert(job);
                }
            }
            while asked.len() >= BURST as usize || read.is_multiple_of(BURST) && !asked.is_empty() {
                shard.turn(WAIT)?;
                for loaded in shard.loaded.drain(..).filter_map(Loaded::into_record) {
                    ensure!(matches!(loaded.result, Ok(Some(_))), "a key is gone: {:?}", loaded.result);
                    asked.remove(&loaded.job);
                }
            }
        }
        shard.settle()?;
        shard.loaded.clear();
        Ok((hot, cold))
    }
}
