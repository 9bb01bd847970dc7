//! What the threads around an engine are doing, so that a pause can be told beside what ran meanwhile.

use clockwise_store::JobKind;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a thread does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Work {
    /// A job's cold read.
    Read,
    /// Memory is given back.
    Free,
    /// A manifest is written.
    Install,
    /// A memtable is written to a table.
    Flush,
    /// A look at the disk's free space.
    Space,
    /// A checkpoint's folder is made.
    Checkpoint,
    /// A damaged table is read through.
    Survey,
    /// A slice of a merge.
    Merge,
    /// A file is removed.
    Remove,
    /// The log writes.
    LogWrite,
    /// The log waits for the disk.
    LogSync,
}

const ALL: [Work; 11] = [
    Work::Read,
    Work::Free,
    Work::Install,
    Work::Flush,
    Work::Space,
    Work::Checkpoint,
    Work::Survey,
    Work::Merge,
    Work::Remove,
    Work::LogWrite,
    Work::LogSync,
];

impl Work {
    /// Of a job.
    pub fn of(kind: JobKind) -> Work {
        match kind {
            JobKind::Read | JobKind::Scan => Work::Read,
            JobKind::Free => Work::Free,
            JobKind::Install => Work::Install,
            JobKind::Flush => Work::Flush,
            JobKind::Space => Work::Space,
            JobKind::Checkpoint => Work::Checkpoint,
            JobKind::Survey => Work::Survey,
            JobKind::Compact => Work::Merge,
            JobKind::Remove => Work::Remove,
        }
    }
}

/// Counts of work by kind.
#[derive(Default)]
pub struct Activity {
    begun: [AtomicU64; ALL.len()],
    ended: [AtomicU64; ALL.len()],
}

/// The counts at an instant.
#[derive(Clone, Copy, Default)]
pub struct Seen {
    begun: [u64; ALL.len()],
    ended: [u64; ALL.len()],
}

impl Activity {
    /// Does the work and counts it.
    pub fn during<R>(&self, what: Work, work: impl FnOnce() -> R) -> R {
        self.begun[what as usize].fetch_add(1, Relaxed);
        let result = work();
        self.ended[what as usize].fetch_add(1, Relaxed);
        result
    }

    /// The counts now.
    pub fn seen(&self) -> Seen {
        let counts = |of: &[AtomicU64; ALL.len()]| std::array::from_fn(|at| of[at].load(Relaxed));
        // What ends in between seems to run still, never the other way round.
        let ended = counts(&self.ended);
        Seen { begun: counts(&self.begun), ended }
    }
}

impl Seen {
    /// What ran at this instant or began between it and a later one, with how often where it was more than once.
    pub fn until(&self, later: &Seen) -> String {
        let ran = ALL.iter().filter_map(|&what| {
            let count = later.begun[what as usize].saturating_sub(self.ended[what as usize]);
            match count {
                0 => None,
                1 => Some(format!("{what:?}")),
                _ => Some(format!("{what:?} x {count}")),
            }
        });
        let ran: Vec<String> = ran.collect();
        if ran.is_empty() { "nothing".to_owned() } else { ran.join(", ") }
    }
}
