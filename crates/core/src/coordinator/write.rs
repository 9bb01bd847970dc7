//! Writes at the coordinator: mint once, send to every owner, answer after W; write once more if a plain write
//! turns out to be beaten by one that a majority already holds.

use super::operation::{Kind, Members, Minted, Operation, Origin, WriteOp};
use crate::{
    canary::Canary,
    ids::{Dot, MemberNumber},
    message::{Body, OpId, WriteVerdict},
    outbox::Event,
    replica::Waiter,
    request::{Ack, Basis, Level, Op, Outcome, Receipt, Rejected, Request, WriteAnswer},
    shard::{Context, Shard},
    slot::Slot,
    storage::Storage,
    version::{Payload, Record, Token},
};
use alloc::{boxed::Box, vec::Vec};
use smallvec::SmallVec;

impl Shard {
    pub(crate) fn begin_write<S: Storage>(
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
        let (basis, payload) = match request.op {
            Op::Set { basis, value, expires_ms } => (basis, Payload::Value { bytes: value, expires_ms }),
            Op::Delete { basis } => (basis, Payload::Delete),
            Op::Get | Op::Explain => return,
        };
        let write = WriteOp {
            basis,
            payload,
            minted: None,
            existed: false,
            acks: SmallVec::new(),
            outstanding: Members::new(),
            learned: None,
            asked: None,
            second_round: false,
            first_acks: SmallVec::new(),
            hinted: SmallVec::new(),
            unwilling: Members::new(),
            began_ms: cx.now.mono_ms,
            hedged: false,
            followers: Vec::new(),
        };
        let op = self.operations.insert(Operation {
            origin,
            key: request.key.clone(),
            slot,
            level: request.level,
            required,
            epoch: self.layout.epoch(),
            deadline_ms: Shard::deadline_ms(request.timeout_ms, cx.now.mono_ms),
            kind: Kind::Write(Box::new(write)),
        });
        if self.must_ask(op) {
            return self.ask_marks(op, cx);
        }
        self.prepare(op, slot, request.key, cx);
    }

    /// Nothing was applied. (In the second round the first one was: then the outcome is unknown.)
    pub(crate) fn write_rejected<S: Storage>(&mut self, op: OpId, reason: Rejected, cx: &mut Context<'_, S>) {
        let Some(operation) = self.operations.get(op) else { return };
        let Kind::Write(write) = &operation.kind else { return };
        let required = operation.required.min(255) as u8;
        let outcome = match write.minted {
            None => Outcome::Rejected(reason),
            Some(_) => Outcome::Unknown { required, acked: 0 },
        };
        self.finish(op, outcome, cx);
    }

    /// The own replica has the write: now the others.
    pub(crate) fn write_minted<S: Storage>(
        &mut self,
        op: OpId,
        minted: Minted,
        existed: bool,
        cx: &mut Context<'_, S>,
    ) {
        let Some(operation) = self.operations.get(op) else { return };
        let Kind::Write(write) = &mut operation.kind else { return };
        if write.minted.is_none() {
            write.existed = existed;
        }
        write.minted = Some(minted);
        self.offer(op, cx);
    }

    /// Offers the minted write to every owner of the present layout, the own replica among them.
    pub(crate) fn offer<S: Storage>(&mut self, op: OpId, cx: &mut Context<'_, S>) {
        let Some(operation) = self.operations.look(op) else { return };
        let (slot, deadline_ms) = (operation.slot, operation.deadline_ms);
        let owner = self.layout.owners(slot).contains(&self.config.me) && !self.withholds(slot, cx.store);
        let Some(operation) = self.operations.get(op) else { return };
        let sloppy = !operation.level.strict;
        let stand_in = || sloppy && self.layout.stand_ins(slot).contains(&self.config.me);
        let Kind::Write(write) = &mut operation.kind else { return };
        let Some(minted) = &write.minted else { return };
        // A new layout may have changed the role in which it was minted: then the own copy is where nobody looks.
        let own = if minted.held { stand_in() } else { owner };
        let (lsn, body) = (minted.lsn, Body::Write { op, write: minted.write.clone() });
        let owners = self.layout.owners(slot);
        let me = self.config.me;
        let up: Members = owners.iter().copied().filter(|&o| o != me && self.liveness.is_up(o)).collect();
        write.outstanding = up.clone();
        if own {
            write.outstanding.push(me);
        }
        let left_ms = Shard::remaining_ms(deadline_ms, cx.now.mono_ms);
        self.send_all(up, Some(slot), left_ms, body, cx);
        self.reinforce(op, cx);
        if !own {
            return self.write_stuck(op, cx);
        }
        if self.may_answer(lsn, cx) {
            let durable = self.answers_are_durable();
            self.write_acked(op, me, durable, None, cx);
        } else {
            self.waiting.push(lsn, Waiter::OwnWrite(op));
        }
        self.write_stuck(op, cx);
    }

    /// A replica answered.
    pub(crate) fn write_answered<S: Storage>(
        &mut self,
        op: OpId,
        from: MemberNumber,
        verdict: WriteVerdict,
        cx: &mut Context<'_, S>,
    ) {
        match verdict {
            WriteVerdict::Taken { durable, beaten_by } => self.write_acked(op, from, durable, beaten_by, cx),
            WriteVerdict::TooOld => self.again.push((op, from)),
            WriteVerdict::Refused => self.write_failed(op, from, cx),
        }
    }

    /// A replica holds the write.
    pub(crate) fn write_acked<S: Storage>(
        &mut self,
        op: OpId,
        from: MemberNumber,
        durable: bool,
        beaten_by: Option<Token>,
        cx: &mut Context<'_, S>,
    ) {
        let Some(operation) = self.operations.get(op) else { return };
        let (required, owner) = (operation.required, self.layout.owners(operation.slot).contains(&from));
        let Kind::Write(write) = &mut operation.kind else { return };
        let Some(at) = write.outstanding.iter().position(|&m| m == from) else { return };
        write.outstanding.swap_remove(at);
        write.acks.push(Ack { member: from, owner, durable });
        if let Some(token) = beaten_by.filter(|_| write.asked.is_none()) {
            learn(&mut write.learned, token);
        }
        let acks = write.acks.len();
        if acks < self.enough(required) {
            return self.write_stuck(op, cx);
        }
        self.write_settled(op, cx);
    }

    /// W replicas hold the write: answer, or write once more.
    fn write_settled<S: Storage>(&mut self, op: OpId, cx: &mut Context<'_, S>) {
        let Some(operation) = self.operations.get(op) else { return };
        let owners = self.layout.owners(operation.slot).len();
        let (required, key, slot) = (operation.required, operation.key.clone(), operation.slot);
        let Kind::Write(write) = &mut operation.kind else { return };
        let beaten = write.learned.is_some()
            && write.asked.is_none()
            && !write.second_round
            && write.basis == Basis::Plain;
        if beaten && required > owners / 2 && !self.config.canary.is(Canary::NoSecondRound) {
            write.second_round = true;
            write.first_acks = core::mem::take(&mut write.acks);
            write.outstanding.clear();
            write.hinted.clear();
            write.hedged = false;
            // Late answers to the first round must not count for the second.
            let Some(op) = self.operations.rename(op) else { return };
            cx.out.events.push(Event::SecondRound);
            return self.prepare(op, slot, key, cx);
        }
        if beaten {
            cx.out.events.push(Event::BeatenBelowMajority);
        }
        self.write_done(op, cx);
    }

    /// Before its second round a plain write that had seen the first one took its place here. To write once more
    /// would bring back what was overwritten. If the other one is under way here for a majority, it will end above
    /// all that beat this one, which is then done with it; else a majority is asked what became of it.
    pub(crate) fn write_overtaken<S: Storage>(&mut self, op: OpId, by: Option<Dot>, cx: &mut Context<'_, S>) {
        let Some(operation) = self.operations.get(op) else { return };
        let (slot, key, deadline_ms) = (operation.slot, operation.key.clone(), operation.deadline_ms);
        let level = Level { need: operation.level.need, strict: true };
        let majority = self.layout.owners(slot).len() / 2 + 1;
        let leader = by
            .and_then(|dot| self.operations.minting(&key, dot))
            .filter(|leader| leader.required >= majority);
        if let Some(Kind::Write(leader)) = leader.map(|leader| &mut leader.kind) {
            return leader.followers.push(op);
        }
        let timeout_ms = u64::from(Shard::remaining_ms(deadline_ms, cx.now.mono_ms));
        let request = Request { key, op: Op::Get, level, timeout_ms };
        self.begin_read(Origin::Overtaken(op), slot, request, cx);
    }

    /// What a majority now holds for good, in place of a write that was overtaken: if that had seen the write, the
    /// write is done; else it may have lost to what beat it, and nobody knows.
    pub(super) fn overtaker_read<S: Storage>(
        &mut self,
        op: OpId,
        outcome: &Outcome,
        cx: &mut Context<'_, S>,
    ) {
        let Some(operation) = self.operations.get(op) else { return };
        let required = operation.required.min(255) as u8;
        let Kind::Write(write) = &operation.kind else { return };
        let Some(dot) = write.minted.as_ref().map(|minted| minted.write.dot) else { return };
        let seen = |record: &Record| record.versions.iter().any(|version| version.ctx.contains(dot));
        match outcome {
            Outcome::Read(answer) if seen(&answer.record) => self.write_followed(op, cx),
            _ => self.finish(op, Outcome::Unknown { required, acked: 0 }, cx),
        }
    }

    /// The write that overtook this one is done.
    fn write_followed<S: Storage>(&mut self, op: OpId, cx: &mut Context<'_, S>) {
        let Some(operation) = self.operations.get(op) else { return };
        if let Kind::Write(write) = &mut operation.kind {
            write.acks = core::mem::take(&mut write.first_acks);
        }
        self.write_done(op, cx);
    }

    fn write_done<S: Storage>(&mut self, op: OpId, cx: &mut Context<'_, S>) {
        let Some(operation) = self.operations.remove(op) else { return };
        let Kind::Write(mut write) = operation.kind else { return };
        for follower in core::mem::take(&mut write.followers) {
            self.write_followed(follower, cx);
        }
        self.hint_the_rest(operation.slot, &write, cx);
        let Some(minted) = write.minted else { return };
        let receipt = Receipt {
            epoch: operation.epoch,
            required: operation.required.min(255) as u8,
            acks: write.acks.to_vec(),
        };
        let answer =
            WriteAnswer { token: minted.reply, time: minted.write.time, existed: write.existed, receipt };
        self.answer_origin(operation.origin, Outcome::Written(answer), cx);
    }

    /// A replica will not take the write.
    pub(crate) fn write_failed<S: Storage>(
        &mut self,
        op: OpId,
        member: MemberNumber,
        cx: &mut Context<'_, S>,
    ) {
        let Some(operation) = self.operations.get(op) else { return };
        let Kind::Write(write) = &mut operation.kind else { return };
        write.outstanding.retain(|m| *m != member);
        let held = write.hinted.len();
        write.hinted.retain(|(stand_in, _)| *stand_in != member);
        if write.hinted.len() < held {
            write.unwilling.push(member);
        }
        self.reinforce(op, cx);
        self.write_stuck(op, cx);
    }

    /// Ends a write that can no longer reach W: it may have landed on some.
    fn write_stuck<S: Storage>(&mut self, op: OpId, cx: &mut Context<'_, S>) {
        let Some(operation) = self.operations.get(op) else { return };
        let required = operation.required;
        let Kind::Write(write) = &operation.kind else { return };
        if write.minted.is_none() || write.acks.len() + write.outstanding.len() >= required {
            return;
        }
        let acked = if write.second_round { 0 } else { write.acks.len().min(255) as u8 };
        self.finish(op, Outcome::Unknown { required: required.min(255) as u8, acked }, cx);
    }
}

/// Adds what a replica knows to what others said.
fn learn(learned: &mut Option<Token>, token: Token) {
    match learned {
        None => *learned = Some(token),
        Some(known) => {
            known.seen.union(&token.seen);
            known.mark = known.mark.max(token.mark);
            known.hi = known.hi.max(token.hi);
        }
    }
}
