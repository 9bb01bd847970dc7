//! Whether the server runs, stops or has stopped, and why.
//!
//! Any thread may ask for a stop or report a failure; the first failure is the one that counts. One thread, the
//! supervisor, waits for that and takes the server down in order.

use std::sync::{
    Condvar, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering::Relaxed},
};

/// How a server ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Exit {
    /// In order: everything that was acknowledged is on disk, and the folder says so.
    Clean,
    /// Something without which it cannot serve failed.
    Failed(String),
}

#[derive(Debug, Default)]
struct Phase {
    stop: bool,
    failure: Option<String>,
    exit: Option<Exit>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Lifecycle {
    phase: Mutex<Phase>,
    changed: Condvar,
    stopping: AtomicBool,
}

impl Lifecycle {
    fn lock(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a clean stop.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Relaxed);
        self.lock().stop = true;
        self.changed.notify_all();
    }

    /// Reports that the server cannot go on.
    pub(crate) fn fail(&self, why: String) {
        self.stopping.store(true, Relaxed);
        let mut phase = self.lock();
        if phase.failure.is_none() {
            tracing::error!(%why, "stopping: this server cannot go on");
            phase.failure = Some(why);
        }
        drop(phase);
        self.changed.notify_all();
    }

    /// Whether a stop was asked for.
    pub(crate) fn stopping(&self) -> bool {
        self.stopping.load(Relaxed)
    }

    /// Whether something failed.
    pub(crate) fn failure(&self) -> Option<String> {
        self.lock().failure.clone()
    }

    /// Waits until somebody asks for a stop or reports a failure.
    pub(crate) fn wait_for_stop(&self) {
        let mut phase = self.lock();
        while !phase.stop && phase.failure.is_none() {
            phase = self.changed.wait(phase).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Says how it ended.
    pub(crate) fn end(&self, exit: Exit) {
        self.lock().exit = Some(exit);
        self.changed.notify_all();
    }

    /// Waits for the end.
    pub(crate) fn wait_for_end(&self) -> Exit {
        let mut phase = self.lock();
        loop {
            if let Some(exit) = &phase.exit {
                return exit.clone();
            }
            phase = self.changed.wait(phase).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
