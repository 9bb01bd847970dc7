//! An owner takes what was held for it: each write is judged like a first-hand one (rule R4), and the answer leaves when
//! all that was taken is on disk.

use crate::{
    ids::{Lsn, MemberNumber},
    limits::DELIVERIES,
    message::{Body, Delivered, OpId, WriteVerdict},
    replica::{Current, Task, Waiter},
    shard::{Context, Shard},
    slot::Slot,
    storage::Storage,
    version::Write,
};
use alloc::{collections::BTreeMap, vec::Vec};

/// Bytes that a stand-in may have unanswered while there is little else to do.
const IDLE_CREDIT_BYTES: u32 = 1024 * 1024;
/// The same while there is much.
const BUSY_CREDIT_BYTES: u32 = 64 * 1024;

/// Deliveries of which not every write is judged.
#[derive(Debug, Default)]
pub(super) struct Receiving {
    open: BTreeMap<(MemberNumber, OpId), Receipt>,
}

#[derive(Debug)]
struct Receipt {
    slot: Slot,
    verdicts: Vec<Delivered>,
    left: usize,
    /// The highest position that an answer stands on.
    lsn: Lsn,
}

impl Receiving {
    /// Forgets all of them: who sent them will do so again.
    pub(super) fn clear(&mut self) {
        self.open.clear();
    }
}

impl Shard {
    /// A stand-in delivers.
    pub(crate) fn take_delivery<S: Storage>(
        &mut self,
        from: MemberNumber,
        op: OpId,
        slot: Slot,
        writes: Vec<Write>,
        cx: &mut Context<'_, S>,
    ) {
        let owner = self.layout.owners(slot).contains(&self.config.me);
        let full = self.hints.receiving.open.len() >= DELIVERIES;
        let receipt = Receipt {
            slot,
            verdicts: alloc::vec![Delivered::Refused; writes.len()],
            left: writes.len(),
            lsn: Lsn(0),
        };
        let strays = writes.iter().any(|write| Slot::of(&write.key) != slot);
        if !owner || full || strays || writes.is_empty() {
            return self.answer_delivery(from, op, receipt, cx);
        }
        self.hints.receiving.open.insert((from, op), receipt);
        for (at, write) in writes.into_iter().enumerate() {
            self.with_record(slot, write.key.clone(), Task::TakeHint(from, op, at, write), cx);
        }
    }

    /// One write of a delivery, with the record of its key.
    pub(crate) fn take_hint<S: Storage>(
        &mut self,
        from: MemberNumber,
        op: OpId,
        at: usize,
        slot: Slot,
        write: &Write,
        current: Current,
        cx: &mut Context<'_, S>,
    ) {
        let (verdict, lsn) = match self.take(slot, write, current, cx) {
            Ok((lsn, _)) => (Delivered::Done, lsn),
            // Too late for every owner alike: the round that closed its time has settled it.
            Err(WriteVerdict::TooOld) => (Delivered::Done, Lsn(0)),
            Err(_) => (Delivered::Refused, Lsn(0)),
        };
        if verdict == Delivered::Done {
            self.hints.ledger.taken += 1;
        }
        self.hint_judged(from, op, at, verdict, lsn, cx);
    }

    /// One write of a delivery is judged.
    pub(crate) fn hint_judged<S: Storage>(
        &mut self,
        from: MemberNumber,
        op: OpId,
        at: usize,
        verdict: Delivered,
        lsn: Lsn,
        cx: &mut Context<'_, S>,
    ) {
        let Some(receipt) = self.hints.receiving.open.get_mut(&(from, op)) else { return };
        if let Some(place) = receipt.verdicts.get_mut(at) {
            *place = verdict;
        }
        receipt.left -= 1;
        receipt.lsn = receipt.lsn.max(lsn);
        if receipt.left == 0
            && let Some(receipt) = self.hints.receiving.open.remove(&(from, op))
        {
            self.answer_delivery(from, op, receipt, cx);
        }
    }

    /// Answers when it is durable, whatever first-hand writes wait for.
    fn answer_delivery<S: Storage>(
        &mut self,
        to: MemberNumber,
        op: OpId,
        receipt: Receipt,
        cx: &mut Context<'_, S>,
    ) {
        let Receipt { slot, verdicts, lsn, .. } = receipt;
        if lsn <= cx.store.durable() {
            return self.delivery_durable(to, op, slot, verdicts, cx);
        }
        self.waiting.push(lsn, Waiter::Delivery(to, op, slot, verdicts));
    }

    /// All that was taken of a delivery is on disk.
    pub(crate) fn delivery_durable<S: Storage>(
        &mut self,
        to: MemberNumber,
        op: OpId,
        slot: Slot,
        verdicts: Vec<Delivered>,
        cx: &mut Context<'_, S>,
    ) {
        let credit_bytes = if self.is_busy() { BUSY_CREDIT_BYTES } else { IDLE_CREDIT_BYTES };
        if to == self.config.me {
            return self.delivery_answered(to, op, &verdicts, credit_bytes, cx);
        }
        self.send(to, Some(slot), 0, Body::DeliverAck { op, verdicts, credit_bytes }, cx);
    }
}
