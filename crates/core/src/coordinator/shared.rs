//! Hot keys: reads of a key that come faster than they can be answered one by one share one question to its owners.
//!
//! A key that is read often at a level that needs more than one answer gets a *line*: one read is under way for it, and
//! whoever comes meanwhile waits for the next, which begins when that one ends and serves all of them.
//!
//! What always holds: a read begins after all whom it serves have come, so each sees what it would have seen alone, at
//! strict levels too. Each keeps its own deadline. What a line holds is bounded; beyond that reads go on alone.
//!
//! Writes are not shared: each is a version of its own. Reads that one replica answers are never here.

use super::operation::Origin;
use crate::{
    limits::{HOT_LINES, HOT_READS, OPERATIONS},
    request::{Level, Op, Outcome, Rejected, Request},
    shard::{Context, Shard},
    slot::Slot,
    storage::Storage,
};
use alloc::vec::Vec;
use bytes::Bytes;

/// Slots that are counted together.
const BUCKETS: usize = 1024;

/// A read that is not asked on its own.
#[derive(Debug)]
struct Waiter {
    origin: Origin,
    /// Monotonic milliseconds.
    deadline_ms: u64,
}

/// A hot key at a level.
#[derive(Debug)]
struct Line {
    id: u64,
    slot: Slot,
    key: Bytes,
    level: Level,
    /// Those whom the read under way serves.
    served: Vec<Waiter>,
    /// Those who came later.
    waiting: Vec<Waiter>,
}

/// All hot keys of a shard.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Reads since the last tick, by slot.
    heat: Vec<u8>,
    lines: Vec<Line>,
    lines_so_far: u64,
    /// All who wait.
    waiting: usize,
    /// Reads that were not asked on their own, in this life.
    saved: u64,
}

impl Default for Shared {
    fn default() -> Shared {
        Shared { heat: alloc::vec![0; BUCKETS], lines: Vec::new(), lines_so_far: 0, waiting: 0, saved: 0 }
    }
}

/// What becomes of a read.
pub(super) enum Place {
    /// It asks for itself.
    Alone,
    /// It asks, for all who have come to its line.
    First(Origin),
    /// It waits.
    Waits,
}

impl Shared {
    /// Reads that were answered without a question of their own, since the start.
    pub(crate) fn saved(&self) -> u64 {
        self.saved
    }

    /// Where a read of this key goes that comes now.
    pub(super) fn place(&mut self, origin: Origin, slot: Slot, request: &Request, deadline_ms: u64) -> Place {
        if !matches!(origin, Origin::Client(_) | Origin::Peer(..)) {
            return Place::Alone;
        }
        let heat = &mut self.heat[usize::from(slot.number()) % BUCKETS];
        *heat = heat.saturating_add(1);
        if *heat < HOT_READS && self.lines.is_empty() {
            return Place::Alone;
        }
        let waiter = Waiter { origin, deadline_ms };
        let here =
            |line: &&mut Line| line.slot == slot && line.level == request.level && line.key == request.key;
        if let Some(line) = self.lines.iter_mut().find(here) {
            if self.waiting >= OPERATIONS {
                return Place::Alone;
            }
            (self.waiting, self.saved) = (self.waiting + 1, self.saved + 1);
            line.waiting.push(waiter);
            return Place::Waits;
        }
        if *heat < HOT_READS || self.lines.len() >= HOT_LINES {
            return Place::Alone;
        }
        self.lines_so_far += 1;
        let id = self.lines_so_far;
        let (key, level) = (request.key.clone(), request.level);
        self.lines.push(Line { id, slot, key, level, served: alloc::vec![waiter], waiting: Vec::new() });
        Place::First(Origin::Shared(id))
    }

    /// A read of a line ended: whom it served, and what the next one asks for, with the latest deadline of those whom it
    /// serves.
    fn ended(&mut self, id: u64) -> (Vec<Waiter>, Option<(Bytes, Level, u64)>) {
        let Some(at) = self.lines.iter().position(|line| line.id == id) else { return (Vec::new(), None) };
        let line = &mut self.lines[at];
        let served = core::mem::replace(&mut line.served, core::mem::take(&mut line.waiting));
        self.waiting -= line.served.len();
        let Some(deadline_ms) = line.served.iter().map(|waiter| waiter.deadline_ms).max() else {
            self.lines.swap_remove(at);
            return (served, None);
        };
        (served, Some((line.key.clone(), line.level, deadline_ms)))
    }

    /// Who has waited for long enough, with the slot and level; what was hot cools down.
    fn expired(&mut self, now_ms: u64) -> Vec<(Origin, Slot, Level)> {
        self.heat.fill(0);
        let mut expired = Vec::new();
        for line in &mut self.lines {
            let (slot, level) = (line.slot, line.level);
            let late = |waiter: &mut Waiter| waiter.deadline_ms <= now_ms;
            let before = line.waiting.len();
            expired.extend(line.waiting.extract_if(.., late).map(|waiter| (waiter.origin, slot, level)));
            self.waiting -= before - line.waiting.len();
            expired.extend(line.served.extract_if(.., late).map(|waiter| (waiter.origin, slot, level)));
        }
        expired
    }
}

impl Shard {
    /// The read of a line ended: all whom it served have their answer, and the next one begins.
    pub(super) fn shared_answered<S: Storage>(
        &mut self,
        id: u64,
        outcome: &Outcome,
        cx: &mut Context<'_, S>,
    ) {
        let (served, next) = self.shared.ended(id);
        for waiter in served {
            self.answer_origin(waiter.origin, outcome.clone(), cx);
        }
        if let Some((key, level, deadline_ms)) = next {
            let timeout_ms = deadline_ms.saturating_sub(cx.now.mono_ms).max(1);
            self.begin(Origin::Shared(id), Request { key, op: Op::Get, level, timeout_ms }, cx);
        }
    }

    /// Time passed.
    pub(crate) fn tick_shared<S: Storage>(&mut self, cx: &mut Context<'_, S>) {
        for (origin, slot, level) in self.shared.expired(cx.now.mono_ms) {
            let required = level.need.of(self.layout.owners(slot).len()).min(255) as u8;
            self.answer_origin(origin, Outcome::Rejected(Rejected::ReadTimeout { required, acked: 0 }), cx);
        }
    }
}
