//! The commit-log thread: takes all batches that wait, writes them, syncs once, tells every shard.

use super::queue::LogQueue;
use crate::{
    server::Shared,
    shard::{Letter, LogLetter},
};
use clockwise_core::{ids::Lsn, shard::Durability};
use clockwise_store::{Log, LogError};
use std::{
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Starts the thread; it ends when the queue is closed, with the log synced and closed.
pub(crate) fn start_log_thread(shared: &Arc<Shared>, log: Log) -> io::Result<JoinHandle<()>> {
    let shared = Arc::clone(shared);
    thread::Builder::new().name("log".to_owned()).spawn(move || {
        let _guard = shared.watch("the log thread");
        let queue = Arc::clone(&shared.log);
        let told = vec![Lsn(0); shared.mailboxes.len()];
        let mut writer =
            LogWriter { shared: Arc::clone(&shared), log, told, unsynced: false, synced_at: Instant::now() };
        if let Err(error) = writer.run(&queue).and_then(|()| writer.log.close()) {
            shared.lifecycle.fail(error.to_string());
        }
    })
}

struct LogWriter {
    shared: Arc<Shared>,
    log: Log,
    /// What each shard knows to be durable.
    told: Vec<Lsn>,
    /// Written bytes wait for a sync.
    unsynced: bool,
    synced_at: Instant,
}

impl LogWriter {
    fn run(&mut self, queue: &LogQueue) -> Result<(), LogError> {
        let mut letters = Vec::new();
        while queue.take(&mut letters, self.next_sync()) {
            let bytes = self.append(&mut letters);
            if bytes > 0 {
                self.log.write()?;
                self.unsynced = true;
                queue.written(bytes);
            }
            if self.next_sync().is_some_and(|at| at <= Instant::now()) {
                self.sync()?;
            }
        }
        self.sync()
    }

    fn append(&mut self, letters: &mut Vec<LogLetter>) -> usize {
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
        bytes
    }

    /// When what is written is to be synced.
    fn next_sync(&self) -> Option<Instant> {
        if !self.unsynced {
            return None;
        }
        Some(match self.shared.settings.durability {
            Durability::Sync => self.synced_at,
            Durability::Periodic => {
                self.synced_at + Duration::from_millis(self.shared.settings.sync_every_ms)
            }
        })
    }

    fn sync(&mut self) -> Result<(), LogError> {
        let began = Instant::now();
        self.log.sync()?;
        self.synced_at = Instant::now();
        self.unsynced = false;
        self.shared.metrics.log_syncs.record(began.elapsed());
        for (shard, told) in self.told.iter_mut().enumerate() {
            let synced = self.log.synced(shard);
            if synced > *told {
                *told = synced;
                self.shared.mailboxes[shard].post(Letter::Durable(synced));
            }
        }
        Ok(())
    }
}
