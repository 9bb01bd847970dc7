//! The door into what is held: every look at it and every change of it, in the order of their coming, like the
//! records of an owner.

use super::{
    Targets,
    held::{Held, Hint},
};
use crate::{
    canary::Canary,
    coordinator::operation::Minted,
    fill::BufferTask,
    ids::{Dot, Lsn, MemberNumber},
    limits::RECORD_BYTES,
    message::{Body, OpId, ReadVerdict, WriteVerdict},
    replica::{Lookedup, Task, overtaken},
    request::Rejected,
    shard::{Context, Shard},
    slot::Slot,
    storage::{LoadError, Mutation, Refusal, Storage},
    version::{Kind, Record, SlotLines, Write},
};
use alloc::{boxed::Box, vec::Vec};
use bytes::Bytes;

/// Something that needs what is held of a key.
#[derive(Debug)]
pub(crate) enum HintTask {
    /// Another server's write, to be held for these owners.
    Keep(MemberNumber, Option<OpId>, Targets, Write),
    /// The own coordinator mints, as a stand-in, above what it did as an owner before.
    Mint(OpId, SlotLines),
    /// The own coordinator reads, as a stand-in.
    Read(OpId),
    /// Another server's read.
    AnswerRead(MemberNumber, OpId),
    /// An owner has this write.
    Delivered(Dot, MemberNumber),
    /// Some that it is for own nothing here any more.
    Retarget,
    /// Something with the buffer of a slot that is filled.
    Buffer(BufferTask),
}

impl HintTask {
    /// The other server behind it, and its operation.
    pub(crate) fn asker(&self) -> Option<(MemberNumber, Option<OpId>)> {
        match self {
            HintTask::Keep(from, op, ..) => Some((*from, *op)),
            HintTask::AnswerRead(from, op) => Some((*from, Some(*op))),
            HintTask::Buffer(BufferTask::Take(from, op, _)) => Some((*from, Some(*op))),
            HintTask::Mint(..)
            | HintTask::Read(_)
            | HintTask::Delivered(..)
            | HintTask::Retarget
            | HintTask::Buffer(BufferTask::Adopt(..)) => None,
        }
    }
}

impl Shard {
    /// Whether this server is one of the slot's stand-ins.
    pub(crate) fn stands_in(&self, slot: Slot) -> bool {
        self.layout.stand_ins(slot).contains(&self.config.me)
    }

    /// Runs the task with what is held of the key, now or when the disk has answered.
    pub(crate) fn with_hints<S: Storage>(
        &mut self,
        slot: Slot,
        key: Bytes,
        task: HintTask,
        cx: &mut Context<'_, S>,
    ) {
        self.with_record(slot.hints(), key, Task::Hint(Box::new(task)), cx);
    }

    /// Runs the task with what is buffered of the key.
    pub(crate) fn with_buffer<S: Storage>(
        &mut self,
        slot: Slot,
        key: Bytes,
        task: BufferTask,
        cx: &mut Context<'_, S>,
    ) {
        self.with_hints(slot, key, HintTask::Buffer(task), cx);
    }

    /// The lookup is through.
    pub(crate) fn run_hint_task<S: Storage>(
        &mut self,
        slot: Slot,
        key: Bytes,
        task: HintTask,
        looked: Lookedup,
        cx: &mut Context<'_, S>,
    ) {
        let slot = slot.of_keys();
        let found = match looked {
            Ok(Some(found)) => {
                Held::decode(found.record).map(|held| (held, found.lsn)).map_err(|_| LoadError::Damaged)
            }
            Ok(None) => Ok((Held::default(), Lsn(0))),
            Err(error) => Err(error),
        };
        let (held, lsn) = match found {
            Ok(found) => found,
            Err(error) => return self.refuse_hint_task(slot, task, error, cx),
        };
        match task {
            HintTask::Keep(from, op, targets, write) => {
                self.keep_hint(from, op, slot, targets, write, held, lsn, cx)
            }
            HintTask::Mint(op, past) => self.mint_hint(op, slot, key, held, &past, cx),
            HintTask::Read(op) => self.own_hints_read(op, held.view(), cx),
            HintTask::AnswerRead(from, op) => {
                let mut record = Vec::new();
                held.view().encode(&mut record);
                let body = Body::ReadAck { op, verdict: ReadVerdict::Hints(record.into()) };
                self.answer(from, slot, lsn, body, cx);
            }
            HintTask::Delivered(dot, target) => self.hint_delivered(slot, &key, dot, target, held, cx),
            HintTask::Buffer(task) => self.buffer_task(slot, task, Some((held, lsn)), cx),
            HintTask::Retarget => {
                let mut after = held.clone();
                if after.retarget(self.layout.owners(slot)) {
                    self.hold(slot, &key, &held, &after, cx);
                }
            }
        }
    }

    /// What is held cannot be read: nothing is applied.
    pub(crate) fn refuse_hint_task<S: Storage>(
        &mut self,
        slot: Slot,
        task: HintTask,
        error: LoadError,
        cx: &mut Context<'_, S>,
    ) {
        let slot = slot.of_keys();
        match task {
            HintTask::Keep(from, op, targets, _) => {
                if op.is_none() {
                    self.hints.behind.note(slot, &targets, self.layout.owners(slot));
                }
                self.refuse_hint(from, op, slot, cx);
            }
            HintTask::Mint(op, _) => self.mint_refused(op, error, cx),
            HintTask::Read(op) => self.read_failed(op, self.config.me, cx),
            HintTask::AnswerRead(from, op) => {
                self.send(from, Some(slot), 0, Body::ReadAck { op, verdict: ReadVerdict::Refused }, cx);
            }
            HintTask::Buffer(task) => self.buffer_task(slot, task, None, cx),
            // It is tried again with the next walk over the slot.
            HintTask::Delivered(..) | HintTask::Retarget => {}
        }
    }

    /// What is held of a key, to be changed.
    fn to_change(&self, held: &Held) -> Held {
        if self.config.canary.is(Canary::HintsReplaceEachOther) { Held::default() } else { held.clone() }
    }

    fn refuse_hint<S: Storage>(
        &mut self,
        to: MemberNumber,
        op: Option<OpId>,
        slot: Slot,
        cx: &mut Context<'_, S>,
    ) {
        if let Some(op) = op {
            self.send(to, Some(slot), 0, Body::WriteAck { op, verdict: WriteVerdict::Refused }, cx);
        }
    }

    /// Another server's write is held for owners that are down.
    #[expect(clippy::too_many_arguments, reason = "the fields of one message")]
    fn keep_hint<S: Storage>(
        &mut self,
        from: MemberNumber,
        op: Option<OpId>,
        slot: Slot,
        targets: Targets,
        write: Write,
        held: Held,
        mut lsn: Lsn,
        cx: &mut Context<'_, S>,
    ) {
        let known = held.hints.iter().any(|hint| {
            hint.write.dot == write.dot && targets.iter().all(|target| hint.targets.contains(target))
        });
        let mut after = self.to_change(&held);
        if !known {
            let hint = Hint { write: write.clone(), targets: targets.clone() };
            let room =
                self.hints.ledger.knows(slot) && self.hints.ledger.admits(self.config.hints, &targets, &hint);
            // A round may already rely on it that nothing so old comes from here.
            let room = room && write.time >= self.promised(slot);
            if !room {
                self.hints.ledger.refused += 1;
            }
            let kept = room && cx.store.admits().is_ok() && after.add(&write, &targets);
            let Some(kept) = kept.then(|| self.hold(slot, &write.key, &held, &after, cx)).flatten() else {
                if op.is_none() {
                    // Enough others have it; what is missed is left to the exchange between owners.
                    self.hints.behind.note(slot, &targets, self.layout.owners(slot));
                }
                return self.refuse_hint(from, op, slot, cx);
            };
            lsn = kept;
        }
        let Some(op) = op else { return };
        let view = after.view();
        let beaten = write.kind == Kind::Register && view.mark > Some((write.time, write.dot));
        let beaten_by = beaten.then(|| view.token());
        let verdict = WriteVerdict::Taken { durable: self.answers_are_durable(), beaten_by };
        self.answer(from, slot, lsn, Body::WriteAck { op, verdict }, cx);
    }

    /// Mints a write of the own coordinator over what is held, with a dot of this server.
    fn mint_hint<S: Storage>(
        &mut self,
        op: OpId,
        slot: Slot,
        key: Bytes,
        held: Held,
        past: &SlotLines,
        cx: &mut Context<'_, S>,
    ) {
        if !self.hints.ledger.knows(slot) {
            return self.write_rejected(op, Rejected::NotReady, cx);
        }
        let (mut view, me) = (held.view(), self.actor);
        if let Some(by) = self.first_round(op).and_then(|first| overtaken(first, &view, me)) {
            return self.write_overtaken(op, by, cx);
        }
        let mut lines = self.lines(slot.hints(), cx.store).beside(me, past);
        if self.config.canary.is(Canary::StandInForgetsUsed) {
            lines = SlotLines::default();
        }
        lines.time_floor = lines.time_floor.max(self.promised(slot));
        let Some((mint, existed)) = self.mint_over(op, slot.hints(), &lines, &key, &mut view, cx) else {
            return;
        };
        let targets = self.own_targets(slot);
        let hint = Hint { write: mint.write.clone(), targets: targets.clone() };
        let mut after = self.to_change(&held);
        let room =
            self.hints.ledger.admits(self.config.hints, &targets, &hint) && after.add(&mint.write, &targets);
        if !room {
            self.hints.ledger.refused += 1;
        }
        let Some(lsn) = room.then(|| self.hold(slot, &key, &held, &after, cx)).flatten() else {
            return self.write_rejected(op, Rejected::Overloaded, cx);
        };
        self.write_minted(op, Minted { write: mint.write, reply: mint.reply, lsn, held: true }, existed, cx);
    }

    /// What this server remembers of a key from when it owned the slot: its record may still be there, and whoever
    /// owns the slot now may have all of it.
    pub(crate) fn past_as_owner<S: Storage>(&self, slot: Slot, record: &Record, store: &S) -> SlotLines {
        let stored = store.lines(slot).and_then(|bytes| SlotLines::decode(bytes).ok());
        let mut past = stored.unwrap_or_default();
        if !record.is_empty() {
            past.handed_over(self.actor, record);
        }
        past
    }

    /// An owner has a write: it is held for it no longer.
    fn hint_delivered<S: Storage>(
        &mut self,
        slot: Slot,
        key: &[u8],
        dot: Dot,
        target: MemberNumber,
        held: Held,
        cx: &mut Context<'_, S>,
    ) {
        if matches!(cx.store.admits(), Err(Refusal::Backlog | Refusal::Failed)) {
            // It is delivered once more, and goes then.
            return;
        }
        let mut after = held.clone();
        if after.delivered(dot, target) && self.hold(slot, key, &held, &after, cx).is_some() {
            self.hints.ledger.delivered += 1;
        }
    }

    /// Keeps what is held of a key from now on; `None` if it is too large. The lines rise in the same batch above all that
    /// is not held any more.
    pub(crate) fn hold<S: Storage>(
        &mut self,
        slot: Slot,
        key: &[u8],
        before: &Held,
        after: &Held,
        cx: &mut Context<'_, S>,
    ) -> Option<Lsn> {
        let place = slot.hints();
        let mut encoded = Vec::new();
        after.encode(&mut encoded);
        if encoded.len() > RECORD_BYTES {
            return None;
        }
        let live = i8::from(!after.hints.is_empty()) - i8::from(!before.hints.is_empty());
        let record = match after.hints.is_empty() {
            true => Mutation::Forget { key, live, sums: &[] },
            false => Mutation::Put { key, record: &encoded, live, sums: &[] },
        };
        let old = self.lines(place, cx.store);
        let mut lines = old;
        let gone = |hint: &&Hint| !after.hints.iter().any(|other| other.write.dot == hint.write.dot);
        let forgets = self.config.canary.is(Canary::HintLeavesNoLines);
        for hint in before.hints.iter().filter(|_| !forgets).filter(gone) {
            lines.handed_over(self.actor, &hint.write.delta());
        }
        let own = after.hints.iter().map(|hint| hint.write.dot).filter(|dot| dot.actor == self.actor);
        if let Some(counter) = own.map(|dot| dot.counter).max() {
            lines.held(self.actor, counter);
        }
        let lsn = if lines == old {
            cx.store.apply(place, &[record])
        } else {
            let mut bytes = Vec::new();
            lines.encode(&mut bytes);
            cx.store.apply(place, &[record, Mutation::Lines(&bytes)])
        };
        self.hints.ledger.change(slot, before, after);
        Some(lsn)
    }

    /// What the own coordinator reads as a stand-in.
    fn own_hints_read<S: Storage>(&mut self, op: OpId, view: Record, cx: &mut Context<'_, S>) {
        self.own_answer_of_hints(op, view, cx);
    }

    /// Owners for whom a write is held that is minted here as a stand-in.
    fn own_targets(&self, slot: Slot) -> Targets {
        let owners = self.layout.owners(slot);
        let down: Targets = owners.iter().copied().filter(|&owner| !self.is_live(owner)).collect();
        if down.is_empty() { owners.iter().copied().collect() } else { down }
    }
}
