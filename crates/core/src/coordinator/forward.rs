//! Handing a request to an owner, from a server that owns no replica of its slot.

use super::operation::{ForwardOp, Kind, Members, Operation, Origin};
use crate::{
    ids::MemberNumber,
    message::{Body, OpId},
    request::{Level, Outcome, Rejected, Request},
    shard::{Context, Shard},
    slot::Slot,
    storage::Storage,
};

impl Shard {
    /// Hands the request to the first healthy owner, or if there is none and the level is sloppy, to the first healthy
    /// stand-in.
    pub(crate) fn forward<S: Storage>(
        &mut self,
        origin: Origin,
        slot: Slot,
        request: Request,
        cx: &mut Context<'_, S>,
    ) {
        let Some(to) = self.whom_to_ask(slot, request.level, &Members::new()) else {
            let required = request.level.need.of(self.layout.owners(slot).len()).min(255) as u8;
            let reason = Rejected::NoQuorum { required, alive: 0 };
            return self.answer_origin(origin, Outcome::Rejected(reason), cx);
        };
        let op = self.operations.insert(Operation {
            origin,
            key: request.key.clone(),
            slot,
            level: request.level,
            required: request.level.need.of(self.layout.owners(slot).len()),
            epoch: self.layout.epoch(),
            deadline_ms: Shard::deadline_ms(request.timeout_ms, cx.now.mono_ms),
            kind: Kind::Forward(ForwardOp { request, to, refused: Members::new() }),
        });
        self.hand_over(op, cx);
    }

    fn whom_to_ask(&self, slot: Slot, level: Level, refused: &Members) -> Option<MemberNumber> {
        let usable = |member: &MemberNumber| *member != self.config.me && !refused.contains(member);
        let owners = || self.layout.owners(slot).iter().copied().filter(usable);
        let stand_in = || self.healthy_stand_ins(slot).find(|member| !level.strict && usable(member));
        owners()
            .find(|&owner| self.liveness.is_live(owner))
            .or_else(stand_in)
            .or_else(|| owners().find(|&owner| self.liveness.is_up(owner)))
    }

    fn hand_over<S: Storage>(&mut self, op: OpId, cx: &mut Context<'_, S>) {
        let Some(operation) = self.operations.get(op) else { return };
        let (slot, deadline_ms) = (operation.slot, operation.deadline_ms);
        let Kind::Forward(forward) = &operation.kind else { return };
        let left_ms = Shard::remaining_ms(deadline_ms, cx.now.mono_ms);
        let (to, mut request) = (forward.to, forward.request.clone());
        request.timeout_ms = u64::from(left_ms);
        self.send(to, Some(slot), left_ms, Body::Forward { op, request }, cx);
    }

    /// The owner answered.
    pub(crate) fn forward_answered<S: Storage>(
        &mut self,
        op: OpId,
        from: MemberNumber,
        outcome: Outcome,
        cx: &mut Context<'_, S>,
    ) {
        let Some(operation) = self.operations.get(op) else { return };
        let Kind::Forward(forward) = &operation.kind else { return };
        if forward.to != from {
            return;
        }
        if outcome == Outcome::Rejected(Rejected::NotReady) && self.others_left(op) {
            // Another one may be: nothing was applied.
            return self.forward_refused(op, from, cx);
        }
        self.finish(op, outcome, cx);
    }

    /// Whether there is anybody else to ask.
    fn others_left(&self, op: OpId) -> bool {
        let Some(operation) = self.operations.look(op) else { return false };
        let Kind::Forward(forward) = &operation.kind else { return false };
        let mut refused = forward.refused.clone();
        refused.push(forward.to);
        self.whom_to_ask(operation.slot, operation.level, &refused).is_some()
    }

    /// The owner certainly did not apply it (its layout differs, or the message never left): try another one.
    pub(crate) fn forward_refused<S: Storage>(
        &mut self,
        op: OpId,
        member: MemberNumber,
        cx: &mut Context<'_, S>,
    ) {
        let Some(operation) = self.operations.get(op) else { return };
        let (slot, required, level) = (operation.slot, operation.required, operation.level);
        let Kind::Forward(forward) = &mut operation.kind else { return };
        if forward.to != member {
            return;
        }
        forward.refused.push(member);
        let refused = forward.refused.clone();
        let Some(next) = self.whom_to_ask(slot, level, &refused) else {
            let reason = Rejected::NoQuorum { required: required.min(255) as u8, alive: 0 };
            return self.finish(op, Outcome::Rejected(reason), cx);
        };
        // An answer to the old name would be of an attempt that was given up.
        let Some(op) = self.operations.rename(op) else { return };
        if let Some(Operation { kind: Kind::Forward(forward), .. }) = self.operations.get(op) {
            forward.to = next;
        }
        self.hand_over(op, cx);
    }

    /// The link broke while the owner had it: a read may be asked elsewhere, a write may have landed.
    pub(crate) fn forward_failed<S: Storage>(
        &mut self,
        op: OpId,
        member: MemberNumber,
        cx: &mut Context<'_, S>,
    ) {
        let Some(operation) = self.operations.get(op) else { return };
        let required = operation.required.min(255) as u8;
        let Kind::Forward(forward) = &operation.kind else { return };
        if forward.to != member {
            return;
        }
        if forward.request.op.is_write() {
            return self.finish(op, Outcome::Unknown { required, acked: 0 }, cx);
        }
        self.forward_refused(op, member, cx);
    }

    /// Begins again under a newer layout. Only for requests that were certainly not applied.
    pub(crate) fn forward_again<S: Storage>(&mut self, op: OpId, cx: &mut Context<'_, S>) {
        let Some(operation) = self.operations.remove(op) else { return };
        let Kind::Forward(forward) = operation.kind else { return };
        let left_ms = Shard::remaining_ms(operation.deadline_ms, cx.now.mono_ms);
        let request = Request { timeout_ms: u64::from(left_ms), ..forward.request };
        self.begin(operation.origin, request, cx);
    }
}
