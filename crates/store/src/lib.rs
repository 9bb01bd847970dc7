//! What Clockwise keeps: commit log, memtable, SSTables.
//!
//! An engine is a value: [`Engine::take_batch`](engine::Engine::take_batch) gives bytes for the log, lookups
//! that need the disk and all background work come out as [`Job`]s that anybody may run, results go
//! back in. There is no thread, no clock and no random source in this crate; files are reached through
//! [`disk::Disk`] only, which has a real and a simulated form.
//!
//! | room | owns |
//! |---|---|
//! | [`disk`] | the seam to files: [`disk::RealDisk`], [`disk::SimDisk`] |
//! | [`meta`] | small records that are replaced as a whole |
//! | [`log`] | the commit log of a server: segments, frames, group commit |
//! | [`engine`] | one shard's cells: memtables, lookups, flush and compaction planning |
//! | [`table`] | SSTables: blocks, index, Bloom filter, builder, merge |
//! | [`damage`] | which slots damage touches |
//! | [`manifest`] | which tables make up a cell, and what is remembered per slot |
//! | [`cache`] | records and decompressed blocks within a byte budget |
//! | [`mod@checkpoint`] | a folder of linked tables that opens like any other |
//! | [`job`] | work that touches the disk, as values |
//! | [`mod@open`] | creating a folder, and recovery |
//! | [`check`] | looking for damage in a folder that nobody serves |
//! | [`options`], [`limits`], [`error`] | settings, caps, failures |
//!
//! Deliberately absent: transactions over slots, merge operators, snapshots for lookups.
#![forbid(unsafe_code)]

pub mod cache;
pub mod check;
pub mod checkpoint;
mod checksum;
pub mod damage;
pub mod disk;
mod drops;
pub mod engine;
pub mod error;
pub mod job;
pub mod limits;
pub mod log;
pub mod manifest;
pub mod meta;
pub mod open;
pub mod options;
mod steady;
pub mod table;

pub use damage::SlotRange;
pub use disk::{Disk, DiskFile, RealDisk, SimDisk, Space, SubDisk};
pub use engine::{Engine, EngineStats, Flushed, Scan, ScanRange, Scanned};
pub use error::{LogError, MetaError, OpenError};
pub use job::{CompactionFilter, Job, JobDone, JobKind, Lane};
pub use log::{Log, LogBatch, LogStats};
pub use open::{Opened, RecoveryReport, open};
pub use options::{Compression, Options};
