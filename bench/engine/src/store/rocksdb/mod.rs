//! RocksDB, tuned as its guide says for the memory that it gets: two memtables, a first level as large as the
//! four tables that start a compaction into it, level sizes that follow the last one. The rest is its default.

use super::{
    Cold, Durable, Store,
    threads::{self, Concurrent},
};
use crate::{
    load::{Key, Values, key},
    setup::{BACKGROUND_THREADS, BLOCK_BYTES, BLOOM_BITS, Setup},
};
use anyhow::Result;
use ffi::{Batch, Database, Tuning};
use std::{ffi::CStr, path::Path, thread, time::Duration};

mod ffi;

/// RocksDB.
pub struct Rocksdb {
    database: Database,
}

/// Memtables that share the memory for writes.
const WRITE_BUFFERS: u64 = 2;
/// Tables on level 0 at which they are compacted, RocksDB's default.
const LEVEL_0_TABLES: u64 = 4;
/// What is zero when nothing is left to do.
const BUSY: [&CStr; 4] = [
    c"rocksdb.mem-table-flush-pending",
    c"rocksdb.num-running-flushes",
    c"rocksdb.compaction-pending",
    c"rocksdb.num-running-compactions",
];

impl Store for Rocksdb {
    fn open(folder: &Path, setup: &Setup) -> Result<Self> {
        let write_buffer_bytes = setup.case.write_buffer_bytes() / WRITE_BUFFERS;
        let tuning = Tuning {
            write_buffer_bytes: write_buffer_bytes as usize,
            write_buffers: WRITE_BUFFERS as i32,
            background_jobs: BACKGROUND_THREADS as i32,
            table_bytes: write_buffer_bytes.max(2 << 20),
            level_bytes: write_buffer_bytes * LEVEL_0_TABLES,
            block_bytes: BLOCK_BYTES,
            cache_bytes: setup.case.cache_bytes() as usize,
            bloom_bits: f64::from(BLOOM_BITS),
            lz4: setup.compression,
        };
        Ok(Self { database: Database::open(folder, &tuning)? })
    }

    fn put(&mut self, key: &Key, value: &[u8]) -> Result<()> {
        self.database.put(key, value, false)
    }

    fn put_together(&mut self, numbers: &[u64], values: &mut Values) -> Result<()> {
        self.put_batch(numbers, values, false)
    }

    fn get(&mut self, key: &Key) -> Result<Option<usize>> {
        self.database.length(key)
    }

    fn cold(&mut self, work: &Cold<'_>) -> Result<u64> {
        threads::cold(self, work)
    }

    fn durable(&mut self, work: &Durable) -> Result<u64> {
        threads::durable(self, work)
    }

    fn scan_all(&mut self) -> Result<u64> {
        self.database.scan(&[], u64::MAX)
    }

    fn scan_from(&mut self, from: &Key, most: u64) -> Result<u64> {
        self.database.scan(from, most)
    }

    fn settle(&mut self) -> Result<()> {
        let mut idle_looks = 0;
        while idle_looks < 2 {
            thread::sleep(Duration::from_millis(5));
            let mut busy = 0;
            for property in BUSY {
                busy += self.database.property(property)?;
            }
            idle_looks = if busy == 0 { idle_looks + 1 } else { 0 };
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.database.flush()?;
        self.settle()
    }

    fn close(self) -> Result<()> {
        drop(self.database);
        Ok(())
    }
}

impl Concurrent for Rocksdb {
    fn put_one(&self, key: &Key, value: &[u8], durable: bool) -> Result<()> {
        self.database.put(key, value, durable)
    }

    fn put_batch(&self, numbers: &[u64], values: &mut Values, durable: bool) -> Result<()> {
        let mut batch = Batch::new();
        for &number in numbers {
            batch.put(&key(number), values.of(number));
        }
        self.database.write(&batch, durable)
    }

    fn length(&self, key: &Key) -> Result<Option<usize>> {
        self.database.length(key)
    }
}
