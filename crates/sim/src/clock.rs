//! A server's two clocks, seen from virtual time.
//!
//! The wall clock has an offset, drifts and jumps; the monotonic clock runs true from the start of the process.
//! The spread that was ever possible between two wall clocks is what the checkers take for the skew bound.

use clockwise_core::hlc::Now;

/// The wall clock at virtual time 0, in milliseconds since the Unix epoch.
pub(crate) const WALL_BASE_MS: u64 = 1_700_000_000_000;

/// The clocks of one server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock {
    /// How far the wall clock is ahead of the truth.
    pub(crate) offset_us: i64,
    /// How fast it runs away.
    drift_ppm: i64,
    /// When the drift was last folded into the offset.
    since_us: u64,
    /// When the process started.
    pub(crate) started_us: u64,
}

impl Clock {
    /// Both clocks at this instant.
    pub(crate) fn now(&self, at_us: u64) -> Now {
        let wall_us = (at_us as i64).saturating_add(self.ahead_us(at_us)).max(0) as u64;
        Now {
            mono_ms: at_us.saturating_sub(self.started_us) / 1000,
            wall_ms: (WALL_BASE_MS * 1000).saturating_add(wall_us) / 1000,
        }
    }

    /// How far the wall clock is ahead of the truth at this instant; negative when behind.
    pub(crate) fn ahead_us(&self, at_us: u64) -> i64 {
        self.offset_us + (at_us.saturating_sub(self.since_us) as i64) * self.drift_ppm / 1_000_000
    }

    /// Steps the wall clock.
    pub(crate) fn jump(&mut self, to_offset_us: i64, at_us: u64) {
        self.offset_us = to_offset_us;
        self.since_us = at_us;
    }

    /// Changes how fast the wall clock runs.
    pub(crate) fn drift(&mut self, drift_ppm: i64, at_us: u64) {
        self.offset_us = self.ahead_us(at_us);
        self.since_us = at_us;
        self.drift_ppm = drift_ppm;
    }
}
