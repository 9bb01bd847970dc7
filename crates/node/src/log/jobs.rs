//! Jobs of the engines: cold reads on threads of their own, so that they never wait behind a flush or compaction.

use crate::{server::Shared, shard::Letter};
use clockwise_store::{Disk, Job};
use std::{
    collections::VecDeque,
    fmt, io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

/// Threads for cold reads.
const READERS: usize = 2;
/// Threads for flush and compaction.
const BACKGROUND: usize = 1;

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<(u16, Job)>,
    closed: bool,
}

#[derive(Default)]
struct Lane {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

/// What waits for the job threads. Engines bound what they ask for.
#[derive(Default)]
pub(crate) struct JobQueue {
    reads: Lane,
    background: Lane,
}

impl fmt::Debug for JobQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobQueue").finish_non_exhaustive()
    }
}

impl Lane {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<(u16, Job)> {
        let mut waiting = self.lock();
        loop {
            if waiting.closed {
                return None;
            }
            if let Some(job) = waiting.jobs.pop_front() {
                return Some(job);
            }
            waiting = self.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl JobQueue {
    /// Has a job run; the result goes to the shard's mailbox.
    pub(crate) fn run(&self, shard: u16, job: Job) {
        let lane = if job.kind() == clockwise_store::JobKind::Read { &self.reads } else { &self.background };
        lane.lock().jobs.push_back((shard, job));
        lane.arrived.notify_one();
    }

    /// What has not begun is dropped: every job may be lost, as at a power cut.
    pub(crate) fn close(&self) {
        for lane in [&self.reads, &self.background] {
            let mut waiting = lane.lock();
            waiting.closed = true;
            waiting.jobs.clear();
            lane.arrived.notify_all();
        }
    }
}

/// Starts the threads; they end when the queue is closed.
pub(crate) fn start_job_threads(
    shared: &Arc<Shared>,
    disk: &Arc<dyn Disk>,
) -> io::Result<Vec<JoinHandle<()>>> {
    (0..READERS + BACKGROUND)
        .map(|number| {
            let (shared, disk) = (Arc::clone(shared), Arc::clone(disk));
            let name = if number < READERS { format!("read-{number}") } else { "compaction".to_owned() };
            thread::Builder::new().name(name).spawn(move || {
                let _guard = shared.watch("a job thread");
                let lane = if number < READERS { &shared.jobs.reads } else { &shared.jobs.background };
                while let Some((shard, job)) = lane.next() {
                    let done = job.run(&*disk);
                    shared.mailboxes[usize::from(shard)].post(Letter::JobDone(Box::new(done)));
                }
            })
        })
        .collect()
}
