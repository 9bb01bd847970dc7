//! Work that touches the disk, as values: an engine gives a [`Job`], somebody runs it anywhere, the engine
//! takes the [`JobDone`]. A job changes nothing that an engine sees before its result is taken, and a job that
//! never runs or never comes back loses nothing that the log does not hold.

use crate::{
    checkpoint::Part,
    disk::{Disk, Space, remove_if_there},
    manifest::{self, Manifest},
    meta,
    table::{Damage, Table},
};
use clockwise_core::storage::Page;
use std::{io, sync::Arc};

mod checkpoint;
mod compact;
mod flush;
mod free;
mod read;
mod scan;

pub(crate) use checkpoint::CheckpointJob;
pub use compact::CompactionFilter;
pub(crate) use compact::{CompactDone, CompactJob, CompactPlan};
pub(crate) use flush::{FlushDone, FlushJob, Flushing};
pub(crate) use free::FreeJob;
pub(crate) use read::{ReadDone, ReadJob};
pub(crate) use scan::ScanJob;

/// Lookups that a thread takes at a time. More save little and make the first wait for the last.
const READS_AT_ONCE: usize = 8;

/// A piece of work for the disk.
pub struct Job {
    shard: usize,
    work: Work,
}

/// What kind of work a job is, to decide what runs first: a client waits for a read, memory to be given back, a flush
/// and an install, nobody for the others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum JobKind {
    /// A lookup that needs the disk.
    Read,
    /// Some memory is given back. Waits for nothing and is short, but there are many of them one after the other, which
    /// should not wait for flushes.
    Free,
    /// A cell's manifest is written.
    Install,
    /// A memtable is written to a table.
    Flush,
    /// A look at the disk's free space.
    Space,
    /// Records of a slot are read in order.
    Scan,
    /// A checkpoint's folder is made.
    Checkpoint,
    /// A table that was found damaged is read through.
    Survey,
    /// Tables are merged.
    Compact,
    /// A file is removed.
    Remove,
}

/// Which jobs should not wait for each other: whoever runs jobs has threads for each of these.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Lane {
    /// Cold reads and pages of scans. Each waits for the disk, so many should be in flight at a time.
    Read,
    /// What memory waits for: flushes, what makes them visible, and short work of the disk.
    Flush,
    /// Merges, which nobody waits for; see [`Job::is_patient`].
    Merge,
    /// Giving memory back, which is done in moments.
    Free,
}

impl Lane {
    /// All of them; the place of a lane is its number.
    pub const ALL: [Lane; 4] = [Lane::Read, Lane::Flush, Lane::Merge, Lane::Free];
}

impl JobKind {
    /// How many jobs of this kind a thread should take at a time, if they wait: so many lookups cost hardly more wake-ups than
    /// one, and [`Job::announce`] lets the disk work on all of them.
    pub const fn at_once(self) -> usize {
        match self {
            JobKind::Read => READS_AT_ONCE,
            _ => 1,
        }
    }

    /// Where it runs.
    pub fn lane(self) -> Lane {
        match self {
            JobKind::Read | JobKind::Scan => Lane::Read,
            JobKind::Install | JobKind::Flush | JobKind::Space | JobKind::Checkpoint | JobKind::Remove => {
                Lane::Flush
            }
            JobKind::Compact | JobKind::Survey => Lane::Merge,
            JobKind::Free => Lane::Free,
        }
    }
}

/// The result of a job, for the engine that gave it.
pub struct JobDone {
    pub(crate) shard: usize,
    pub(crate) done: Done,
}

pub(crate) enum Work {
    Read(ReadJob),
    Scan(Box<ScanJob>),
    Flush(FlushJob),
    Compact(Box<CompactJob>),
    Checkpoint(CheckpointJob),
    /// Manifests of cells.
    Install(Vec<(u16, Manifest)>),
    /// A flushed memtable.
    Free(FreeJob),
    /// A table that nobody reads any more: its file, and the memory of its index and filter.
    Remove(Arc<Table>),
    Space,
    Survey(Arc<Table>),
}

pub(crate) enum Done {
    Read(ReadDone),
    Scan {
        page: Page,
        /// The table that ended it because it is damaged.
        damaged: Option<u64>,
    },
    Flush(Vec<FlushDone>),
    /// A merge that goes on.
    Compacting(Box<CompactJob>),
    /// So much memory was given back, in bytes; there may be more.
    Freeing {
        rest: Option<FreeJob>,
        bytes: usize,
    },
    Compact(CompactDone),
    Install {
        cells: Vec<u16>,
        result: io::Result<()>,
    },
    Checkpoint(io::Result<Part>),
    Remove(io::Result<()>),
    Space(io::Result<Space>),
    Survey {
        owner: u64,
        damage: Vec<Damage>,
    },
}

impl Job {
    pub(crate) fn of(shard: usize, work: Work) -> Job {
        Job { shard, work }
    }

    pub(crate) fn read(shard: usize, job: ReadJob) -> Job {
        Job { shard, work: Work::Read(job) }
    }

    /// The shard whose engine gave it.
    pub fn shard(&self) -> usize {
        self.shard
    }

    /// What kind of work it is.
    pub fn kind(&self) -> JobKind {
        match self.work {
            Work::Read(_) => JobKind::Read,
            Work::Scan(_) => JobKind::Scan,
            Work::Flush(_) => JobKind::Flush,
            Work::Compact(_) => JobKind::Compact,
            Work::Checkpoint(_) => JobKind::Checkpoint,
            Work::Install(_) => JobKind::Install,
            Work::Free(_) => JobKind::Free,
            Work::Remove(_) => JobKind::Remove,
            Work::Space => JobKind::Space,
            Work::Survey(_) => JobKind::Survey,
        }
    }

    /// Whether it may take its time: nobody waits for it, and it should leave the processor to those who do.
    pub fn is_patient(&self) -> bool {
        matches!(&self.work, Work::Compact(job) if !job.urgent)
    }

    /// Has the disk begin with what a lookup reads first, without waiting: for a thread that is to run several jobs one after
    /// the other, so that the disk works on all of them at a time.
    pub fn announce(&self) {
        if let Work::Read(job) = &self.work {
            job.announce();
        }
    }

    /// Does the work; may block on the disk for as long as it takes.
    pub fn run(self, disk: &dyn Disk) -> JobDone {
        let done = match self.work {
            Work::Read(job) => Done::Read(job.run()),
            Work::Scan(job) => job.run(),
            Work::Flush(job) => job.run(disk),
            Work::Compact(job) => job.run(disk),
            Work::Checkpoint(job) => Done::Checkpoint(job.run(disk)),
            Work::Install(manifests) => {
                let cells = manifests.iter().map(|(cell, _)| *cell).collect();
                Done::Install { cells, result: install(disk, &manifests) }
            }
            Work::Free(job) => job.run(),
            Work::Remove(table) => Done::Remove(remove_if_there(disk, table.path())),
            Work::Space => Done::Space(disk.space()),
            Work::Survey(table) => Done::Survey { owner: table.owner(), damage: table.damage() },
        };
        JobDone { shard: self.shard, done }
    }
}

/// Writes manifests, all or some of which may be found if this fails.
fn install(disk: &dyn Disk, manifests: &[(u16, Manifest)]) -> io::Result<()> {
    let records: Vec<(String, Vec<u8>)> =
        manifests.iter().map(|(cell, manifest)| (manifest::name(*cell), manifest.encode())).collect();
    meta::save_all(disk, records.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())))
}

impl JobDone {
    /// The shard whose engine takes it.
    pub fn shard(&self) -> usize {
        self.shard
    }
}
