//! The coordinator: takes a request for one key, asks the owners of its slot, and answers when enough of them have.
//!
//! Every operation ends in exactly one outcome: done, rejected (certainly nothing applied) or unknown (may have
//! landed), at its deadline at the latest. Any server coordinates; one that owns no replica of the slot hands the
//! request to the first healthy owner.
//!
//! It does not touch storage: what the own replica does goes through [`crate::replica`].

mod count;
mod explain;
mod forward;
mod marks;
mod mend;
pub(crate) mod operation;
mod read;
mod shared;
mod stand_in;
mod write;

use crate::{
    canary::Canary,
    ids::MemberNumber,
    limits::{KEY_BYTES, MAX_TIMEOUT_MS, VALUE_BYTES},
    message::{Body, OpId},
    request::{Basis, Level, Op, Outcome, Rejected, Request},
    shard::{Context, Shard},
    slot::Slot,
    storage::Storage,
};
use alloc::vec::Vec;
pub(crate) use count::count as count_live;
pub(crate) use marks::Asking;
use operation::{Kind, Operation, Origin};
pub(crate) use shared::Shared;

impl Shard {
    /// Begins a request, or rejects it before anything is done.
    pub(crate) fn begin<S: Storage>(&mut self, origin: Origin, request: Request, cx: &mut Context<'_, S>) {
        if let Err(reason) = self.admit(&request) {
            return self.answer_origin(origin, Outcome::Rejected(reason), cx);
        }
        let slot = request.slot();
        // Not while the own copy is not whole: then another owner coordinates.
        let owner = self.layout.owners(slot).contains(&self.config.me) && !self.withholds(slot, cx.store);
        // Who stands in is looked up only when it matters: that table is seldom near.
        let stands_in = || request.op != Op::Explain && self.coordinates_as_stand_in(request.level, slot);
        if !owner && !stands_in() {
            return match origin {
                Origin::Client(_) => self.forward(origin, slot, request, cx),
                // Nobody hands on what was handed on: the layouts differ, and the epoch will tell.
                Origin::Peer(..) | Origin::Overtaken(_) | Origin::Asking(_) | Origin::Shared(_) => {
                    self.answer_origin(origin, Outcome::Rejected(Rejected::NotReady), cx)
                }
            };
        }
        match request.op {
            Op::Get => self.begin_read(origin, slot, request, cx),
            Op::Set { .. } | Op::Delete { .. } => self.begin_write(origin, slot, request, cx),
            Op::Explain => self.begin_explain(origin, slot, request, cx),
        }
    }

    /// Cheap checks that need no replica.
    fn admit(&self, request: &Request) -> Result<(), Rejected> {
        if request.key.len() > KEY_BYTES {
            return Err(Rejected::BadRequest);
        }
        if !self.operations.has_room() {
            return Err(Rejected::Overloaded);
        }
        let (basis, expires) = match &request.op {
            Op::Get | Op::Explain => return Ok(()),
            Op::Set { value, .. } if value.len() > VALUE_BYTES => return Err(Rejected::BadRequest),
            Op::Set { basis, expires_ms, .. } => (basis, expires_ms.is_some()),
            Op::Delete { basis } => (basis, false),
        };
        if self.liveness.own_skewed() && (expires || *basis == Basis::Plain) {
            return Err(Rejected::ClockSkew);
        }
        Ok(())
    }

    /// How many answers a level needs, or why it cannot be met now.
    fn required(&self, level: Level, slot: Slot) -> Result<usize, Rejected> {
        let required = level.need.of(self.layout.owners(slot).len());
        if required <= self.live_owners(slot) {
            return Ok(required);
        }
        let alive = self.candidates(level, slot);
        if required > alive {
            return Err(Rejected::NoQuorum { required: required.min(255) as u8, alive: alive as u8 });
        }
        Ok(required)
    }

    /// Answers that are enough to go on, which is fewer than required only under a known bug.
    fn enough(&self, required: usize) -> usize {
        if self.config.canary.is(Canary::AckAtWMinusOne) {
            required.saturating_sub(1).max(1)
        } else {
            required
        }
    }

    /// The owners to ask besides this server: the healthy ones, and the others only if those are too few.
    fn others(&self, slot: Slot, needed: usize) -> operation::Members {
        let owners = self.layout.owners(slot);
        let others = || owners.iter().copied().filter(|&owner| owner != self.config.me);
        let live: operation::Members = others().filter(|&owner| self.liveness.is_live(owner)).collect();
        if live.len() >= needed { live } else { others().collect() }
    }

    pub(crate) fn deadline_ms(timeout_ms: u64, mono_ms: u64) -> u64 {
        mono_ms + timeout_ms.clamp(1, MAX_TIMEOUT_MS)
    }

    /// What is left of an operation's time, for a message.
    fn remaining_ms(deadline_ms: u64, mono_ms: u64) -> u32 {
        deadline_ms.saturating_sub(mono_ms).clamp(1, MAX_TIMEOUT_MS) as u32
    }

    /// Ends an operation.
    pub(crate) fn finish<S: Storage>(&mut self, op: OpId, outcome: Outcome, cx: &mut Context<'_, S>) {
        let Some(operation) = self.operations.remove(op) else { return };
        if let Kind::Write(write) = operation.kind {
            self.asking.forget(&operation.key, op);
            for follower in write.followers {
                self.write_overtaken(follower, None, cx);
            }
        }
        self.answer_origin(operation.origin, outcome, cx);
    }

    /// Tells whoever asked.
    fn answer_origin<S: Storage>(&mut self, origin: Origin, outcome: Outcome, cx: &mut Context<'_, S>) {
        match origin {
            Origin::Client(ticket) => cx.out.replies.push((ticket, outcome)),
            Origin::Overtaken(op) => self.overtaker_read(op, &outcome, cx),
            Origin::Asking(op) => self.marks_known(op, &outcome, cx),
            Origin::Shared(line) => self.shared_answered(line, &outcome, cx),
            Origin::Peer(member, op, slot) => {
                self.send(member, Some(slot), 0, Body::ForwardAck { op, outcome }, cx);
            }
        }
    }

    /// The deadline passed.
    pub(crate) fn timed_out<S: Storage>(&mut self, op: OpId, cx: &mut Context<'_, S>) {
        let Some(operation) = self.operations.get(op) else { return };
        let required = operation.required.min(255) as u8;
        if self.is_asking(op) {
            // Nobody but this server has answered the question.
            return self.write_rejected(op, Rejected::NoQuorum { required, alive: 1 }, cx);
        }
        let Some(operation) = self.operations.get(op) else { return };
        match &operation.kind {
            Kind::Write(write) if write.minted.is_none() => self.write_rejected(op, Rejected::Overloaded, cx),
            Kind::Write(write) => {
                let acked = if write.second_round { 0 } else { write.acks.len().min(255) as u8 };
                self.finish(op, Outcome::Unknown { required, acked }, cx);
            }
            Kind::Read(_) => self.read_timed_out(op, cx),
            Kind::Forward(forward) if forward.request.op.is_write() => {
                self.finish(op, Outcome::Unknown { required, acked: 0 }, cx);
            }
            Kind::Forward(_) => {
                self.finish(op, Outcome::Rejected(Rejected::ReadTimeout { required, acked: 0 }), cx);
            }
            Kind::Explain(_) => self.finish_explain(op, cx),
            Kind::Count(_) => {
                self.finish(op, Outcome::Rejected(Rejected::ReadTimeout { required, acked: 0 }), cx);
            }
        }
    }

    /// A member will not answer this operation: its link went down or could not take the message.
    pub(crate) fn member_failed<S: Storage>(
        &mut self,
        op: OpId,
        member: MemberNumber,
        cx: &mut Context<'_, S>,
    ) {
        let Some(operation) = self.operations.get(op) else { return };
        match &operation.kind {
            Kind::Write(_) => self.write_failed(op, member, cx),
            Kind::Read(_) => self.read_failed(op, member, cx),
            Kind::Forward(_) => self.forward_failed(op, member, cx),
            Kind::Explain(_) => self.explained(op, member, None, Default::default(), cx),
            Kind::Count(_) => self.count_failed(op, member, cx),
        }
    }

    /// Operations that wait for a member.
    pub(crate) fn waiting_for(&mut self, member: MemberNumber) -> Vec<OpId> {
        let ids = self.operations.ids();
        let waits = |operation: &Operation| match &operation.kind {
            Kind::Write(write) => write.outstanding.contains(&member),
            Kind::Read(read) => read.outstanding.contains(&member) || read.mending.contains(&member),
            Kind::Forward(forward) => forward.to == member,
            Kind::Explain(explain) => explain.outstanding.contains(&member),
            Kind::Count(count) => count.outstanding.contains(&member),
        };
        ids.into_iter()
            .filter(|&op| self.operations.get(op).is_some_and(|operation| waits(operation)))
            .collect()
    }
}
