//! Collection (rule R8 of the specification): of slots whose tree has a bucket at or below the collect line, records of which
//! nothing lives leave. One slot is read through at a time, a page at a time.
//!
//! The record is looked at once more when it leaves, and with it, in the same batch, the slot remembers how far the own
//! counters went. A record with anything that lives forgets nothing.

use crate::{
    canary::Canary,
    limits::{COLLECT_BUSY_TICKS, COLLECT_REST_MS, TEND_BYTES, TEND_RECORDS},
    message::StampedRecord,
    replica::{Current, Task},
    shard::{Context, Shard},
    slot::Slot,
    storage::{JobId, LoadError, Mutation, Page, PageEnd, PageLimit, Storage},
    tree::{self, Item},
    version::Record,
};
use alloc::{boxed::Box, vec::Vec};
use bytes::Bytes;

/// What rounds and collections need the record of a key for.
#[derive(Debug)]
pub(crate) enum CollectTask {
    /// Is the own record the one with this digest, shortened?
    Compare { session: u64, key: Bytes, digest: u64 },
    /// A record that was fetched.
    Join { session: u64, key: Bytes, record: StampedRecord },
    /// It may be collected.
    Forget,
}

/// The slot that is being read through.
#[derive(Debug)]
pub(super) struct Sweep {
    slot: Slot,
    /// The page that is awaited.
    job: Option<JobId>,
    after: Option<Bytes>,
    ticks: u64,
}

impl Shard {
    /// Reads a slot through, if none is being read.
    pub(super) fn begin_sweep<S: Storage>(&mut self, slot: Slot, cx: &Context<'_, S>) {
        let rests = |until_ms: &u64| cx.now.mono_ms < *until_ms;
        if self.collecting.sweep.is_some() || self.collecting.swept.get(&slot).is_some_and(rests) {
            return;
        }
        self.collecting.swept.retain(|_, until_ms| rests(until_ms));
        self.collecting.sweep = Some(Sweep { slot, job: None, after: None, ticks: 0 });
    }

    /// Asks for the next page: one a tick at most, fewer while there is much else to do.
    pub(super) fn sweep_on<S: Storage>(&mut self, cx: &mut Context<'_, S>) {
        let busy = self.is_busy();
        let Some(sweep) = self.collecting.sweep.as_mut().filter(|sweep| sweep.job.is_none()) else { return };
        sweep.ticks += 1;
        if busy && !sweep.ticks.is_multiple_of(COLLECT_BUSY_TICKS) || cx.store.admits().is_err() {
            return;
        }
        let limit = PageLimit { records: TEND_RECORDS, bytes: TEND_BYTES };
        sweep.job = Some(cx.store.readable_page(sweep.slot, sweep.after.clone(), limit));
    }

    /// A page of the slot that is read through; whether it was one.
    pub(crate) fn swept_page<S: Storage>(&mut self, page: &Page, cx: &mut Context<'_, S>) -> bool {
        let Some(mut sweep) = self.collecting.sweep.take_if(|sweep| sweep.job == Some(page.job)) else {
            return false;
        };
        let slot = sweep.slot;
        for (key, record) in &page.records {
            let may_go = Record::decode(record.clone()).is_ok_and(|it| self.may_go(slot, &it, cx));
            if may_go {
                self.with_record(slot, key.clone(), Task::Collect(Box::new(CollectTask::Forget)), cx);
            }
        }
        if let Some((last, _)) = page.records.last() {
            sweep.after = Some(last.clone());
        }
        sweep.job = None;
        match page.result {
            Ok(PageEnd::More) => self.collecting.sweep = Some(sweep),
            Ok(PageEnd::Done) | Err(LoadError::Damaged | LoadError::Io) => {
                self.collecting.tally.sweeps += 1;
                self.collecting.swept.insert(slot, cx.now.mono_ms + COLLECT_REST_MS);
            }
        }
        true
    }

    /// Whether nothing of a record lives, nothing that it would have to stop can arrive any more, and the trees of other
    /// owners do not count it either.
    fn may_go<S: Storage>(&self, slot: Slot, record: &Record, cx: &Context<'_, S>) -> bool {
        let lines = self.lines(slot, cx.store);
        let collect = match self.config.canary.is(Canary::CollectEarly) {
            true => self.clock.read(cx.now),
            false => lines.collect,
        };
        let owner = self.layout.owners(slot).contains(&self.config.me);
        let from = tree::collectable_from(record).filter(|_| !record.is_empty());
        owner && self.is_complete(slot, cx.store) && from.is_some_and(|from| from <= collect)
    }

    /// The record of a key is there.
    pub(crate) fn collect_task<S: Storage>(
        &mut self,
        slot: Slot,
        key: &Bytes,
        task: CollectTask,
        current: Current,
        cx: &mut Context<'_, S>,
    ) {
        match task {
            CollectTask::Forget => self.forget_record(slot, key, &current, cx),
            other => self.fetch_task(slot, other, current, cx),
        }
    }

    /// The record of a key cannot be read.
    pub(crate) fn collect_refused<S: Storage>(
        &mut self,
        task: CollectTask,
        error: LoadError,
        cx: &mut Context<'_, S>,
    ) {
        self.fetch_refused(task, error, cx);
    }

    fn forget_record<S: Storage>(
        &mut self,
        slot: Slot,
        key: &Bytes,
        current: &Current,
        cx: &mut Context<'_, S>,
    ) {
        if !self.may_go(slot, &current.record, cx) || cx.store.admits().is_err() {
            return;
        }
        let live = -i8::from(!current.record.versions.is_empty());
        let old = self.item(slot, key, &current.record);
        let sums = self.tree_changed(slot, key, live, old, Item::default(), cx);
        let before = self.lines(slot, cx.store);
        let mut lines = before;
        if !self.config.canary.is(Canary::CollectForgetsUsed) {
            lines.collected(self.actor, &current.record);
        }
        let forget = Mutation::Forget { key, live, sums: &sums };
        if lines == before {
            cx.store.apply(slot, &[forget]);
        } else {
            let mut encoded = Vec::new();
            lines.encode(&mut encoded);
            cx.store.apply(slot, &[forget, Mutation::Lines(&encoded)]);
        }
        self.collecting.tally.collected += 1;
    }
}
