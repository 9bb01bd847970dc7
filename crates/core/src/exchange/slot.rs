//! The asker, within one slot: its sums, the keys of those that differ, the records of the keys that differ.

use super::{
    ExchangeTask,
    message::{Exchange, Lines},
};
use crate::{
    ids::MemberNumber,
    limits::{EXCHANGE_RECORDS, EXCHANGE_SUMS, EXCHANGE_WHOLE_MS},
    message::{Stamp, StampedRecord},
    replica::{Current, Task},
    shard::{Context, Shard},
    slot::Slot,
    storage::{Mutation, Storage},
    tree::{self, Sum},
};
use alloc::{
    boxed::Box,
    collections::{BTreeSet, VecDeque},
    vec::Vec,
};
use bytes::Bytes;

/// A slot that is being compared.
#[derive(Debug, Default)]
pub(super) struct SlotWork {
    /// The sums that differ; none: all keys are compared.
    names: Vec<u64>,
    /// Own lookups that are awaited.
    lookups: usize,
    /// An answer is awaited.
    asked: bool,
    /// Keys whose records are to be asked for.
    wanted: VecDeque<Bytes>,
    /// Keys whose records were asked for.
    fetching: BTreeSet<Bytes>,
    /// Where the next list of keys begins, if there is more.
    upto: Option<Bytes>,
}

impl Shard {
    pub(super) fn begin_slot<S: Storage>(&mut self, slot: Slot, cx: &mut Context<'_, S>) {
        if self.withholds(slot, cx.store) {
            return;
        }
        let lines = self.shared_lines(slot, cx.store);
        let Some(session) = &mut self.exchange.session else { return };
        let (id, peer) = (session.id, session.peer);
        session.active.insert(slot, SlotWork { asked: true, ..SlotWork::default() });
        self.ask_exchange(peer, Some(slot), Exchange::Sums { session: id, lines, watch: false }, cx);
    }

    /// The lines that owners share.
    pub(crate) fn shared_lines<S: Storage>(&self, slot: Slot, store: &S) -> Lines {
        let lines = self.lines(slot, store);
        Lines { refuse: lines.refuse, collect: lines.collect }
    }

    /// Raises the own lines to those of another owner, at the same epoch (R5).
    pub(crate) fn raise_lines<S: Storage>(&mut self, slot: Slot, to: Lines, cx: &mut Context<'_, S>) {
        if self.withholds(slot, cx.store) {
            // Its lines rise with what is fetched under them.
            return;
        }
        let mut lines = self.lines(slot, cx.store);
        if to.refuse <= lines.refuse && to.collect <= lines.collect || to.collect > to.refuse {
            return;
        }
        lines.refuse = lines.refuse.max(to.refuse);
        lines.collect = lines.collect.max(to.collect);
        let mut encoded = Vec::new();
        lines.encode(&mut encoded);
        cx.store.apply(slot, &[Mutation::Lines(&encoded)]);
    }

    fn work(&mut self, slot: Slot) -> Option<&mut SlotWork> {
        self.exchange.session.as_mut()?.active.get_mut(&slot)
    }

    /// The slot is as far as it gets in this round.
    pub(super) fn slot_ended(&mut self, slot: Slot) {
        if let Some(session) = &mut self.exchange.session {
            session.active.remove(&slot);
        }
    }

    pub(super) fn sums_answered<S: Storage>(
        &mut self,
        peer: MemberNumber,
        slot: Slot,
        lines: Lines,
        theirs: Option<Vec<Sum>>,
        cx: &mut Context<'_, S>,
    ) {
        if self.work(slot).is_none() {
            return;
        }
        self.raise_lines(slot, lines, cx);
        let theta = self.lines(slot, cx.store).collect;
        let names = match (cx.store.sums(slot), &theirs) {
            (Some(own), Some(theirs)) => Some(tree::differing(own, theirs, theta)),
            _ => None,
        };
        match names {
            Some(names) if names.is_empty() => {
                self.exchange.doubts.remove(&(peer, slot));
                return self.slot_ended(slot);
            }
            Some(names) if names.len() <= EXCHANGE_SUMS => {
                if let Some(work) = self.work(slot) {
                    work.names = names;
                }
            }
            Some(_) => {}
            None => {
                let last = self.exchange.whole.get(&(peer, slot)).copied();
                // What was to be had then was fetched then; sums tell of the rest once they are known.
                self.exchange.doubts.remove(&(peer, slot));
                if last.is_some_and(|last| cx.now.mono_ms < last + EXCHANGE_WHOLE_MS) {
                    return self.slot_ended(slot);
                }
                self.exchange.whole.insert((peer, slot), cx.now.mono_ms);
            }
        }
        self.ask_keys(slot, None, cx);
    }

    fn ask_keys<S: Storage>(&mut self, slot: Slot, after: Option<Bytes>, cx: &mut Context<'_, S>) {
        let Some(session) = &mut self.exchange.session else { return };
        let Some(work) = session.active.get_mut(&slot) else { return };
        work.asked = true;
        let ask = Exchange::Keys { session: session.id, names: work.names.clone(), after, above: None };
        let peer = session.peer;
        self.ask_exchange(peer, Some(slot), ask, cx);
    }

    pub(super) fn keys_answered<S: Storage>(
        &mut self,
        slot: Slot,
        keys: Vec<(Bytes, u64)>,
        upto: Option<Bytes>,
        cx: &mut Context<'_, S>,
    ) {
        let Some(session) = self.exchange.session.as_ref().map(|session| session.id) else { return };
        let Some(work) = self.work(slot).filter(|work| work.asked) else { return };
        (work.asked, work.upto, work.lookups) = (false, upto, keys.len());
        self.exchange.stats.keys_listed += keys.len() as u64;
        for (key, digest) in keys {
            // Each lookup counts down, now or later.
            let task = ExchangeTask::Compare { session, key: key.clone(), digest };
            self.with_record(slot, key, Task::Exchange(Box::new(task)), cx);
        }
    }

    /// A part of an exchange has the record of its key.
    pub(crate) fn exchange_task<S: Storage>(
        &mut self,
        slot: Slot,
        key: Bytes,
        task: ExchangeTask,
        current: Current,
        cx: &mut Context<'_, S>,
    ) {
        match task {
            ExchangeTask::Compare { session, digest, .. } => {
                let own = self.item(slot, &key, &current.record).digest;
                self.compared(session, slot, (own >> 64) as u64 != digest, key, cx);
            }
            ExchangeTask::Join { session, record } => {
                // What R5 refuses, because the own lines have risen since, comes in the next round.
                if self.join_records(slot, &key, &[record], current, cx).is_ok() {
                    self.exchange.stats.records_fetched += 1;
                }
                self.joined(session, slot, cx);
            }
            ExchangeTask::Give { list } => self.given(list, Some((key, current.encoded)), cx),
        }
    }

    /// An own record was compared with what was listed.
    pub(super) fn compared<S: Storage>(
        &mut self,
        session: u64,
        slot: Slot,
        differs: bool,
        key: Bytes,
        cx: &mut Context<'_, S>,
    ) {
        if self.exchange.session(session).is_none() {
            return;
        }
        let Some(work) = self.work(slot) else { return };
        work.lookups = work.lookups.saturating_sub(1);
        if differs {
            work.wanted.push_back(key);
        }
        self.exchange_on(cx);
    }

    pub(super) fn records_answered<S: Storage>(
        &mut self,
        slot: Slot,
        stamp: Stamp,
        records: Vec<(Bytes, Bytes)>,
        cx: &mut Context<'_, S>,
    ) {
        let Some(session) = self.exchange.session.as_ref().map(|session| session.id) else { return };
        let Some(work) = self.work(slot).filter(|work| work.asked) else { return };
        work.asked = false;
        let mut fetching = core::mem::take(&mut work.fetching);
        let records: Vec<(Bytes, Bytes)> =
            records.into_iter().filter(|(key, _)| fetching.remove(key)).collect();
        work.lookups = records.len();
        if !records.is_empty() {
            // What did not fit comes with the next answer.
            work.wanted.extend(fetching);
        }
        for (key, record) in records {
            self.exchange.stats.record_bytes += (key.len() + record.len()) as u64;
            let record = StampedRecord { stamp, record };
            let task = ExchangeTask::Join { session, record };
            self.with_record(slot, key, Task::Exchange(Box::new(task)), cx);
        }
    }

    /// A record that came was joined, or not.
    pub(super) fn joined<S: Storage>(&mut self, session: u64, slot: Slot, cx: &mut Context<'_, S>) {
        if self.exchange.session(session).is_none() {
            return;
        }
        let Some(work) = self.work(slot) else { return };
        work.lookups = work.lookups.saturating_sub(1);
        self.exchange_on(cx);
    }

    /// Every slot that waits for nothing asks for what it needs next.
    pub(super) fn slots_go_on<S: Storage>(&mut self, cx: &mut Context<'_, S>) {
        let Some(session) = &mut self.exchange.session else { return };
        let (id, peer) = (session.id, session.peer);
        let idle = |work: &SlotWork| work.lookups == 0 && !work.asked;
        let ready: Vec<Slot> =
            session.active.iter().filter(|(_, work)| idle(work)).map(|(&slot, _)| slot).collect();
        let mut ended = false;
        for slot in ready {
            let Some(work) = self.work(slot) else { continue };
            if !work.wanted.is_empty() {
                let count = work.wanted.len().min(EXCHANGE_RECORDS);
                let keys: Vec<Bytes> = work.wanted.drain(..count).collect();
                work.fetching = keys.iter().cloned().collect();
                work.asked = true;
                let lines = self.shared_lines(slot, cx.store);
                self.ask_exchange(peer, Some(slot), Exchange::Want { session: id, lines, keys }, cx);
            } else if let Some(upto) = work.upto.take() {
                self.ask_keys(slot, Some(upto), cx);
            } else {
                self.slot_ended(slot);
                ended = true;
            }
        }
        if ended {
            self.exchange_on(cx);
        }
    }
}
