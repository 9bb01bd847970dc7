//! Counting keys: each member counts in the slots that it is asked for.

use super::operation::{CountOp, Kind, Members, Operation, Origin};
use crate::{
    hlc::Now,
    ids::MemberNumber,
    limits::{CELLS, DEFAULT_TIMEOUT_MS},
    message::{Body, OpId},
    outbox::Outbox,
    request::{Level, Outcome, Rejected, Ticket},
    shard::{Context, Shard},
    slot::Slot,
    storage::Storage,
};
use alloc::vec::Vec;
use bytes::Bytes;

impl Shard {
    /// Counts live keys in the ranges of slots, each asked of the member named. Only slots of `cell` are counted;
    /// the answer is [`Outcome::Counted`].
    pub fn on_count<S: Storage>(
        &mut self,
        ticket: Ticket,
        cell: u16,
        targets: &[(MemberNumber, Vec<(Slot, Slot)>)],
        now: Now,
        store: &mut S,
        out: &mut Outbox,
    ) {
        let cx = &mut Context { now, store, out };
        let Some(slot) = Slot::new(cell % CELLS) else { return };
        if !self.operations.has_room() {
            return cx.out.replies.push((ticket, Outcome::Rejected(Rejected::Overloaded)));
        }
        let me = self.config.me;
        let own = targets.iter().filter(|(member, _)| *member == me);
        let keys = own.map(|(_, ranges)| count(cx.store, slot.cell(), ranges)).sum();
        let others = targets.iter().filter(|(member, ranges)| *member != me && !ranges.is_empty());
        let outstanding: Members = others.clone().map(|(member, _)| *member).collect();
        let op = self.operations.insert(Operation {
            origin: Origin::Client(ticket),
            key: Bytes::new(),
            slot,
            level: Level::DEFAULT,
            required: outstanding.len(),
            epoch: self.layout.epoch(),
            deadline_ms: Shard::deadline_ms(DEFAULT_TIMEOUT_MS, cx.now.mono_ms),
            kind: Kind::Count(CountOp { keys, outstanding }),
        });
        for (member, ranges) in others {
            let body = Body::Count { op, ranges: ranges.clone() };
            self.send(*member, Some(slot), DEFAULT_TIMEOUT_MS as u32, body, cx);
        }
        self.counted(op, None, 0, cx);
    }

    /// A member counted.
    pub(crate) fn counted<S: Storage>(
        &mut self,
        op: OpId,
        from: Option<MemberNumber>,
        keys: u64,
        cx: &mut Context<'_, S>,
    ) {
        let Some(operation) = self.operations.get(op) else { return };
        let Kind::Count(count) = &mut operation.kind else { return };
        if let Some(from) = from
            && super::read::take(&mut count.outstanding, from)
        {
            count.keys += keys;
        }
        let total = count.keys;
        if count.outstanding.is_empty() {
            self.finish(op, Outcome::Counted(total), cx);
        }
    }

    /// A member cannot count: better no answer than a wrong one.
    pub(crate) fn count_failed<S: Storage>(
        &mut self,
        op: OpId,
        member: MemberNumber,
        cx: &mut Context<'_, S>,
    ) {
        let Some(operation) = self.operations.get(op) else { return };
        let required = operation.required.min(255) as u8;
        let Kind::Count(count) = &operation.kind else { return };
        if count.outstanding.contains(&member) {
            let alive = required - count.outstanding.len().min(usize::from(required)) as u8;
            self.finish(op, Outcome::Rejected(Rejected::NoQuorum { required, alive }), cx);
        }
    }
}

/// Live keys of one cell in ranges of slots.
pub(crate) fn count<S: Storage>(store: &S, cell: u16, ranges: &[(Slot, Slot)]) -> u64 {
    let slots = ranges.iter().flat_map(|(first, last)| first.number()..=last.number());
    slots.filter_map(Slot::new).filter(|slot| slot.cell() == cell).map(|slot| store.live(slot)).sum()
}
