//! The engines under test behind one face. What a row asks for, each engine does in the way that suits it best;
//! what is asked is the same.

use crate::{
    load::{Key, Values},
    setup::Setup,
};
use anyhow::Result;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::{path::Path, time::Instant};

pub mod clockwise;
mod fjall;
#[cfg(rocksdb)]
mod rocksdb;
mod threads;

pub use clockwise::Clockwise;
pub use fjall::Fjall;
#[cfg(rocksdb)]
pub use rocksdb::Rocksdb;

/// An engine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// Ours.
    Clockwise,
    /// The one to beat.
    Rocksdb,
    /// In the same table for orientation.
    Fjall,
}

impl Engine {
    /// All.
    pub const ALL: [Engine; 3] = [Engine::Clockwise, Engine::Rocksdb, Engine::Fjall];

    /// Its name in tables and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Engine::Clockwise => "clockwise",
            Engine::Rocksdb => "rocksdb",
            Engine::Fjall => "fjall",
        }
    }

    /// Whether the program was compiled with it.
    pub fn is_linked(self) -> bool {
        self != Engine::Rocksdb || cfg!(rocksdb)
    }
}

/// Gets (and puts) of cold keys.
pub struct Cold<'a> {
    /// The numbers of the keys.
    pub numbers: &'a [u64],
    /// How many are under way at once.
    pub in_flight: usize,
    /// Each get is followed by a put of the key, with a value of this many bytes.
    pub then_put: Option<usize>,
}

/// Puts of which each counts when it would survive a power cut.
pub struct Durable {
    /// Keys are drawn from the numbers below this one.
    pub keys: u64,
    /// Bytes of a value.
    pub value_bytes: usize,
    /// Threads.
    pub drivers: usize,
    /// Puts under way per thread.
    pub in_flight: usize,
    /// When to stop.
    pub until: Instant,
}

/// An open engine. Errors are final.
pub trait Store: Sized {
    /// Opens a folder, making it if there is none.
    fn open(folder: &Path, setup: &Setup) -> Result<Self>;

    /// One put among many that are independent of each other.
    fn put(&mut self, key: &Key, value: &[u8]) -> Result<()>;

    /// Puts that may reach the log together.
    fn put_together(&mut self, numbers: &[u64], values: &mut Values) -> Result<()>;

    /// The length of a key's value.
    fn get(&mut self, key: &Key) -> Result<Option<usize>>;

    /// Asks for cold keys; answers how many were there.
    fn cold(&mut self, work: &Cold<'_>) -> Result<u64>;

    /// How threads and puts in flight per thread are dealt out when each put is a call of its own.
    fn spread(drivers: usize, in_flight: usize) -> (usize, usize) {
        (drivers * in_flight, 1)
    }

    /// Puts durably; answers how many.
    fn durable(&mut self, work: &Durable) -> Result<u64>;

    /// Reads all entries in the engine's order; answers how many there were.
    fn scan_all(&mut self) -> Result<u64>;

    /// Reads up to so many entries in the engine's order from a key on; answers how many there were.
    fn scan_from(&mut self, from: &Key, most: u64) -> Result<u64>;

    /// Waits until what was put has reached the log's file and no background work is left.
    fn settle(&mut self) -> Result<()>;

    /// Has everything written to tables and settles.
    fn flush(&mut self) -> Result<()>;

    /// Closes it in order.
    fn close(self) -> Result<()>;
}
