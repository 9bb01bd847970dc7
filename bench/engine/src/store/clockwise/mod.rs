//! Our engine: one shard for each driver, with the threads that the server has.

use super::{Cold, Durable, Store};
use crate::{
    load::{Key, Values, key},
    setup::{BLOCK_BYTES, BLOOM_BITS, Setup},
};
use anyhow::Result;
use clockwise_store::{Compression, Disk, Options, RealDisk, open};
use driver::Driver;
use std::{
    path::Path,
    sync::{Arc, mpsc},
    thread,
};
use threads::{Merging, Threads};

mod activity;
mod driver;
mod queue;
pub mod threads;

pub use activity::Seen;

/// Our engine.
pub struct Clockwise {
    drivers: Vec<Driver>,
    threads: Threads,
}

fn options(setup: &Setup) -> Options {
    let compression = if setup.compression { Compression::Lz4 } else { Compression::None };
    Options {
        shards: setup.drivers,
        // Flushes begin just below this; writes are refused at half as much again.
        memtable_bytes: setup.case.write_buffer_bytes() as usize * 2 / 3,
        // Ours takes indexes and filters off by itself.
        cache_bytes: setup.case.memory_bytes() as usize / 2,
        compression,
        block_bytes: BLOCK_BYTES,
        bloom_bits_per_key: BLOOM_BITS,
        // The benchmark does not fill the disk, and no other engine minds.
        reserve_bytes: 64 << 20,
        reserve_percent: 0,
        ..Options::default()
    }
}

impl Store for Clockwise {
    fn open(folder: &Path, setup: &Setup) -> Result<Self> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::open(folder)?);
        let opened = open(Arc::clone(&disk), options(setup))?;
        let (senders, inboxes): (Vec<_>, Vec<_>) = (0..setup.drivers).map(|_| mpsc::channel()).unzip();
        let threads = Threads::start(opened.log, setup.durable, Merging::Hurried, &disk, &senders)?;
        let driver = |(engine, inbox)| Driver::new(engine, inbox, Arc::clone(&threads.shared));
        let drivers = opened.engines.into_iter().zip(inboxes).map(driver).collect();
        Ok(Self { drivers, threads })
    }

    fn put(&mut self, key: &Key, value: &[u8]) -> Result<()> {
        self.drivers[0].put(key, value).map(drop)
    }

    fn put_together(&mut self, numbers: &[u64], values: &mut Values) -> Result<()> {
        for &number in numbers {
            self.drivers[0].put(&key(number), values.of(number))?;
        }
        self.drivers[0].step();
        Ok(())
    }

    fn get(&mut self, key: &Key) -> Result<Option<usize>> {
        self.drivers[0].get(key)
    }

    fn cold(&mut self, work: &Cold<'_>) -> Result<u64> {
        self.drivers[0].cold(work)
    }

    fn spread(drivers: usize, in_flight: usize) -> (usize, usize) {
        // A driver has many puts in flight as it is.
        (drivers, in_flight)
    }

    fn durable(&mut self, work: &Durable) -> Result<u64> {
        thread::scope(|scope| {
            let drive = |driver| scope.spawn(move || Driver::durable(driver, work));
            let running: Vec<_> = self.drivers.iter_mut().map(drive).collect();
            running.into_iter().map(|thread| thread.join().expect("a panic ends the process")).sum()
        })
    }

    fn scan_all(&mut self) -> Result<u64> {
        self.drivers[0].scan_all()
    }

    fn scan_from(&mut self, from: &Key, most: u64) -> Result<u64> {
        self.drivers[0].scan_from(from, most)
    }

    fn settle(&mut self) -> Result<()> {
        self.drivers.iter_mut().try_for_each(Driver::settle)
    }

    fn flush(&mut self) -> Result<()> {
        self.drivers.iter_mut().try_for_each(Driver::flush)
    }

    fn close(mut self) -> Result<()> {
        self.settle()?;
        self.threads.stop()
    }
}
