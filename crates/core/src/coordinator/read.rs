//! Reads at the coordinator: the own replica first, then the others with the digest of what it holds, until R have
//! answered. What happens to replicas that are behind is in `mend`.

use super::operation::{Answer, Kind, Members, Operation, Origin, ReadOp};
use super::shared::Place;
use crate::{
    canary::Canary,
    hints::HintTask,
    hlc::Hlc,
    ids::MemberNumber,
    limits::OPERATIONS,
    message::{Body, OpId, ReadVerdict},
    replica::Task,
    request::{Ack, Outcome, ReadAnswer, Receipt, Rejected, Request},
    shard::{Context, Shard},
    slot::Slot,
    storage::Storage,
    tree,
    version::Record,
};
use alloc::{boxed::Box, vec::Vec};
use bytes::Bytes;

impl Shard {
    pub(crate) fn begin_read<S: Storage>(
        &mut self,
        origin: Origin,
        slot: Slot,
        request: Request,
        cx: &mut Context<'_, S>,
    ) {
        let required = match self.required(request.level, slot) {
            Ok(required) => required,
            Err(reason) => return self.answer_origin(origin, Outcome::Rejected(reason), cx),
        };
        let deadline_ms = Shard::deadline_ms(request.timeout_ms, cx.now.mono_ms);
        let origin = match required {
            0..=1 => origin,
            _ => match self.shared.place(origin, slot, &request, deadline_ms) {
                Place::Alone => origin,
                Place::First(line) => line,
                Place::Waits => return,
            },
        };
        let op = self.operations.insert(Operation {
            origin,
            key: request.key,
            slot,
            level: request.level,
            required,
            epoch: self.layout.epoch(),
            deadline_ms,
            kind: Kind::Read(Box::default()),
        });
        self.ask(op, cx);
    }

    /// Asks the own replica; the others follow when it has answered.
    pub(crate) fn ask<S: Storage>(&mut self, op: OpId, cx: &mut Context<'_, S>) {
        let me = self.config.me;
        let Some(operation) = self.operations.get(op) else { return };
        let (slot, key) = (operation.slot, operation.key.clone());
        let owner = self.layout.owners(slot).contains(&me);
        if !owner && (operation.level.strict || !self.stands_in(slot)) {
            return self.ask_others(op, None, cx);
        }
        if let Some(read) = self.reading(op) {
            read.outstanding.push(me);
        }
        match owner {
            true => self.with_record(slot, key, Task::Read(op), cx),
            false => self.with_hints(slot, key, HintTask::Read(op), cx),
        }
    }

    /// The read behind an operation.
    pub(super) fn reading(&mut self, op: OpId) -> Option<&mut ReadOp> {
        match &mut self.operations.get(op)?.kind {
            Kind::Read(read) => Some(read),
            _ => None,
        }
    }

    /// The own replica's answer.
    pub(crate) fn own_answer<S: Storage>(
        &mut self,
        op: OpId,
        record: Record,
        encoded: Bytes,
        cx: &mut Context<'_, S>,
    ) {
        let me = self.config.me;
        let Some(operation) = self.operations.get(op) else { return };
        let (slot, more) = (operation.slot, operation.required > 1);
        let digest = more.then(|| self.layout.spec().digest_key.digest(slot, &operation.key, &record));
        let stamp = Some(self.stamp(slot, cx.store));
        let Some(read) = self.reading(op) else { return };
        if !take(&mut read.outstanding, me) {
            return;
        }
        read.answers.push(Answer { member: me, stamp, encoded, record: None });
        read.own = Some(record);
        if more {
            self.ask_others(op, digest, cx);
        }
        self.collected(op, cx);
    }

    /// What this server knows as a stand-in.
    pub(crate) fn own_answer_of_hints<S: Storage>(
        &mut self,
        op: OpId,
        view: Record,
        cx: &mut Context<'_, S>,
    ) {
        let me = self.config.me;
        let Some(read) = self.reading(op) else { return };
        if !take(&mut read.outstanding, me) {
            return;
        }
        read.answers.push(Answer { member: me, stamp: None, encoded: Bytes::new(), record: Some(view) });
        self.ask_others(op, None, cx);
        self.collected(op, cx);
    }

    fn ask_others<S: Storage>(&mut self, op: OpId, digest: Option<u128>, cx: &mut Context<'_, S>) {
        let Some(operation) = self.operations.get(op) else { return };
        let (slot, required, deadline_ms) = (operation.slot, operation.required, operation.deadline_ms);
        let (key, strict) = (operation.key.clone(), operation.level.strict);
        let needed = required - usize::from(digest.is_some()).min(required);
        let mut others = self.others(slot, needed);
        if !strict {
            self.add_stand_ins(slot, required, &mut others);
        }
        others.retain(|member| self.liveness.is_up(*member));
        let Some(read) = self.reading(op) else { return };
        read.outstanding.extend(others.iter().copied());
        let left_ms = Shard::remaining_ms(deadline_ms, cx.now.mono_ms);
        self.send_all(others, Some(slot), left_ms, Body::Read { op, key, digest, durable: strict }, cx);
    }

    /// Another replica answered.
    pub(crate) fn read_answered<S: Storage>(
        &mut self,
        op: OpId,
        from: MemberNumber,
        verdict: ReadVerdict,
        cx: &mut Context<'_, S>,
    ) {
        let answer = match verdict {
            ReadVerdict::Refused => return self.read_failed(op, from, cx),
            ReadVerdict::Same { stamp } => {
                Answer { member: from, stamp: Some(stamp), encoded: Bytes::new(), record: None }
            }
            ReadVerdict::Hints(encoded) => match Record::decode(encoded) {
                Err(_) => return self.read_failed(op, from, cx),
                Ok(view) => Answer { member: from, stamp: None, encoded: Bytes::new(), record: Some(view) },
            },
            ReadVerdict::Record(stamped) => match Record::decode(stamped.record.clone()) {
                Err(_) => return self.read_failed(op, from, cx),
                Ok(record) => {
                    let record = Some(record);
                    Answer { member: from, stamp: Some(stamped.stamp), encoded: stamped.record, record }
                }
            },
        };
        let Some(read) = self.reading(op) else { return };
        if !take(&mut read.outstanding, from) {
            return;
        }
        read.answers.push(answer);
        if read.joined.is_none() { self.collected(op, cx) } else { self.late_answer(op, cx) }
    }

    /// A replica will not answer, to the read or to a repair.
    pub(crate) fn read_failed<S: Storage>(
        &mut self,
        op: OpId,
        member: MemberNumber,
        cx: &mut Context<'_, S>,
    ) {
        let me = self.config.me;
        let Some(read) = self.reading(op) else { return };
        let owed = take(&mut read.outstanding, member);
        let mending = take(&mut read.mending, member);
        if !owed && !mending {
            return;
        }
        if owed && member == me && read.joined.is_none() {
            // The own copy is damaged: the others alone must do.
            self.ask_others(op, None, cx);
        }
        let Some(operation) = self.operations.get(op) else { return };
        let required = operation.required;
        let Kind::Read(read) = &operation.kind else { return };
        let have =
            if read.joined.is_none() { read.answers.len() } else { read.fresh.len() + read.mending.len() };
        if read.answered {
            return self.linger(op);
        }
        if have >= required && read.joined.is_none() {
            return self.collected(op, cx);
        }
        if have + read.outstanding.len() < required {
            // A repair that the own replica refuses, for want of space perhaps, is no damage.
            let reason = match owed && member == me {
                true => Rejected::Damaged,
                false => Rejected::NoQuorum { required: required as u8, alive: have as u8 },
            };
            self.finish(op, Outcome::Rejected(reason), cx);
        }
    }

    /// Goes on once R answers are there.
    fn collected<S: Storage>(&mut self, op: OpId, cx: &mut Context<'_, S>) {
        let Some(operation) = self.operations.get(op) else { return };
        let (required, strict) = (operation.required, operation.level.strict);
        let asking = matches!(operation.origin, Origin::Asking(_));
        let enough = self.enough(required);
        let Some(read) = self.reading(op) else { return };
        let have = read.answers.len();
        if have >= enough {
            leave_out_collectable(read);
        }
        if have < enough {
            // The others may have gone between the first check and the own answer.
            if have + read.outstanding.len() < required {
                let reason = Rejected::NoQuorum { required: required as u8, alive: have as u8 };
                self.finish(op, Outcome::Rejected(reason), cx);
            }
            return;
        }
        let nothing =
            |answer: &Answer| answer.stamp.is_none() && answer.record.as_ref().is_some_and(Record::is_empty);
        if read.answers.iter().all(nothing) {
            // Stand-ins that hold nothing of the key cannot know that there is none.
            if read.outstanding.is_empty() {
                let reason = Rejected::NoQuorum { required: required as u8, alive: 0 };
                self.finish(op, Outcome::Rejected(reason), cx);
            }
            return;
        }
        let same = read.answers.iter().all(|answer| answer.record.is_none());
        if same && read.outstanding.is_empty() {
            let record = read.own.take().unwrap_or_default();
            return self.read_done(op, record, cx);
        }
        if asking {
            // What is about to be written replaces all of it: no repair.
            let record = join(read);
            return self.read_done(op, record, cx);
        }
        let joined = join(read);
        if strict && joined.is_too_large() {
            // No replica will keep it, so no answer could be held to.
            return self.finish(op, Outcome::Rejected(Rejected::RecordTooLarge), cx);
        }
        read.joined = Some(joined);
        if !strict || self.config.canary.is(Canary::ReadRepairNotAwaited) {
            // Before any repair: one that is refused takes nothing from the answer.
            self.answer_now(op, cx);
        }
        self.compare_all(op, cx);
        self.repaired(op, cx);
    }

    /// Answers once R replicas are known to hold the join.
    pub(super) fn repaired<S: Storage>(&mut self, op: OpId, cx: &mut Context<'_, S>) {
        let required = self.operations.get(op).map_or(0, |operation| operation.required);
        let Some(read) = self.reading(op) else { return };
        if !read.answered && read.fresh.len() >= required {
            self.answer_now(op, cx);
        }
        self.linger(op);
    }

    /// Answers the client; the operation stays for the replicas that have not answered yet.
    fn answer_now<S: Storage>(&mut self, op: OpId, cx: &mut Context<'_, S>) {
        let Some(operation) = self.operations.get(op) else { return };
        let (origin, receipt) = (operation.origin, receipt(operation));
        let Some(read) = self.reading(op) else { return };
        if read.answered {
            // A repair of the own replica may have been through at once.
            return;
        }
        read.answered = true;
        let record = read.joined.clone().unwrap_or_default();
        self.answer_origin(origin, Outcome::Read(ReadAnswer { record, receipt }), cx);
    }

    /// Ends an answered read that has nothing more to wait for, or when too much else is in flight.
    pub(super) fn linger(&mut self, op: OpId) {
        let crowded = self.operations.len() > OPERATIONS / 2;
        let Some(read) = self.reading(op) else { return };
        if read.answered && (read.outstanding.is_empty() || crowded) {
            self.operations.remove(op);
        }
    }

    fn read_done<S: Storage>(&mut self, op: OpId, record: Record, cx: &mut Context<'_, S>) {
        let Some(operation) = self.operations.remove(op) else { return };
        let receipt = receipt(&operation);
        self.answer_origin(operation.origin, Outcome::Read(ReadAnswer { record, receipt }), cx);
    }

    /// The deadline of a read.
    pub(crate) fn read_timed_out<S: Storage>(&mut self, op: OpId, cx: &mut Context<'_, S>) {
        let Some(operation) = self.operations.get(op) else { return };
        let required = operation.required.min(255) as u8;
        let Kind::Read(read) = &operation.kind else { return };
        if read.answered {
            self.operations.remove(op);
            return;
        }
        let have = if read.joined.is_none() { read.answers.len() } else { read.fresh.len() };
        self.finish(op, Outcome::Rejected(Rejected::ReadTimeout { required, acked: have as u8 }), cx);
    }
}

/// Removes a member from a list; whether it was there.
pub(super) fn take(members: &mut Members, member: MemberNumber) -> bool {
    let Some(at) = members.iter().position(|&m| m == member) else { return false };
    members.swap_remove(at);
    true
}

/// What another owner has collected, or may have, is nothing, whoever still has it: to repair it would bring back what
/// is to go, and a record read under an earlier line would be refused.
pub(super) fn leave_out_collectable(read: &mut ReadOp) {
    let lines = read.answers.iter().filter_map(|answer| Some(answer.stamp?.collect));
    let Some(collect) = lines.max().filter(|collect| *collect > Hlc::ZERO) else { return };
    let goes = |record: &Record| tree::collectable_from(record).is_some_and(|from| from <= collect);
    let own_goes = read.own.as_ref().is_some_and(goes);
    for answer in read.answers.iter_mut().filter(|answer| answer.stamp.is_some()) {
        match &mut answer.record {
            Some(record) if goes(record) => *record = Record::default(),
            None if own_goes => {}
            _ => continue,
        }
        answer.encoded = Bytes::new();
    }
    for record in read.own.iter_mut().chain(&mut read.joined).filter(|record| goes(record)) {
        *record = Record::default();
    }
}

/// The join of all answers.
fn join(read: &ReadOp) -> Record {
    let mut joined = read.own.clone().unwrap_or_default();
    for record in read.answers.iter().filter_map(|answer| answer.record.as_ref()) {
        joined.join(record);
    }
    joined
}

fn receipt(operation: &Operation) -> Receipt {
    let mut acks = Vec::new();
    if let Kind::Read(read) = &operation.kind {
        let durable = operation.level.strict;
        let ack = |answer: &Answer| Ack { member: answer.member, owner: answer.stamp.is_some(), durable };
        acks.extend(read.answers.iter().map(ack));
    }
    Receipt { epoch: operation.epoch, required: operation.required.min(255) as u8, acks }
}
