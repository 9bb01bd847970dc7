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
    /// Threads that sleep until something comes.
    idle: usize,
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

    /// Appends jobs, and wakes as many threads of those that sleep as it takes.
    fn push(&self, jobs: impl Iterator<Item = (u16, Job)>) {
        let mut waiting = self.lock();
        let (mut wanted, mut taken_along, mut last) = (0, 0, None);
        for (shard, job) in jobs {
            let kind = job.kind();
            if last == Some(kind) && taken_along + 1 < kind.at_once() {
                taken_along += 1;
            } else {
                (wanted, taken_along, last) = (wanted + 1, 0, Some(kind));
            }
            waiting.jobs.push_back((shard, job));
        }
        let wanted = waiting.idle.min(wanted);
        drop(waiting);
        (0..wanted).for_each(|_| self.arrived.notify_one());
    }

    /// Waits for a job, and takes those behind it along that a thread should take with it. False: closed.
    fn take(&self, jobs: &mut Vec<(u16, Job)>) -> bool {
        let mut waiting = self.lock();
        loop {
            if waiting.closed {
                return false;
            }
            if let Some(first) = waiting.jobs.front() {
                let kind = first.1.kind();
                let same = |(_, job): &(u16, Job)| job.kind() == kind;
                let count = waiting.jobs.iter().take(kind.at_once()).take_while(|job| same(job)).count();
                jobs.extend(waiting.jobs.drain(..count));
                return true;
            }
            waiting.idle += 1;
            waiting = self.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            waiting.idle -= 1;
        }
    }
}

impl JobQueue {
    /// Has jobs run, which it takes out of the list; the results go to the shard's mailbox.
    pub(crate) fn run(&self, shard: u16, jobs: &mut Vec<Job>) {
        while let Some(first) = jobs.first() {
            let lane = first.kind().lane();
            let same = jobs.extract_if(.., |job| job.kind().lane() == lane);
            self.lanes[lane as usize].push(same.map(|job| (shard, job)));
        }
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
                run_lane(&shared, &*disk, &shared.jobs.lanes[lane as usize]);
            })?);
        }
    }
    Ok(threads)
}

/// Runs the jobs of a lane until it is closed.
fn run_lane(shared: &Shared, disk: &dyn Disk, lane: &Lane) {
    let mut jobs = Vec::new();
    let mut done: Vec<Vec<Letter>> = shared.mailboxes.iter().map(|_| Vec::new()).collect();
    while lane.take(&mut jobs) {
        if jobs.len() > 1 {
            jobs.iter().for_each(|(_, job)| job.announce());
        }
        let (patient, began) = (jobs.iter().any(|(_, job)| job.is_patient()), Instant::now());
        for (shard, job) in jobs.drain(..) {
            done[usize::from(shard)].push(Letter::JobDone(Box::new(job.run(disk))));
        }
        for (mailbox, done) in shared.mailboxes.iter().zip(&mut done) {
            mailbox.post_all(done);
        }
        if patient {
            // Half of a processor at most, and a short slice at a time.
            thread::sleep(began.elapsed().min(PATIENCE));
        }
    }
}
