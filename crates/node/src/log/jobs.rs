//! Threads for the jobs of the engines, in the lanes that the engine names: none waits for a job of another lane.

use crate::{server::Shared, shard::Letter};
use clockwise_store::{Disk, Job, Lane as JobLane};
use std::{
    collections::VecDeque,
    fmt, io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Name and number of a lane's threads. Readers sleep in the kernel for most of their time.
fn threads_of(lane: JobLane) -> (&'static str, usize) {
    match lane {
        JobLane::Read => ("read", 32),
        JobLane::Flush => ("flush", 1),
        JobLane::Merge => ("compaction", 1),
        JobLane::Free => ("free", 1),
    }
}

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
    /// In the order of [`JobLane::ALL`].
    lanes: [Lane; JobLane::ALL.len()],
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
        let lane = &self.lanes[job.kind().lane() as usize];
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
    for lane in JobLane::ALL {
        let (name, count) = threads_of(lane);
        for number in 0..count {
            let (shared, disk) = (Arc::clone(shared), Arc::clone(disk));
            let thread = thread::Builder::new().name(format!("{name}-{number}"));
            threads.push(thread.spawn(move || {
                let _guard = shared.watch("a job thread");
                while let Some((shard, job)) = shared.jobs.lanes[lane as usize].next() {
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
