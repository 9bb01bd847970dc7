//! fjall.

use super::{
    Cold, Durable, Store,
    threads::{self, Concurrent},
};
use crate::{
    load::{Key, Values, key},
    setup::{BACKGROUND_THREADS, BLOCK_BYTES, BLOOM_BITS, Setup},
};
use anyhow::Result;
use fjall::{
    CompressionType, Database, Guard, Keyspace, KeyspaceCreateOptions, PersistMode,
    compaction::Leveled,
    config::{
        BlockSizePolicy, BloomConstructionPolicy, CompressionPolicy, FilterPolicy, FilterPolicyEntry,
        PartitioningPolicy, PinningPolicy,
    },
};
use std::{path::Path, sync::Arc, thread, time::Duration};

/// fjall with one keyspace.
pub struct Fjall {
    database: Database,
    keyspace: Keyspace,
}

/// Compactions follow each other without a trace of the next one: idle is who was idle this often ...
const IDLE_LOOKS: u32 = 5;
/// ... at this distance.
const LOOK_EVERY: Duration = Duration::from_millis(10);

fn options(setup: &Setup) -> KeyspaceCreateOptions {
    // Four of them may wait beside the active one before fjall stops writers.
    let memtable_bytes = setup.case.write_buffer_bytes() / 4;
    let compression = if setup.compression { CompressionType::Lz4 } else { CompressionType::None };
    let bloom = FilterPolicyEntry::Bloom(BloomConstructionPolicy::BitsPerKey(BLOOM_BITS as f32));
    KeyspaceCreateOptions::default()
        .max_memtable_size(memtable_bytes)
        .data_block_size_policy(BlockSizePolicy::all(BLOCK_BYTES as u32))
        .data_block_compression_policy(CompressionPolicy::all(compression))
        .filter_policy(FilterPolicy::all(bloom))
        // Filters and indexes in memory, as in the other engines; they are counted in the budget.
        .filter_block_pinning_policy(PinningPolicy::all(true))
        .index_block_pinning_policy(PinningPolicy::all(true))
        .filter_block_partitioning_policy(PartitioningPolicy::all(false))
        .index_block_partitioning_policy(PartitioningPolicy::all(false))
        .compaction_strategy(Arc::new(Leveled::default().with_table_target_size(memtable_bytes.max(2 << 20))))
}

fn read(entries: impl Iterator<Item = Guard>) -> Result<u64> {
    let mut count = 0;
    for entry in entries {
        std::hint::black_box(entry.into_inner()?);
        count += 1;
    }
    Ok(count)
}

impl Store for Fjall {
    fn open(folder: &Path, setup: &Setup) -> Result<Self> {
        let database = Database::builder(folder)
            .cache_size(setup.case.cache_bytes())
            .worker_threads(BACKGROUND_THREADS)
            .open()?;
        let keyspace = database.keyspace("bench", || options(setup))?;
        Ok(Self { database, keyspace })
    }

    fn put(&mut self, key: &Key, value: &[u8]) -> Result<()> {
        self.put_one(key, value, false)
    }

    fn put_together(&mut self, numbers: &[u64], values: &mut Values) -> Result<()> {
        self.put_batch(numbers, values, false)
    }

    fn get(&mut self, key: &Key) -> Result<Option<usize>> {
        self.length(key)
    }

    fn cold(&mut self, work: &Cold<'_>) -> Result<u64> {
        threads::cold(self, work)
    }

    fn durable(&mut self, work: &Durable) -> Result<u64> {
        threads::durable(self, work)
    }

    fn scan_all(&mut self) -> Result<u64> {
        read(self.keyspace.iter())
    }

    fn scan_from(&mut self, from: &Key, most: u64) -> Result<u64> {
        read(self.keyspace.range(&from[..]..).take(most as usize))
    }

    fn settle(&mut self) -> Result<()> {
        let mut idle_looks = 0;
        let mut completed = 0;
        while idle_looks < IDLE_LOOKS {
            thread::sleep(LOOK_EVERY);
            let idle = self.database.outstanding_flushes() == 0
                && self.database.active_compactions() == 0
                && self.keyspace.sealed_memtable_count() == 0
                && self.database.compactions_completed() == completed;
            completed = self.database.compactions_completed();
            idle_looks = if idle { idle_looks + 1 } else { 0 };
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.keyspace.rotate_memtable_and_wait()?;
        self.settle()
    }

    fn close(self) -> Result<()> {
        Ok(self.database.persist(PersistMode::SyncAll)?)
    }
}

impl Concurrent for Fjall {
    fn put_one(&self, key: &Key, value: &[u8], durable: bool) -> Result<()> {
        self.keyspace.insert(&key[..], value)?;
        if durable {
            self.database.persist(PersistMode::SyncData)?;
        }
        Ok(())
    }

    fn put_batch(&self, numbers: &[u64], values: &mut Values, durable: bool) -> Result<()> {
        // A batch without a mode stays in the process; a put goes to the operating system by itself.
        let mode = if durable { PersistMode::SyncData } else { PersistMode::Buffer };
        let mut batch = self.database.batch().durability(Some(mode));
        for &number in numbers {
            batch.insert(&self.keyspace, &key(number)[..], values.of(number));
        }
        Ok(batch.commit()?)
    }

    fn length(&self, key: &Key) -> Result<Option<usize>> {
        Ok(self.keyspace.get(key)?.map(|value| std::hint::black_box(value).len()))
    }
}
