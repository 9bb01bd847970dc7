//! Engines whose calls block are driven by threads: one for each operation that is under way.

use super::{Cold, Durable};
use crate::load::{Key, Values, key, mixed};
use anyhow::Result;
use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
    time::Instant,
};

/// An engine that many threads may call.
pub trait Concurrent: Sync {
    /// A put; acknowledged after a sync if `durable`.
    fn put_one(&self, key: &Key, value: &[u8], durable: bool) -> Result<()>;
    /// Puts in one batch, likewise.
    fn put_batch(&self, numbers: &[u64], values: &mut Values, durable: bool) -> Result<()>;
    /// The length of a key's value.
    fn length(&self, key: &Key) -> Result<Option<usize>>;
}

/// See [`super::Store::cold`].
pub fn cold(store: &impl Concurrent, work: &Cold<'_>) -> Result<u64> {
    let next = AtomicU64::new(0);
    each(work.in_flight, |_| {
        let mut values = work.then_put.map(Values::new);
        let mut found = 0;
        while let Some(&number) = work.numbers.get(next.fetch_add(1, Relaxed) as usize) {
            let key = key(number);
            found += u64::from(store.length(&key)?.is_some());
            if let Some(values) = &mut values {
                store.put_one(&key, values.of(number), false)?;
            }
        }
        Ok(found)
    })
}

/// See [`super::Store::durable`]. A driver with several puts in flight puts them as one batch: cheaper than a
/// thread for each.
pub fn durable(store: &impl Concurrent, work: &Durable) -> Result<u64> {
    each(work.drivers, |driver| {
        let mut values = Values::new(work.value_bytes);
        let mut numbers = vec![0; work.in_flight];
        let (mut done, mut seed) = (0, mixed(driver as u64));
        while Instant::now() < work.until {
            for number in &mut numbers {
                seed = seed.wrapping_add(1);
                *number = mixed(seed) % work.keys;
            }
            match numbers[..] {
                [number] => store.put_one(&key(number), values.of(number), true)?,
                _ => store.put_batch(&numbers, &mut values, true)?,
            }
            done += work.in_flight as u64;
        }
        Ok(done)
    })
}

/// Runs the work on so many threads; answers the sum of what they answer.
fn each(threads: usize, work: impl Fn(usize) -> Result<u64> + Sync) -> Result<u64> {
    let work = &work;
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|number| scope.spawn(move || work(number))).collect();
        running.into_iter().map(|thread| thread.join().expect("a panic ends the process")).sum()
    })
}
