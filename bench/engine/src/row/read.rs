//! Gets and scans of a folder that holds all keys of a case.

use super::{Task, measured};
use crate::{
    load::{Shuffle, absent_key, key, mixed},
    measure::Figures,
    setup::Case,
    store::{Cold, Store},
};
use anyhow::{Result, ensure};

/// Gets of cold keys that are under way at once.
pub const IN_FLIGHT: usize = 32;
/// Times that hot keys are touched before they are measured.
const WARM_UP: u64 = 3;
/// Entries of a range.
const RANGE: u64 = 100;
/// Seed of the choice of hot keys.
const HOT: u64 = 2;

/// The numbers of the hot keys, and a walk over them in no order.
pub struct Hot {
    numbers: Vec<u64>,
}

impl Hot {
    /// Of a case.
    pub fn new(case: &Case) -> Self {
        let shuffle = Shuffle::new(case.keys, HOT);
        Self { numbers: (0..case.hot_keys()).map(|place| shuffle.at(place)).collect() }
    }

    /// One of them.
    pub fn at(&self, step: u64) -> u64 {
        self.numbers[(mixed(step) % self.numbers.len() as u64) as usize]
    }

    /// Brings all into memory.
    pub fn warm_up<S: Store>(&self, store: &mut S) -> Result<()> {
        for _ in 0..WARM_UP {
            for &number in &self.numbers {
                ensure!(store.get(&key(number))?.is_some(), "a key is gone");
            }
        }
        store.settle()
    }
}

/// Gets of hot keys.
pub fn hot<S: Store>(task: &Task) -> Result<Figures> {
    let hot = Hot::new(&task.case);
    let mut store = S::open(&task.folder, &task.setup())?;
    hot.warm_up(&mut store)?;
    let operations = task.operations(2_000_000);
    let figures = measured(&mut store, |store| {
        for step in 0..operations {
            let length = store.get(&key(hot.at(step)))?;
            ensure!(length == Some(task.case.value_bytes), "a value is gone or has another length");
        }
        Ok(operations)
    })?;
    store.close()?;
    Ok(figures)
}

/// Gets of keys that were never put.
pub fn absent<S: Store>(task: &Task) -> Result<Figures> {
    let mut store = S::open(&task.folder, &task.setup())?;
    store.settle()?;
    let operations = task.operations(1_000_000);
    let figures = measured(&mut store, |store| {
        for step in 0..operations {
            let length = store.get(&absent_key(mixed(step) % task.case.keys))?;
            ensure!(length.is_none(), "a key is there that was never put");
        }
        Ok(operations)
    })?;
    store.close()?;
    Ok(figures)
}

/// Distinct keys in no order, few enough that most of their blocks are asked for once.
pub fn cold_numbers(task: &Task, seed: u64) -> Vec<u64> {
    let blocks = task.case.data_bytes() / 4096;
    let count = (blocks / 8).clamp(1_000, task.operations(50_000)).min(task.case.keys);
    let shuffle = Shuffle::new(task.case.keys, seed + 16 * task.round);
    (0..count).map(|place| shuffle.at(place)).collect()
}

/// Gets of cold keys.
pub fn cold<S: Store>(task: &Task) -> Result<Figures> {
    let numbers = cold_numbers(task, 3);
    let mut store = S::open(&task.folder, &task.setup())?;
    store.settle()?;
    let figures = measured(&mut store, |store| {
        let found = store.cold(&Cold { numbers: &numbers, in_flight: IN_FLIGHT, then_put: None })?;
        ensure!(found == numbers.len() as u64, "{} of {} keys were there", found, numbers.len());
        Ok(found)
    })?;
    store.close()?;
    Ok(figures)
}

/// All entries; an operation is an entry.
pub fn scan_full<S: Store>(task: &Task) -> Result<Figures> {
    let mut store = S::open(&task.folder, &task.setup())?;
    store.settle()?;
    let figures = measured(&mut store, |store| {
        let count = store.scan_all()?;
        ensure!(count == task.case.keys, "{count} of {} keys were there", task.case.keys);
        Ok(count)
    })?;
    store.close()?;
    Ok(figures)
}

/// Ranges; an operation is a range.
pub fn scan_range<S: Store>(task: &Task) -> Result<Figures> {
    let mut store = S::open(&task.folder, &task.setup())?;
    store.settle()?;
    let operations = task.operations(20_000);
    let figures = measured(&mut store, |store| {
        let mut entries = 0;
        for step in 0..operations {
            entries += store.scan_from(&key(mixed(step) % task.case.keys), RANGE)?;
        }
        // Some ranges reach the end of the keys.
        let least = operations * RANGE.min(task.case.keys / 64) / 2;
        ensure!((least..=operations * RANGE).contains(&entries), "{operations} ranges had {entries} entries");
        Ok(operations)
    })?;
    store.close()?;
    Ok(figures)
}
