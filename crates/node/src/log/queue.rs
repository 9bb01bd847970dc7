//! What waits for the log thread. It takes everything at once, so that one sync serves all.

use crate::{limits::LOG_BACKLOG_BYTES, shard::LogLetter};
use std::{
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

#[derive(Debug, Default)]
struct Waiting {
    letters: Vec<LogLetter>,
    closed: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct LogQueue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    /// Bytes that are not written yet.
    backlog_bytes: AtomicUsize,
}

impl LogQueue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether so many bytes wait that no write is to be admitted.
    pub(crate) fn is_behind(&self) -> bool {
        self.backlog_bytes() > LOG_BACKLOG_BYTES
    }

    /// Bytes that are not written yet.
    pub(crate) fn backlog_bytes(&self) -> usize {
        self.backlog_bytes.load(Relaxed)
    }

    /// Leaves something for the log thread.
    pub(crate) fn post(&self, letter: LogLetter) {
        if let LogLetter::Batch(batch) = &letter {
            self.backlog_bytes.fetch_add(batch.bytes(), Relaxed);
        }
        let mut waiting = self.lock();
        let sleeping = waiting.letters.is_empty();
        waiting.letters.push(letter);
        drop(waiting);
        if sleeping {
            self.arrived.notify_one();
        }
    }

    /// Bytes were written.
    pub(crate) fn written(&self, bytes: usize) {
        self.backlog_bytes.fetch_sub(bytes, Relaxed);
    }

    /// Exchanges all that waits for the empty `letters`, waiting until the deadline for something. False: closed,
    /// and nothing waits any more.
    pub(crate) fn take(&self, letters: &mut Vec<LogLetter>, deadline: Option<Instant>) -> bool {
        let mut waiting = self.lock();
        while waiting.letters.is_empty() && !waiting.closed {
            waiting = match deadline {
                None => self.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return true;
                    }
                    let left = left.max(Duration::from_millis(1));
                    self.arrived.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        std::mem::swap(&mut waiting.letters, letters);
        !letters.is_empty() || !waiting.closed
    }

    /// Nothing more will come.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_all();
    }
}
