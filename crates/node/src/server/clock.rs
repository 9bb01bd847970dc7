//! The two clocks that accompany every input of `core`.

use clockwise_core::hlc::Now;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Reads the machine's clocks. All shards of a server share the same beginning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Instant,
}

/// One reading.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reading {
    /// As `core` wants it.
    pub(crate) now: Now,
    /// Monotonic microseconds since the start, for latencies.
    pub(crate) mono_us: u64,
}

impl Clock {
    pub(crate) fn start() -> Clock {
        Clock { started: Instant::now() }
    }

    pub(crate) fn read(&self) -> Reading {
        let mono_us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        Reading { now: Now { mono_ms: mono_us / 1000, wall_ms: wall_ms() }, mono_us }
    }
}

/// Milliseconds since the Unix epoch; 0 for a machine that believes to live before it.
pub(crate) fn wall_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
