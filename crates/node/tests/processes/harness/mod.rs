//! Clusters for tests.

mod cluster;
mod pipe;
mod ports;
mod process;
mod writers;

pub use cluster::{TestCluster, ok};
pub use pipe::Pipe;
pub use ports::Ports;
pub use process::{Finished, Process, clockwise, clockwise_in, finish};
pub use writers::Writers;

use std::{
    io::Write,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Holds up all other tests of this program.
pub fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    // A test that failed with the lock in hand says so itself.
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks until the answer is yes; panics with `what` when it takes too long.
pub fn eventually(what: &str, limit: Duration, mut question: impl FnMut() -> bool) {
    let began = Instant::now();
    while !question() {
        assert!(began.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Says that a test did not run; not captured, so that the summary of a run shows it.
pub fn skipped(test: &str, why: &str) {
    let line = format!("SKIPPED {test}: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).expect("stderr is open");
}
