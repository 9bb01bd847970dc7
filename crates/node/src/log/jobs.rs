//! Jobs of the engines, in four lanes: cold reads, of which many are in flight at a time since each waits for the disk;
//! what memory waits for (flushes and what makes them visible); merges, which nobody waits for; and giving memory back,
//! which is done in moments and waits for none of those.

use crate::{server::Shared, shard::Letter};
use clockwise_store::{Disk, Job, JobKind};
use std::{
    collections::VecDeque,
    fmt, io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Threads by lane. Readers sleep in the kernel for most of their time.
const THREADS: [(&str, usize); 4] = [("read", 32), ("flush", 1), ("compaction", 1), ("free", 1)];

/// Longest pause between two slices of a merge that can wait.
const PATIENCE: Duration = Duration::from_millis(50);

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
    lanes: [Lane; THREADS.len()],
}

impl fmt::Debug for JobQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobQueue").finish_non_exhaustive()
    }
}

/// The lane of a kind of job.
fn lane_of(kind: JobKind) -> usize {
    match kind {
        JobKind::Read | JobKind::Scan => 0,
        JobKind::Install | JobKind::Flush | JobKind::Space | JobKind::Checkpoint | JobKind::Remove => 1,
        JobKind::Compact | JobKind::Survey => 2,
        JobKind::Free => 3,
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
        let lane = &self.lanes[lane_of(job.kind())];
        lane.lock().jobs.push_back((shard, job));
        lane.arrived.notify_one();
    }

    /// What has not begun is dropped: every job may be lost, as at a power cut.
    pub(crate) fn close(&self) {
        for lane in &self.lanes {
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
    let mut threads = Vec::new();
    for (lane, (name, count)) in THREADS.into_iter().enumerate() {
        for number in 0..count {
            let (shared, disk) = (Arc::clone(shared), Arc::clone(disk));
            let thread = thread::Builder::new().name(format!("{name}-{number}"));
            threads.push(thread.spawn(move || {
                let _guard = shared.watch("a job thread");
                while let Some((shard, job)) = shared.jobs.lanes[lane].next() {
                    let (patient, began) = (job.is_patient(), Instant::now());
                    let done = job.run(&*disk);
                    shared.mailboxes[usize::from(shard)].post(Letter::JobDone(Box::new(done)));
                    if patient {
                        // Half of a processor at most, and a short slice at a time.
                        thread::sleep(began.elapsed().min(PATIENCE));
                    }
                }
            })?);
        }
    }
    Ok(threads)
}
