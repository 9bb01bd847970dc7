//! Taking what a source gave. Records are joined under the stamp of their frame (R5). A frame under a higher collect line
//! voids all that was taken under a lower one: what was alive there may be collected since.

use super::{buffer::BufferTask, work::Next};
use crate::{
    canary::Canary,
    exchange::Exchange,
    ids::MemberNumber,
    message::{Stamp, StampedRecord},
    replica::{Current, Task},
    shard::{Context, Shard},
    slot::Slot,
    storage::{LoadError, Storage},
    version::{SlotState, Write},
};
use alloc::{boxed::Box, vec::Vec};
use bytes::Bytes;

/// A part of a fill that needs the record of a key. `round` is the fill that it is a part of.
#[derive(Debug)]
pub(crate) enum FillTask {
    /// A record that a source gave.
    Join { round: u64, from: MemberNumber, record: StampedRecord },
    /// A write of the buffer.
    Absorb { round: u64, write: Write },
}

impl Shard {
    /// An answer to a question of a fill; what it was if it was none.
    pub(crate) fn fill_answered<S: Storage>(
        &mut self,
        from: MemberNumber,
        answer: Exchange,
        cx: &mut Context<'_, S>,
    ) -> Option<Exchange> {
        let session = answer.session();
        let Some(&(slot, of)) = self.fills.asked.get(&session) else { return Some(answer) };
        if of != from {
            return None;
        }
        self.fills.budget = self.fills.budget.saturating_sub(answer.bytes());
        match answer {
            Exchange::Filled { stamp, records, upto, .. } => {
                self.records_given(slot, from, session, stamp, records, upto, cx);
            }
            Exchange::Buffered { writes, upto, .. } => {
                self.writes_given(slot, from, session, writes, upto, cx);
            }
            // Salvaging, or too much to do.
            _ => self.source_refused(slot, from, session, cx),
        }
        None
    }

    fn records_given<S: Storage>(
        &mut self,
        slot: Slot,
        from: MemberNumber,
        session: u64,
        stamp: Stamp,
        records: Vec<(Bytes, Bytes)>,
        upto: Option<Bytes>,
        cx: &mut Context<'_, S>,
    ) {
        let strays = records.iter().any(|(key, _)| Slot::of(key) != slot);
        if strays || !self.may_take(slot, from, stamp, cx) {
            return self.source_refused(slot, from, session, cx);
        }
        self.fills.asked.remove(&session);
        self.fills.tally.records += records.len() as u64;
        let Some(filling) = self.filling(slot) else { return };
        let round = filling.round;
        let Some(source) = filling.sources.get_mut(&from) else { return };
        (source.open, source.upto, source.failed) = (None, upto, false);
        (source.life, source.complete) = (Some(stamp.incarnation), true);
        // One more than there are, so that the last of them does not end the page before all are on their way.
        source.left = records.len() + 1;
        for (key, record) in records {
            let record = StampedRecord { stamp, record };
            let task = FillTask::Join { round, from, record };
            self.with_record(slot, key, Task::Fill(Box::new(task)), cx);
        }
        self.given_taken(slot, round, from, true, cx);
    }

    /// A source that is being filled itself gave a part of its buffer.
    fn writes_given<S: Storage>(
        &mut self,
        slot: Slot,
        from: MemberNumber,
        session: u64,
        writes: Vec<Write>,
        upto: Option<Bytes>,
        cx: &mut Context<'_, S>,
    ) {
        self.fills.asked.remove(&session);
        let strays = writes.iter().any(|write| Slot::of(&write.key) != slot);
        let gave = |source: &super::source::Source| source.life.is_some();
        let Some(filling) = self.filling(slot) else { return };
        if filling.sources.get(&from).is_some_and(gave) {
            // It gave records in the life before.
            self.discard_fills(slot, None, cx);
            return self.fill_moved(slot, cx);
        }
        let round = filling.round;
        let Some(source) = filling.sources.get_mut(&from) else { return };
        if strays {
            (source.open, source.refused) = (None, true);
            return self.fill_moved(slot, cx);
        }
        (source.open, source.upto, source.failed) = (None, upto, false);
        source.left = writes.len() + 1;
        for write in writes {
            let task = BufferTask::Adopt(round, from, write.clone());
            self.with_buffer(slot, write.key, task, cx);
        }
        self.given_taken(slot, round, from, true, cx);
    }

    /// Whether records under this stamp may be taken now; the own lines rise to it first.
    fn may_take<S: Storage>(
        &mut self,
        slot: Slot,
        from: MemberNumber,
        stamp: Stamp,
        cx: &mut Context<'_, S>,
    ) -> bool {
        let alive = stamp.sender == from && self.lives.accept(stamp.sender, stamp.incarnation);
        if !alive || stamp.epoch != self.layout.epoch() || cx.store.admits().is_err() {
            return false;
        }
        let mut lines = self.stored_lines(slot, cx.store);
        if stamp.refuse < lines.refuse || stamp.collect < lines.collect || stamp.collect > stamp.refuse {
            return false;
        }
        let keeps = self.config.canary.is(Canary::FillKeptAboveItsLine);
        let Some(filling) = self.filling(slot) else { return false };
        let Some(source) = filling.sources.get_mut(&from) else { return false };
        let life = source.life;
        if life.is_none() && source.after.take().is_some() {
            // It gave its buffer until now, and was asked for what lies behind that.
            return false;
        }
        let void = stamp.collect > lines.collect && filling.has_taken() && !keeps;
        if void || life.is_some_and(|life| life != stamp.incarnation) {
            // What this frame brings comes again.
            self.discard_fills(slot, Some(stamp), cx);
            return false;
        }
        let raised = stamp.refuse > lines.refuse || stamp.collect > lines.collect || !filling.lined;
        filling.lined = true;
        if raised {
            (lines.refuse, lines.collect) = (stamp.refuse, stamp.collect);
            lines.state = SlotState::Filling { lined: true };
            self.mark_slot(slot, &lines, false, cx);
        }
        true
    }

    /// All that was given so far goes, and is asked for again; the buffer stays. The lines rise to those of a stamp.
    pub(super) fn discard_fills<S: Storage>(
        &mut self,
        slot: Slot,
        stamp: Option<Stamp>,
        cx: &mut Context<'_, S>,
    ) -> Next {
        let mut lines = self.stored_lines(slot, cx.store);
        let mut lined = matches!(lines.state, SlotState::Filling { lined: true });
        if let Some(stamp) = stamp {
            lines.refuse = lines.refuse.max(stamp.refuse);
            lines.collect = lines.collect.max(stamp.collect);
            lined = true;
        }
        lines.state = SlotState::Filling { lined };
        self.fills.tally.discarded += 1;
        self.mark_slot(slot, &lines, true, cx);
        self.fills.rounds += 1;
        let filling = super::source::Filling::new(self.fills.rounds, lined);
        self.set_phase(slot, super::work::Phase::Filling(filling))
    }

    /// A part of a fill has the record of its key.
    pub(crate) fn fill_task<S: Storage>(
        &mut self,
        slot: Slot,
        key: &Bytes,
        task: FillTask,
        current: Current,
        cx: &mut Context<'_, S>,
    ) {
        match task {
            FillTask::Join { round, from, record } => {
                if self.filling(slot).is_none_or(|filling| filling.round != round) {
                    return;
                }
                let joined = self.join_records(slot, key, &[record], current, cx).is_ok();
                self.given_taken(slot, round, from, joined, cx);
            }
            FillTask::Absorb { round, write } => self.absorb(slot, round, &write, current, cx),
        }
    }

    /// The record cannot be read, or nothing may be asked of it any more.
    pub(crate) fn fill_refused<S: Storage>(
        &mut self,
        slot: Slot,
        task: FillTask,
        _error: LoadError,
        cx: &mut Context<'_, S>,
    ) {
        match task {
            FillTask::Join { round, from, .. } => self.given_taken(slot, round, from, false, cx),
            FillTask::Absorb { round, .. } => self.absorbed(slot, round, false, cx),
        }
    }

    /// One thing of an answer of a source is taken, or could not be.
    pub(super) fn given_taken<S: Storage>(
        &mut self,
        slot: Slot,
        round: u64,
        from: MemberNumber,
        well: bool,
        cx: &mut Context<'_, S>,
    ) {
        let Some(filling) = self.filling(slot).filter(|filling| filling.round == round) else { return };
        let Some(source) = filling.sources.get_mut(&from) else { return };
        source.left = source.left.saturating_sub(1);
        source.failed |= !well;
        if source.left > 0 {
            return;
        }
        match (core::mem::take(&mut source.failed), source.upto.take()) {
            // The same page again.
            (true, _) => source.refused = true,
            (false, Some(upto)) => source.after = Some(upto),
            (false, None) => source.done = true,
        }
        self.fill_moved(slot, cx);
    }
}
