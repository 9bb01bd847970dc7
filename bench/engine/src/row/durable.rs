//! Durable puts: two drivers with 64 in flight each.

use super::{Task, measured};
use crate::{
    measure::Figures,
    setup::Setup,
    store::{Durable, Store},
};
use anyhow::Result;
use std::time::{Duration, Instant};

/// Threads that put.
const DRIVERS: usize = 2;
/// Puts that each has under way.
const IN_FLIGHT: usize = 64;

/// How an engine whose calls block has many puts under way. Ours does the same for both.
#[derive(Clone, Copy)]
pub enum Blocking {
    /// Each driver puts a batch.
    Batches,
    /// A thread for each put; the engine forms groups.
    Threads,
}

/// See the module.
pub fn run<S: Store>(task: &Task, blocking: Blocking) -> Result<Figures> {
    let setup = Setup { drivers: DRIVERS, durable: true, ..task.setup() };
    let mut store = S::open(&task.folder, &setup)?;
    let seconds = if task.quick { 1.0 } else { 4.0 };
    let figures = measured(&mut store, |store| {
        let (drivers, in_flight) = match blocking {
            Blocking::Batches => (DRIVERS, IN_FLIGHT),
            Blocking::Threads => S::spread(DRIVERS, IN_FLIGHT),
        };
        store.durable(&Durable {
            keys: task.case.keys,
            value_bytes: task.case.value_bytes,
            drivers,
            in_flight,
            until: Instant::now() + Duration::from_secs_f64(seconds),
        })
    })?;
    store.close()?;
    Ok(Figures { user_bytes: figures.operations * task.case.entry_bytes(), ..figures })
}
