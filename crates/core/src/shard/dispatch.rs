//! Messages from peers: the epoch is checked first, then each goes to its room.

use super::{Context, Shard};
use crate::{
    canary::Canary,
    coordinator::operation::Origin,
    hints::HintTask,
    hlc::Now,
    ids::MemberNumber,
    message::{Body, Message, OpId},
    outbox::{Event, Outbox},
    replica::Task,
    slot::Slot,
    storage::{LoadError, Storage},
    version::Record,
};
use alloc::boxed::Box;
use bytes::Bytes;

impl Shard {
    /// A message from a peer, over an authenticated link.
    pub fn on_message<S: Storage>(
        &mut self,
        from: MemberNumber,
        message: Message,
        now: Now,
        store: &mut S,
        out: &mut Outbox,
    ) {
        let cx = &mut Context { now, store, out };
        self.liveness.heard(from, now, &mut cx.out.events);
        if !self.clock.observe(message.time, now) {
            cx.out.events.push(Event::PeerSkewed(from));
        }
        if let Some(op) = asks(&message.body) {
            if !self.epoch_allows(&message) {
                return self.refuse_epoch(from, message.epoch, op, message.slot, cx);
            }
            if let Some(slot) = message.slot {
                self.on_question(from, slot, message.body, cx);
            }
            return;
        }
        let stale =
            message.epoch != self.layout.epoch() && !self.config.canary.is(Canary::StaleEpochAccepted);
        if stale && answers(&message.body) {
            // An answer given under another layout does not count; the layout that is on its way starts the
            // operation anew.
            return;
        }
        self.on_answer(from, message, cx);
    }

    fn epoch_allows(&self, message: &Message) -> bool {
        let own = self.layout.epoch();
        message.epoch == own || (message.epoch < own && self.config.canary.is(Canary::StaleEpochAccepted))
    }

    /// Somebody wants something of the replica, or of this server as a coordinator.
    fn on_question<S: Storage>(
        &mut self,
        from: MemberNumber,
        slot: Slot,
        body: Body,
        cx: &mut Context<'_, S>,
    ) {
        match body {
            Body::Write { op, write } => {
                self.on_task(slot, write.key.clone(), Task::TakeWrite(from, op, write), cx);
            }
            Body::Read { op, key, digest, durable } => {
                self.on_task(slot, key, Task::AnswerRead(from, op, digest, durable), cx);
            }
            Body::Repair { op, key, records } => {
                self.on_task(slot, key, Task::TakeRepair(from, op, records), cx);
            }
            Body::Hint { op, targets, write } => {
                let task = HintTask::Keep(from, op, targets, write.clone());
                if self.stands_in(slot) && Slot::of(&write.key) == slot {
                    self.with_hints(slot, write.key, task, cx);
                } else {
                    self.refuse(slot.hints(), Task::Hint(Box::new(task)), LoadError::Io, cx);
                }
            }
            Body::Deliver { op, writes } => self.take_delivery(from, op, slot, writes, cx),
            Body::Exchange(ask) => self.exchange_asked(from, slot, ask, cx),
            Body::Rounds(steps) => self.steps_arrived(from, slot, steps, cx),
            Body::Probe { op, key } => self.on_task(slot, key, Task::AnswerProbe(from, op), cx),
            Body::Forward { op, request } => self.begin(Origin::Peer(from, op, slot), request, cx),
            Body::Count { op, ranges } => {
                let keys = crate::coordinator::count_live(cx.store, slot.cell(), &ranges);
                self.send(from, Some(slot), 0, Body::CountAck { op, keys }, cx);
            }
            _ => {}
        }
    }

    /// A question to the replica of a slot; only an owner has one.
    fn on_task<S: Storage>(&mut self, slot: Slot, key: Bytes, task: Task, cx: &mut Context<'_, S>) {
        let stale = self.config.canary.is(Canary::StaleEpochAccepted);
        if self.layout.owners(slot).contains(&self.config.me) || stale {
            self.with_record(slot, key, task, cx);
        } else if let (Task::AnswerRead(from, op, ..), true) = (&task, self.stands_in(slot)) {
            self.with_hints(slot, key, HintTask::AnswerRead(*from, *op), cx);
        } else {
            self.refuse(slot, task, LoadError::Io, cx);
        }
    }

    /// Answers, and what is said at any epoch.
    fn on_answer<S: Storage>(&mut self, from: MemberNumber, message: Message, cx: &mut Context<'_, S>) {
        match message.body {
            Body::WriteAck { op, verdict } => self.write_answered(op, from, verdict, cx),
            Body::ReadAck { op, verdict } => self.read_answered(op, from, verdict, cx),
            Body::RepairAck { op, verdict } => self.repair_answered(op, from, verdict, cx),
            Body::ForwardAck { op, outcome } => self.forward_answered(op, from, outcome, cx),
            Body::ProbeAck { op, record, probe } => {
                let record = record.and_then(|bytes| Record::decode(bytes).ok());
                self.explained(op, from, record, probe, cx);
            }
            Body::DeliverAck { op, verdicts, credit_bytes } => {
                self.delivery_answered(from, op, &verdicts, credit_bytes, cx);
            }
            Body::Exchange(answer) => self.exchange_answered(from, message.slot, answer, cx),
            Body::CountAck { op, keys } => self.counted(op, Some(from), keys, cx),
            Body::StaleEpoch { op, layout } => self.told_newer(op, from, layout, cx),
            Body::NeedLayout { op } => self.asked_for_layout(op, from, message.slot, cx),
            Body::Layout { layout } => self.told_newer(None, from, layout, cx),
            Body::Behind => {
                if let Some(slot) = message.slot {
                    self.on_slot_behind(slot);
                }
            }
            Body::Ping { sent_ms } => {
                let body = Body::Pong { sent_ms, wall_ms: cx.now.wall_ms };
                self.send(from, message.slot, 0, body, cx);
            }
            Body::Pong { sent_ms, wall_ms } => {
                self.liveness.pong(from, sent_ms, wall_ms, cx.now, &mut cx.out.events);
            }
            Body::Gossip(said) if message.slot.is_none() => cx.out.gossip.push((from, said)),
            _ => {}
        }
    }
}

/// Whether a message asks something that only holds under one layout; its operation, if it names one.
fn asks(body: &Body) -> Option<Option<OpId>> {
    match body {
        Body::Exchange(exchange) => (!exchange.is_answer()).then_some(None),
        // Questions and answers alike hold under one layout only.
        Body::Rounds(_) => Some(None),
        Body::Write { op, .. }
        | Body::Read { op, .. }
        | Body::Forward { op, .. }
        | Body::Probe { op, .. }
        | Body::Deliver { op, .. }
        | Body::Count { op, .. } => Some(Some(*op)),
        Body::Repair { op, .. } | Body::Hint { op, .. } => Some(*op),
        _ => None,
    }
}

/// Whether a message is an answer that counts only under the layout under which it was given.
fn answers(body: &Body) -> bool {
    matches!(body, Body::WriteAck { .. } | Body::ReadAck { .. } | Body::RepairAck { .. } | Body::Exchange(_))
}
