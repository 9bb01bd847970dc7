//! Gets with puts behind them, of keys that are there.

use super::{
    Task, measured,
    read::{Hot, IN_FLIGHT, cold_numbers},
};
use crate::{
    load::{Values, key},
    measure::Figures,
    store::{Cold, Store},
};
use anyhow::{Result, ensure};

/// Get and put of hot keys.
pub fn read_modify_write<S: Store>(task: &Task) -> Result<Figures> {
    let hot = Hot::new(&task.case);
    let mut values = Values::new(task.case.value_bytes);
    let mut store = S::open(&task.folder, &task.setup())?;
    hot.warm_up(&mut store)?;
    let operations = task.operations(1_000_000);
    let figures = measured(&mut store, |store| {
        for step in 0..operations {
            let number = hot.at(step);
            let key = key(number);
            ensure!(store.get(&key)?.is_some(), "a key is gone");
            store.put(&key, values.of(number))?;
        }
        Ok(operations)
    })?;
    store.close()?;
    Ok(Figures { user_bytes: operations * task.case.entry_bytes(), ..figures })
}

/// Get and put of cold keys.
pub fn overwrite_cold<S: Store>(task: &Task) -> Result<Figures> {
    let numbers = cold_numbers(task, 4);
    let mut store = S::open(&task.folder, &task.setup())?;
    store.settle()?;
    let work = Cold { numbers: &numbers, in_flight: IN_FLIGHT, then_put: Some(task.case.value_bytes) };
    let figures = measured(&mut store, |store| {
        let found = store.cold(&work)?;
        ensure!(found == numbers.len() as u64, "{} of {} keys were there", found, numbers.len());
        Ok(found)
    })?;
    store.close()?;
    Ok(Figures { user_bytes: numbers.len() as u64 * task.case.entry_bytes(), ..figures })
}
