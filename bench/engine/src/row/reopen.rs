//! Opening a folder whose process was killed in the middle of puts.

use super::{Task, put::ORDER};
use crate::{
    load::{Shuffle, Values, key},
    measure::{Figures, Meter},
    store::Store,
};
use anyhow::{Result, ensure};
use std::{
    io::{self, Write},
    thread,
};

/// Keys that are looked for after the opening, outside of what is measured.
const CHECKED: u64 = 200;

/// How many keys are put before the kill: not the same in each round, as what is in the log and not in tables
/// depends on it.
fn put_keys(task: &Task) -> u64 {
    task.case.keys - task.case.keys / 23 * (task.round % 8)
}

/// Puts, says so on the standard output and waits to be killed.
pub fn fill<S: Store>(task: &Task) -> Result<Figures> {
    let mut values = Values::new(task.case.value_bytes);
    let mut store = S::open(&task.folder, &task.setup())?;
    let order = Shuffle::new(task.case.keys, ORDER);
    for place in 0..put_keys(task) {
        let number = order.at(place);
        store.put(&key(number), values.of(number))?;
    }
    // What was put survives the process only once it is in the log's file.
    store.settle()?;
    println!("ready");
    io::stdout().flush()?;
    loop {
        thread::park();
    }
}

/// Opens and gets a key; nothing else is measured.
pub fn run<S: Store>(task: &Task) -> Result<Figures> {
    let order = Shuffle::new(task.case.keys, ORDER);
    let last = put_keys(task) - 1;
    let meter = Meter::start()?;
    let mut store = S::open(&task.folder, &task.setup())?;
    let found = store.get(&key(order.at(last)))?;
    let figures = meter.stop(1, meter.wall_ns())?;
    ensure!(found == Some(task.case.value_bytes), "the last put is gone");
    for back in 0..CHECKED.min(last) {
        ensure!(store.get(&key(order.at(last - back)))?.is_some(), "a put is gone");
        ensure!(store.get(&key(order.at(back)))?.is_some(), "a put is gone");
    }
    store.close()?;
    Ok(figures)
}
