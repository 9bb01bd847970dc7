//! What this server knows of one member, and since when its heartbeat stands still for this server.

use super::{Beat, Contents, Mark};
use crate::{
    ids::MemberNumber,
    limits::{GOSSIP_INTERVALS, GOSSIP_WINDOW_MS},
};
use alloc::boxed::Box;

/// A verdict that stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Down {
    /// Where the heartbeat stood.
    pub(super) at: Beat,
    /// Since when, in monotonic milliseconds.
    pub(super) since_ms: u64,
    /// How often it has moved since.
    pub(super) moved: u8,
    /// Since when the member answers again, in monotonic milliseconds.
    pub(super) answers_ms: Option<u64>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) member: MemberNumber,
    pub(super) beat: Beat,
    /// When the contents were written; nothing is known of them before any.
    pub(super) written: Beat,
    /// Apart, so that heartbeats lie close together.
    pub(super) contents: Box<Contents>,
    /// When the heartbeat last increased for this server, in monotonic milliseconds.
    pub(super) increased_ms: u64,
    /// Mean milliseconds between two increases, times 16.
    mean_16ms: u64,
    /// Who showed, and when, that it has not seen more either.
    pub(super) agreed: Option<(MemberNumber, u64)>,
    pub(super) down: Option<Down>,
}

impl Known {
    pub(super) fn new(member: MemberNumber, interval_ms: u64, now_ms: u64) -> Known {
        Known {
            member,
            beat: Beat::default(),
            written: Beat::default(),
            contents: Box::default(),
            increased_ms: now_ms,
            mean_16ms: interval_ms * 16,
            agreed: None,
            down: None,
        }
    }

    pub(super) fn mark(&self) -> Mark {
        let current = self.written.generation == self.beat.generation;
        Mark { member: self.member, beat: self.beat, held: if current { self.written.heartbeat } else { 0 } }
    }

    /// The heartbeat is known to have come this far. True if that is news.
    pub(super) fn advance(&mut self, beat: Beat, now_ms: u64) -> bool {
        if beat <= self.beat {
            return false;
        }
        if self.beat.generation == beat.generation {
            // One long silence must not blind this server for the next one.
            let sample_ms = now_ms.saturating_sub(self.increased_ms).min(GOSSIP_WINDOW_MS);
            self.mean_16ms = (self.mean_16ms * 7 + sample_ms * 16) / 8;
        }
        self.beat = beat;
        self.increased_ms = now_ms;
        self.agreed = None;
        if let Some(down) = &mut self.down {
            down.moved = down.moved.saturating_add(1);
        }
        true
    }

    /// For how long the heartbeat may stand still, in milliseconds.
    pub(super) fn window_ms(&self, down_after_ms: u64) -> u64 {
        down_after_ms.max(GOSSIP_INTERVALS * self.mean_16ms / 16)
    }

    /// Whether it has stood still for too long.
    pub(super) fn is_stale(&self, down_after_ms: u64, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.increased_ms) >= self.window_ms(down_after_ms)
    }

    /// Somebody showed that it knows no more. Counts only from when this server's own window had run out.
    pub(super) fn agree(&mut self, witness: MemberNumber, down_after_ms: u64, now_ms: u64) {
        if self.is_stale(down_after_ms, now_ms) {
            self.agreed = Some((witness, now_ms));
        }
    }

    /// This server did not run: what it did not see says nothing.
    pub(super) fn restart_window(&mut self, now_ms: u64) {
        self.increased_ms = now_ms;
        self.agreed = None;
        if let Some(down) = &mut self.down {
            down.answers_ms = None;
        }
    }
}
