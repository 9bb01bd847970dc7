//! The rows of the table: what an engine is made to do. Each row of each engine runs in a process of its own.

use crate::{
    measure::{Figures, Meter, resident_bytes},
    setup::{Case, Setup},
    store::Store,
};
use anyhow::Result;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

mod durable;
mod put;
mod read;
mod reopen;
mod write;

pub use reopen::fill as fill_and_wait;

/// A row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Row {
    /// Puts of new keys in no order, each by itself; the following rows work on what it leaves
    PutRandom,
    /// Gets of keys whose blocks are in memory
    HotGet,
    /// Gets of keys that were never put
    Absent,
    /// Gets of cold keys, 32 in flight
    ColdGet,
    /// All entries in order
    ScanFull,
    /// 100 entries in order from a key on
    ScanRange,
    /// Get and put of hot keys
    ReadModifyWrite,
    /// Get and put of cold keys, 32 in flight
    OverwriteCold,
    /// As put-random, 64 puts in one batch
    PutTogether,
    /// Puts of new keys in key order, each by itself
    PutSequential,
    /// Durable puts, two drivers with 64 in flight each; blocking engines get 2 threads with batches of 64
    Durable,
    /// The same, blocking engines get 128 threads with one put each
    DurableThreads,
    /// As put-random, without compression, for the size on disk
    Uncompressed,
    /// Opening after kill -9
    Reopen,
}

impl Row {
    /// All, in the order in which they run.
    pub const ALL: [Row; 14] = [
        Row::PutRandom,
        Row::HotGet,
        Row::Absent,
        Row::ColdGet,
        Row::ScanFull,
        Row::ScanRange,
        Row::ReadModifyWrite,
        Row::OverwriteCold,
        Row::PutTogether,
        Row::PutSequential,
        Row::Durable,
        Row::DurableThreads,
        Row::Uncompressed,
        Row::Reopen,
    ];

    /// Whether it works on what [`Row::PutRandom`] left.
    pub fn needs_data(self) -> bool {
        use Row::{Absent, ColdGet, HotGet, OverwriteCold, ReadModifyWrite, ScanFull, ScanRange};
        matches!(self, HotGet | Absent | ColdGet | ScanFull | ScanRange | ReadModifyWrite | OverwriteCold)
    }

    /// Whether the operating system shall hold nothing of the files when it begins.
    pub fn is_cold(self) -> bool {
        matches!(self, Row::ColdGet | Row::OverwriteCold)
    }
}

/// What a process is to do.
#[derive(Clone, Debug)]
pub struct Task {
    /// The row.
    pub row: Row,
    /// Sizes.
    pub case: Case,
    /// The engine's folder.
    pub folder: PathBuf,
    /// In which round, from 0.
    pub round: u64,
    /// Fewer operations.
    pub quick: bool,
}

impl Task {
    fn setup(&self) -> Setup {
        Setup { case: self.case, compression: true, drivers: 1, durable: false }
    }

    /// Operations of a row that is not about all keys.
    fn operations(&self, full: u64) -> u64 {
        if self.quick { full / 5 } else { full }
    }
}

/// Runs a row.
pub fn run<S: Store>(task: &Task) -> Result<Figures> {
    let base = resident_bytes()?;
    let figures = match task.row {
        Row::PutRandom | Row::PutTogether | Row::PutSequential | Row::Uncompressed => put::run::<S>(task),
        Row::HotGet => read::hot::<S>(task),
        Row::Absent => read::absent::<S>(task),
        Row::ColdGet => read::cold::<S>(task),
        Row::ScanFull => read::scan_full::<S>(task),
        Row::ScanRange => read::scan_range::<S>(task),
        Row::ReadModifyWrite => write::read_modify_write::<S>(task),
        Row::OverwriteCold => write::overwrite_cold::<S>(task),
        Row::Durable => durable::run::<S>(task, durable::Blocking::Batches),
        Row::DurableThreads => durable::run::<S>(task, durable::Blocking::Threads),
        Row::Reopen => reopen::run::<S>(task),
    }?;
    Ok(Figures { base_rss_bytes: base, ..figures })
}

/// Measures operations until they are answered (wall time) and their background work is done (CPU). `act`
/// answers how many there were.
fn measured<S: Store>(store: &mut S, act: impl FnOnce(&mut S) -> Result<u64>) -> Result<Figures> {
    let meter = Meter::start()?;
    let operations = act(store)?;
    let wall_ns = meter.wall_ns();
    store.settle()?;
    meter.stop(operations, wall_ns)
}
