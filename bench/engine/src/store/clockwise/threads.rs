//! The threads around our engines, as in the server: one for the commit log, which syncs once for all batches
//! that wait; many for cold reads; one for flushes and what makes them visible; one for merges;
//! one gives memory back.

use super::{
    activity::{Activity, Work},
    queue::Queue,
};
use crate::setup::BACKGROUND_THREADS;
use anyhow::{Context, Result};
use clockwise_core::ids::Lsn;
use clockwise_store::{Disk, Flushed, Job, JobDone, JobKind, Lane, Log, LogBatch, LogError};
use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc::Sender,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Time between two syncs where writes are not acknowledged after one, as is the server's default.
const SYNC_EVERY: Duration = Duration::from_millis(1000);

/// Name and number of a lane's threads, as the server has them. Readers sleep in the kernel for most of their time.
const fn threads_of(lane: Lane) -> (&'static str, usize) {
    match lane {
        Lane::Read => ("read", 32),
        Lane::Flush => ("flush", 1),
        Lane::Merge => ("compaction", 1),
        Lane::Free => ("free", 1),
    }
}
/// Longest pause between two slices of a merge that can wait, as in the server.
const PATIENCE: Duration = Duration::from_millis(50);
const _: () = assert!(threads_of(Lane::Flush).1 + threads_of(Lane::Merge).1 == BACKGROUND_THREADS);

/// For the log thread.
enum LogLetter {
    Batch(LogBatch),
    Flushed(Flushed),
}

/// For a driver.
pub enum Letter {
    /// Its changes up to here are durable.
    Durable(Lsn),
    /// Jobs are done.
    Done(Vec<JobDone>),
}

/// How fast merges go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Merging {
    /// As fast as they can, so that what they cost is there at the end of a row.
    Hurried,
    /// With the server's pauses.
    AsInTheServer,
}

/// What drivers and threads share.
pub struct Shared {
    log: Queue<LogLetter>,
    /// Bytes that wait for the log thread.
    log_backlog_bytes: AtomicUsize,
    /// In the order of [`Lane::ALL`].
    lanes: [Queue<Job>; Lane::ALL.len()],
    activity: Activity,
}

/// The running threads.
pub struct Threads {
    /// For drivers.
    pub shared: Arc<Shared>,
    log: JoinHandle<Result<(), LogError>>,
    others: Vec<JoinHandle<()>>,
}

impl Shared {
    /// Hands changes to the log.
    pub fn log_batch(&self, batch: LogBatch) {
        self.log_backlog_bytes.fetch_add(batch.bytes(), Relaxed);
        self.log.push(LogLetter::Batch(batch));
    }

    /// Lets the log free segments.
    pub fn log_flushed(&self, flushed: Flushed) {
        self.log.push(LogLetter::Flushed(flushed));
    }

    /// Bytes that are not in the log's file yet.
    pub fn log_backlog_bytes(&self) -> usize {
        self.log_backlog_bytes.load(Relaxed)
    }

    /// Has jobs run; takes them out of the list.
    pub fn run(&self, jobs: &mut Vec<Job>) {
        for job in jobs.extract_if(.., |job| job.kind() != JobKind::Read) {
            self.lanes[job.kind().lane() as usize].push(job);
        }
        if !jobs.is_empty() {
            self.lanes[Lane::Read as usize].push_all(jobs.drain(..), JobKind::Read.at_once());
        }
    }

    /// What the threads do.
    pub fn activity(&self) -> &Activity {
        &self.activity
    }
}

impl Threads {
    /// Starts all of them; results go to the inbox of the job's shard.
    pub fn start(
        log: Log,
        durable: bool,
        merging: Merging,
        disk: &Arc<dyn Disk>,
        inboxes: &[Sender<Letter>],
    ) -> Result<Threads> {
        let shared = Arc::new(Shared {
            log: Queue::new(),
            log_backlog_bytes: AtomicUsize::new(0),
            lanes: [const { Queue::new() }; Lane::ALL.len()],
            activity: Activity::default(),
        });
        let writer = LogWriter {
            shared: Arc::clone(&shared),
            log,
            sync_every: if durable { Duration::ZERO } else { SYNC_EVERY },
            inboxes: inboxes.to_vec(),
            told: vec![Lsn(0); inboxes.len()],
            unsynced: false,
            synced_at: Instant::now(),
        };
        let log = thread::Builder::new().name("log".to_owned()).spawn(move || writer.run());
        let mut others = Vec::new();
        for lane in Lane::ALL {
            let (name, count) = threads_of(lane);
            for number in 0..count {
                let (shared, disk, inboxes) = (Arc::clone(&shared), Arc::clone(disk), inboxes.to_vec());
                let thread = thread::Builder::new().name(format!("{name}-{number}"));
                let thread_of = LaneThread { shared, lane, disk, inboxes, merging };
                others.push(thread.spawn(move || thread_of.run())?);
            }
        }
        Ok(Threads { shared, log: log?, others })
    }

    /// Whether the log's thread ended before its time; [`Threads::stop`] says why.
    pub fn log_failed(&self) -> bool {
        self.log.is_finished()
    }

    /// Ends them; the log is synced and closed.
    pub fn stop(self) -> Result<()> {
        self.shared.lanes.iter().for_each(Queue::close);
        self.shared.log.close();
        for thread in self.others {
            thread.join().expect("a panic ends the process");
        }
        self.log.join().expect("a panic ends the process").context("the log failed")
    }
}

/// What a thread for jobs works with.
struct LaneThread {
    shared: Arc<Shared>,
    lane: Lane,
    disk: Arc<dyn Disk>,
    inboxes: Vec<Sender<Letter>>,
    merging: Merging,
}

impl LaneThread {
    fn run(&self) {
        let goes_along =
            |first: &Job, job: &Job, count: usize| job.kind() == first.kind() && count < job.kind().at_once();
        let mut jobs = Vec::new();
        let mut done: Vec<Vec<JobDone>> = self.inboxes.iter().map(|_| Vec::new()).collect();
        while self.shared.lanes[self.lane as usize].pop_some(&mut jobs, goes_along) {
            if jobs.len() > 1 {
                jobs.iter().for_each(Job::announce);
            }
            let mut patient = false;
            let began = Instant::now();
            for job in jobs.drain(..) {
                patient = job.is_patient() && self.merging == Merging::AsInTheServer;
                let result = self.shared.activity.during(Work::of(job.kind()), || job.run(&*self.disk));
                done[result.shard()].push(result);
            }
            for (inbox, done) in self.inboxes.iter().zip(&mut done).filter(|(_, done)| !done.is_empty()) {
                // A driver that is gone waits for nothing.
                let _not_wanted = inbox.send(Letter::Done(std::mem::take(done)));
            }
            if patient {
                thread::sleep(began.elapsed().min(PATIENCE));
            }
        }
    }
}

struct LogWriter {
    shared: Arc<Shared>,
    log: Log,
    sync_every: Duration,
    inboxes: Vec<Sender<Letter>>,
    told: Vec<Lsn>,
    unsynced: bool,
    synced_at: Instant,
}

impl LogWriter {
    fn run(mut self) -> Result<(), LogError> {
        let mut letters = VecDeque::new();
        while self.shared.log.take_all(&mut letters, self.next_sync()) {
            let mut bytes = 0;
            for letter in letters.drain(..) {
                match letter {
                    LogLetter::Batch(batch) => {
                        bytes += batch.bytes();
                        self.log.append(batch);
                    }
                    LogLetter::Flushed(flushed) => self.log.on_flushed(flushed),
                }
            }
            if bytes > 0 {
                self.shared.activity.during(Work::LogWrite, || self.log.write())?;
                self.unsynced = true;
                self.shared.log_backlog_bytes.fetch_sub(bytes, Relaxed);
            }
            if self.next_sync().is_some_and(|at| at <= Instant::now()) {
                self.sync()?;
            }
        }
        self.log.close()
    }

    fn next_sync(&self) -> Option<Instant> {
        self.unsynced.then(|| self.synced_at + self.sync_every)
    }

    fn sync(&mut self) -> Result<(), LogError> {
        self.shared.activity.during(Work::LogSync, || self.log.sync())?;
        self.synced_at = Instant::now();
        self.unsynced = false;
        for (shard, told) in self.told.iter_mut().enumerate() {
            let synced = self.log.synced(shard);
            if synced > *told {
                *told = synced;
                // A driver that is gone waits for nothing.
                let _not_wanted = self.inboxes[shard].send(Letter::Durable(synced));
            }
        }
        Ok(())
    }
}
