//! Layouts that differ: data messages are refused, the newer layout travels, and operations begin again under it
//! with the very writes that they had minted.

use super::{Context, Shard};
use crate::{
    coordinator::operation::Kind,
    hlc::Now,
    ids::{Epoch, MemberNumber},
    layout::Layout,
    message::{Body, OpId},
    outbox::{Action, Outbox},
    request::Rejected,
    slot::Slot,
    storage::Storage,
};
use alloc::sync::Arc;
use bytes::Bytes;

impl Shard {
    /// A data message of another epoch: nothing of it is applied.
    pub(crate) fn refuse_epoch<S: Storage>(
        &mut self,
        from: MemberNumber,
        epoch: Epoch,
        op: Option<OpId>,
        slot: Option<Slot>,
        cx: &mut Context<'_, S>,
    ) {
        let body = if epoch < self.layout.epoch() {
            Body::StaleEpoch { op, layout: self.layout.encode().into() }
        } else {
            Body::NeedLayout { op }
        };
        self.send(from, slot, 0, body, cx);
    }

    /// A peer sent a layout, perhaps in refusal of an operation.
    pub(super) fn told_newer<S: Storage>(
        &mut self,
        op: Option<OpId>,
        from: MemberNumber,
        layout: Bytes,
        cx: &mut Context<'_, S>,
    ) {
        let Ok(newer) = Layout::decode(layout.clone()) else { return };
        if newer.spec().cluster != self.layout.spec().cluster {
            return;
        }
        if newer.epoch() > self.layout_pending {
            self.layout_pending = newer.epoch();
            cx.out.actions.push(Action::InstallLayout(layout));
        }
        let Some(op) = op else { return };
        if let Some(operation) = self.operations.get(op)
            && let Kind::Forward(forward) = &mut operation.kind
            && !forward.refused.contains(&from)
        {
            // Not applied there: it begins again when the newer layout is installed.
            forward.refused.push(from);
        }
        if newer.epoch() <= self.layout.epoch() {
            // Installed in the meantime: what was refused is offered again.
            self.again.push((op, from));
        }
    }

    /// A peer lacks the layout under which it was asked.
    pub(super) fn asked_for_layout<S: Storage>(
        &mut self,
        op: Option<OpId>,
        from: MemberNumber,
        slot: Option<Slot>,
        cx: &mut Context<'_, S>,
    ) {
        let layout = self.layout.encode().into();
        self.send(from, slot, 0, Body::Layout { layout }, cx);
        if let Some(op) = op {
            self.again.push((op, from));
        }
    }

    /// Asks a member once more that was not ready; the operation and the write are the same as before.
    pub(super) fn offer_again<S: Storage>(&mut self, op: OpId, to: MemberNumber, cx: &mut Context<'_, S>) {
        let Some(operation) = self.operations.get(op) else { return };
        let (slot, key, durable) = (operation.slot, operation.key.clone(), operation.level.strict);
        let left_ms = operation.deadline_ms.saturating_sub(cx.now.mono_ms).max(1) as u32;
        let body = match &operation.kind {
            Kind::Write(write) if write.outstanding.contains(&to) => match &write.minted {
                Some(minted) => Body::Write { op, write: minted.write.clone() },
                None => return,
            },
            Kind::Read(read) if read.outstanding.contains(&to) => {
                Body::Read { op, key, digest: None, durable }
            }
            Kind::Forward(forward) if forward.to == to => {
                let mut request = forward.request.clone();
                request.timeout_ms = u64::from(left_ms);
                Body::Forward { op, request }
            }
            Kind::Explain(explain) if explain.outstanding.contains(&to) => Body::Probe { op, key },
            _ => return,
        };
        self.send(to, Some(slot), left_ms, body, cx);
    }

    /// A newer layout is durable: it holds from now on, also for what is under way.
    pub fn on_layout<S: Storage>(&mut self, layout: Arc<Layout>, now: Now, store: &mut S, out: &mut Outbox) {
        if layout.epoch() <= self.layout.epoch() {
            return;
        }
        let cx = &mut Context { now, store, out };
        self.layout_pending = self.layout_pending.max(layout.epoch());
        self.liveness.retain(|peer| layout.member(peer).is_some());
        let before = self.layout.epoch();
        self.layout = layout;
        self.refuse_parked(before, cx);
        self.forget_deliveries();
        self.exchange.forget();
        self.serving.forget();
        self.fills_begin_again();
        self.collecting.forget();
        for op in self.operations.ids() {
            self.begin_again(op, cx);
        }
    }

    fn begin_again<S: Storage>(&mut self, op: OpId, cx: &mut Context<'_, S>) {
        let epoch = self.layout.epoch();
        let Some(operation) = self.operations.get(op) else { return };
        let owners = self.layout.owners(operation.slot).len();
        operation.epoch = epoch;
        match &mut operation.kind {
            // Not minted yet: the mint will see the new layout.
            Kind::Write(write)
                if write.minted.is_none() || write.acks.is_empty() && write.outstanding.is_empty() =>
            {
                operation.required = operation.level.need.of(owners);
            }
            Kind::Write(write) => {
                operation.required = operation.level.need.of(owners);
                write.acks.clear();
                write.hinted.clear();
                write.unwilling.clear();
                if let Some(op) = self.operations.rename(op) {
                    self.offer(op, cx);
                }
            }
            Kind::Read(read) if read.answered => {
                self.operations.remove(op);
            }
            Kind::Read(read) => {
                operation.required = operation.level.need.of(owners);
                **read = Default::default();
                if let Some(op) = self.operations.rename(op) {
                    self.ask(op, cx);
                }
            }
            Kind::Forward(forward)
                if forward.refused.contains(&forward.to) || !forward.request.op.is_write() =>
            {
                self.forward_again(op, cx);
            }
            // A write that an owner has in hand: its answer still tells the truth.
            Kind::Forward(_) | Kind::Explain(_) => {}
            Kind::Count(_) => {
                let outcome = crate::request::Outcome::Rejected(Rejected::NotReady);
                self.finish(op, outcome, cx);
            }
        }
    }
}
