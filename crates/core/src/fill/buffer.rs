//! Writes that come to a slot while it is filled: they are held beside it, as hints for this server itself, so that a fill
//! may be discarded and a restart may come. Each is acknowledged once it is on disk there, if the slot has the lines
//! of a complete owner: without them it could be one that the others have closed already.
//!
//! When all is fetched the buffer is read through and joined, judged by the collect line alone: its writes were acknowledged
//! before the refuse line rose. What arrives then is joined at once as well. Once the slot is complete, hints are delivered
//! to this server as to any owner, found to be known, and go.

use super::{
    take::FillTask,
    work::{Next, Phase},
};
use crate::{
    canary::Canary,
    hints::{Cursor, Held, Hint, Progress, Targets},
    ids::{Lsn, MemberNumber},
    message::{Body, OpId, WriteVerdict},
    replica::{Current, Task},
    shard::{Context, Shard},
    slot::Slot,
    storage::{Page, Storage},
    version::Write,
};
use alloc::{boxed::Box, vec::Vec};
use smallvec::smallvec;

/// Something that needs what is buffered of a key.
#[derive(Debug)]
pub(crate) enum BufferTask {
    /// A first-hand write of another server.
    Take(MemberNumber, OpId, Write),
    /// A write out of the buffer of a source: the fill, the source.
    Adopt(u64, MemberNumber, Write),
}

/// The buffer is being joined.
#[derive(Debug)]
pub(super) struct Absorbing {
    pub(super) round: u64,
    pub(super) lined: bool,
    cursor: Cursor,
    reading: bool,
    /// All of the buffer was read.
    read: bool,
    /// Writes that are not joined yet.
    left: usize,
    /// Something could not be read or joined: it begins anew after a rest.
    failed: bool,
}

impl Absorbing {
    /// What was asked for does not come: the buffer is read again from its beginning.
    pub(super) fn give_up(&mut self) {
        (self.cursor, self.reading, self.read) = (Cursor::default(), false, false);
        (self.left, self.failed) = (0, true);
    }
}

impl Shard {
    /// A first-hand write of another server, for a slot that is not complete.
    pub(super) fn buffer_write<S: Storage>(
        &mut self,
        from: MemberNumber,
        op: OpId,
        slot: Slot,
        write: Write,
        cx: &mut Context<'_, S>,
    ) {
        if !self.buffers(slot) {
            return self.refuse_buffering(from, op, slot, WriteVerdict::Refused, cx);
        }
        let key = write.key.clone();
        self.with_buffer(slot, key, BufferTask::Take(from, op, write), cx);
    }

    /// Whether writes may be acknowledged from the buffer of a slot.
    fn buffers(&self, slot: Slot) -> bool {
        let early = self.config.canary.is(Canary::FillAckBeforeItsLine);
        match self.fills.slots.get(&slot).map(|work| &work.phase) {
            Some(Phase::Filling(filling)) => filling.lined || early,
            Some(Phase::Absorbing(absorbing)) => absorbing.lined || early,
            _ => false,
        }
    }

    fn refuse_buffering<S: Storage>(
        &mut self,
        to: MemberNumber,
        op: OpId,
        slot: Slot,
        verdict: WriteVerdict,
        cx: &mut Context<'_, S>,
    ) {
        self.send(to, Some(slot), 0, Body::WriteAck { op, verdict }, cx);
    }

    /// What is buffered of a key was looked up, or cannot be read.
    pub(crate) fn buffer_task<S: Storage>(
        &mut self,
        slot: Slot,
        task: BufferTask,
        held: Option<(Held, Lsn)>,
        cx: &mut Context<'_, S>,
    ) {
        match task {
            BufferTask::Take(from, op, write) => {
                if !self.fills.holds(slot) {
                    // Complete since.
                    let key = write.key.clone();
                    return self.with_record(slot, key, Task::TakeWrite(from, op, write), cx);
                }
                let lines = self.stored_lines(slot, cx.store);
                let known = self.buffers(slot) && held.is_some();
                let verdict = match known {
                    false => WriteVerdict::Refused,
                    true if write.time <= lines.refuse.max(lines.collect) => WriteVerdict::TooOld,
                    true => match held.and_then(|held| self.hold_buffered(slot, &write, held, cx)) {
                        Some(lsn) => {
                            let durable = self.answers_are_durable();
                            let verdict = WriteVerdict::Taken { durable, beaten_by: None };
                            self.absorb_too(slot, write, cx);
                            return self.answer(from, slot, lsn, Body::WriteAck { op, verdict }, cx);
                        }
                        None => WriteVerdict::Refused,
                    },
                };
                self.refuse_buffering(from, op, slot, verdict, cx);
            }
            BufferTask::Adopt(round, from, write) => {
                let closed = write.time <= self.stored_lines(slot, cx.store).collect;
                let current = self.filling(slot).is_some_and(|filling| filling.round == round);
                if current {
                    let held = held.and_then(|held| match closed {
                        true => Some(held.1),
                        false => self.hold_buffered(slot, &write, held, cx),
                    });
                    self.given_taken(slot, round, from, held.is_some(), cx);
                }
            }
        }
    }

    /// Holds a write beside the slot; the position on which that stands.
    fn hold_buffered<S: Storage>(
        &mut self,
        slot: Slot,
        write: &Write,
        (held, lsn): (Held, Lsn),
        cx: &mut Context<'_, S>,
    ) -> Option<Lsn> {
        let targets: Targets = smallvec![self.config.me];
        let known = |hint: &Hint| hint.write.dot == write.dot && hint.targets.contains(&self.config.me);
        if held.hints.iter().any(known) {
            return Some(lsn);
        }
        let hint = Hint { write: write.clone(), targets: targets.clone() };
        let room =
            self.hints.ledger.knows(slot) && self.hints.ledger.admits(self.config.hints, &targets, &hint);
        let mut after = held.clone();
        if !room || cx.store.admits().is_err() || !after.add(write, &targets) {
            self.hints.ledger.refused += 1;
            return None;
        }
        self.fills.tally.buffered += 1;
        self.hold(slot, &write.key, &held, &after, cx)
    }

    /// All is fetched.
    pub(super) fn begin_absorbing(&mut self, slot: Slot) -> Next {
        let Some(filling) = self.filling(slot) else { return Next::Ended };
        let absorbing = Absorbing {
            round: filling.round,
            lined: filling.lined,
            cursor: Cursor::default(),
            reading: false,
            read: false,
            left: 0,
            failed: false,
        };
        self.set_phase(slot, Phase::Absorbing(absorbing))
    }

    fn absorbing(&mut self, slot: Slot) -> Option<&mut Absorbing> {
        match &mut self.fills.work(slot)?.phase {
            Phase::Absorbing(absorbing) => Some(absorbing),
            _ => None,
        }
    }

    pub(super) fn absorb_on<S: Storage>(&mut self, slot: Slot, cx: &mut Context<'_, S>) -> Next {
        let empty = cx.store.live(slot.hints()) == 0;
        let Some(absorbing) = self.absorbing(slot) else { return Next::Ended };
        if core::mem::take(&mut absorbing.failed) {
            absorbing.give_up();
            absorbing.failed = false;
            return Next::Rests;
        }
        absorbing.read |= empty;
        if absorbing.read && absorbing.left == 0 {
            return self.slot_complete(slot, cx);
        }
        if !absorbing.read && !absorbing.reading {
            absorbing.reading = true;
            let next = absorbing.cursor.next();
            self.read_for_fill(slot, slot.hints(), next, cx);
        }
        Next::Waits
    }

    /// A page of the buffer.
    pub(super) fn buffer_page<S: Storage>(&mut self, slot: Slot, page: &Page, cx: &mut Context<'_, S>) {
        let Some(absorbing) = self.absorbing(slot) else { return };
        absorbing.reading = false;
        let (_, progress) = absorbing.cursor.read(page);
        match progress {
            Progress::More => {}
            Progress::Done => absorbing.read = true,
            Progress::Retry => absorbing.failed = true,
        }
        // One more, so that the slot is not complete before the last of them is on its way.
        absorbing.left += 1;
        let round = absorbing.round;
        for write in self.buffered_writes(page) {
            self.absorb_too(slot, write, cx);
        }
        self.absorbed(slot, round, true, cx);
    }

    /// The writes of a page of the slot for hints that this server holds for itself: its buffer.
    pub(crate) fn buffered_writes(&self, page: &Page) -> Vec<Write> {
        let me = self.config.me;
        let held = page.records.iter().filter_map(|(_, record)| Held::decode(record.clone()).ok());
        let ours = held.flat_map(|held| held.hints).filter(|hint| hint.targets.contains(&me));
        ours.map(|hint| hint.write).collect()
    }

    /// Joins a write of the buffer, if that is what the slot is at.
    fn absorb_too<S: Storage>(&mut self, slot: Slot, write: Write, cx: &mut Context<'_, S>) {
        let Some(absorbing) = self.absorbing(slot) else { return };
        absorbing.left += 1;
        let (round, key) = (absorbing.round, write.key.clone());
        let task = FillTask::Absorb { round, write };
        self.with_record(slot, key, Task::Fill(Box::new(task)), cx);
    }

    /// A write of the buffer, with the record of its key.
    pub(super) fn absorb<S: Storage>(
        &mut self,
        slot: Slot,
        round: u64,
        write: &Write,
        mut current: Current,
        cx: &mut Context<'_, S>,
    ) {
        if self.absorbing(slot).is_none_or(|absorbing| absorbing.round != round) {
            return;
        }
        let closed = write.time <= self.stored_lines(slot, cx.store).collect;
        if current.record.seen.contains(write.dot) || closed {
            return self.absorbed(slot, round, true, cx);
        }
        let before = self.before(slot, &write.key, &current);
        current.record.join_write_with(write, self.config.canary);
        let well =
            cx.store.admits().is_ok() && self.keep(slot, &write.key, &before, &current.record, cx).is_ok();
        self.absorbed(slot, round, well, cx);
    }

    /// A write of the buffer is joined, or could not be.
    pub(super) fn absorbed<S: Storage>(
        &mut self,
        slot: Slot,
        round: u64,
        well: bool,
        cx: &mut Context<'_, S>,
    ) {
        let Some(absorbing) = self.absorbing(slot).filter(|absorbing| absorbing.round == round) else {
            return;
        };
        absorbing.left = absorbing.left.saturating_sub(1);
        absorbing.failed |= !well;
        if absorbing.left == 0 && !absorbing.reading {
            self.fill_moved(slot, cx);
        }
    }
}
