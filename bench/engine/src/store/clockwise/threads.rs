//! The threads around our engines, as in the server: one for the commit log, which syncs once for all batches
//! that wait, some for flush and compaction, some for cold reads.

use super::queue::Queue;
use anyhow::{Context, Result};
use clockwise_core::ids::Lsn;
use clockwise_store::{Disk, Flushed, Job, JobDone, Log, LogBatch, LogError};
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

/// For the log thread.
enum LogLetter {
    Batch(LogBatch),
    Flushed(Flushed),
}

/// For a driver.
pub enum Letter {
    /// Its changes up to here are durable.
    Durable(Lsn),
    /// A job is done.
    Done(Box<JobDone>),
}

/// What drivers and threads share.
pub struct Shared {
    log: Queue<LogLetter>,
    /// Bytes that wait for the log thread.
    log_backlog_bytes: AtomicUsize,
    reads: Queue<Job>,
    background: Queue<Job>,
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

    /// Has a cold read run.
    pub fn read(&self, job: Job) {
        self.reads.push(job);
    }

    /// Has background work run.
    pub fn work(&self, job: Job) {
        self.background.push(job);
    }
}

impl Threads {
    /// Starts the log thread and so many others; results go to the inbox of the job's shard.
    pub fn start(
        log: Log,
        durable: bool,
        disk: &Arc<dyn Disk>,
        (background, readers): (usize, usize),
        inboxes: &[Sender<Letter>],
    ) -> Result<Threads> {
        let shared = Arc::new(Shared {
            log: Queue::new(),
            log_backlog_bytes: AtomicUsize::new(0),
            reads: Queue::new(),
            background: Queue::new(),
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
        for number in 0..background + readers {
            let (shared, disk, inboxes) = (Arc::clone(&shared), Arc::clone(disk), inboxes.to_vec());
            let reads = number >= background;
            let name = if reads { format!("read-{number}") } else { format!("compaction-{number}") };
            others.push(thread::Builder::new().name(name).spawn(move || {
                let queue = if reads { &shared.reads } else { &shared.background };
                while let Some(job) = queue.pop() {
                    let done = job.run(&*disk);
                    // A driver that is gone waits for nothing.
                    let _not_wanted = inboxes[done.shard()].send(Letter::Done(Box::new(done)));
                }
            })?);
        }
        Ok(Threads { shared, log: log?, others })
    }

    /// Ends them; the log is synced and closed.
    pub fn stop(self) -> Result<()> {
        for queue in [&self.shared.reads, &self.shared.background] {
            queue.close();
        }
        self.shared.log.close();
        for thread in self.others {
            thread.join().expect("a panic ends the process");
        }
        self.log.join().expect("a panic ends the process").context("the log failed")
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
                self.log.write()?;
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
        self.log.sync()?;
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
