//! What waits for the commit log: acknowledgements leave only when the log position they stand on is durable.

use crate::{
    canary::Canary,
    fill::refusal,
    ids::{Lsn, MemberNumber},
    message::{Body, Delivered, OpId, RepairVerdict},
    shard::{Context, Durability, Shard},
    slot::Slot,
    storage::Storage,
    version::Record,
};
use alloc::{collections::VecDeque, vec::Vec};
use bytes::Bytes;

/// Who waits.
#[derive(Debug)]
pub(crate) enum Waiter {
    /// The own copy of an own write.
    OwnWrite(OpId),
    /// The own answer to an own read.
    OwnRead(OpId, Record, Bytes),
    /// The own copy after an own read repair.
    OwnRepair(OpId, RepairVerdict),
    /// An answer to another server.
    Answer(MemberNumber, Slot, Body),
    /// The confirmation of a round: slot, hub, round.
    Confirm(Slot, MemberNumber, u64),
    /// The answer to a delivery of hints.
    Delivery(MemberNumber, OpId, Slot, Vec<Delivered>),
}

/// Waiters in the order of their arrival. Positions rise, apart from reads, which may wait a little longer than
/// they must.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    queue: VecDeque<(Lsn, Waiter)>,
}

impl Waiting {
    /// Waits for `lsn`.
    pub(crate) fn push(&mut self, lsn: Lsn, waiter: Waiter) {
        self.queue.push_back((lsn, waiter));
    }

    fn pop(&mut self, durable: Lsn) -> Option<(Lsn, Waiter)> {
        let (lsn, _) = self.queue.front()?;
        if *lsn > durable {
            return None;
        }
        self.queue.pop_front()
    }
}

impl Shard {
    /// Lets go everybody whose position is durable.
    pub(crate) fn release<S: Storage>(&mut self, cx: &mut Context<'_, S>) {
        let durable = cx.store.durable();
        while let Some((lsn, waiter)) = self.waiting.pop(durable) {
            match waiter {
                Waiter::OwnWrite(op) if self.is_own_void(op, lsn) => {
                    self.write_failed(op, self.config.me, cx);
                }
                Waiter::OwnRead(op, ..) | Waiter::OwnRepair(op, _) if self.is_own_void(op, lsn) => {
                    self.read_failed(op, self.config.me, cx);
                }
                Waiter::Answer(to, slot, body) if self.is_void(slot, lsn) => {
                    self.send(to, Some(slot), 0, refusal(body), cx);
                }
                Waiter::OwnWrite(op) => self.write_acked(op, self.config.me, true, None, cx),
                Waiter::OwnRead(op, record, encoded) => self.own_answer(op, record, encoded, cx),
                Waiter::OwnRepair(op, verdict) => self.repair_answered(op, self.config.me, verdict, cx),
                Waiter::Answer(to, slot, body) => self.send(to, Some(slot), 0, body, cx),
                Waiter::Confirm(slot, hub, round) => self.confirm(slot, hub, round, cx),
                Waiter::Delivery(to, op, slot, verdicts) => self.delivery_durable(to, op, slot, verdicts, cx),
            }
        }
    }

    /// Whether damage has taken what an own operation stands on.
    fn is_own_void(&self, op: OpId, lsn: Lsn) -> bool {
        self.operations.look(op).is_some_and(|operation| self.is_void(operation.slot, lsn))
    }

    /// Whether an answer that stands on `lsn` may leave now.
    pub(crate) fn may_answer<S: Storage>(&self, lsn: Lsn, cx: &Context<'_, S>) -> bool {
        !self.waits_for_sync() || lsn <= cx.store.durable()
    }

    /// Answers another server once `lsn` is durable.
    pub(crate) fn answer<S: Storage>(
        &mut self,
        to: MemberNumber,
        slot: Slot,
        lsn: Lsn,
        body: Body,
        cx: &mut Context<'_, S>,
    ) {
        if self.may_answer(lsn, cx) {
            self.send(to, Some(slot), 0, body, cx);
        } else {
            self.waiting.push(lsn, Waiter::Answer(to, slot, body));
        }
    }

    /// Whether acknowledgements wait for the commit log.
    fn waits_for_sync(&self) -> bool {
        self.answers_are_durable() && !self.config.canary.is(Canary::AckBeforeSync)
    }

    /// What acknowledgements say of themselves.
    pub(crate) fn answers_are_durable(&self) -> bool {
        self.config.durability == Durability::Sync
    }
}
