//! Reads at a replica, for the own coordinator and for another server's.

use super::{Current, Waiter};
use crate::{
    ids::{Lsn, MemberNumber},
    message::{Body, OpId, ReadVerdict, StampedRecord},
    shard::{Context, Shard},
    slot::Slot,
    storage::Storage,
};

impl Shard {
    /// The own record for an own read; at a strict level only once it is on disk.
    pub(crate) fn read_own<S: Storage>(&mut self, op: OpId, current: Current, cx: &mut Context<'_, S>) {
        let strict = self.operations.get(op).is_some_and(|operation| operation.level.strict);
        if strict && !self.may_answer(current.lsn, cx) {
            let waiter = Waiter::OwnRead(op, current.record, current.encoded);
            return self.waiting.push(current.lsn, waiter);
        }
        self.own_answer(op, current.record, current.encoded, cx);
    }

    /// Answers another server's read: the record, or "the same as yours".
    #[expect(clippy::too_many_arguments, reason = "the fields of one message")]
    pub(crate) fn answer_read<S: Storage>(
        &mut self,
        from: MemberNumber,
        op: OpId,
        slot: Slot,
        key: &[u8],
        digest: Option<u128>,
        durable: bool,
        current: Current,
        cx: &mut Context<'_, S>,
    ) {
        let stamp = self.stamp(slot, cx.store);
        let own = digest.map(|_| self.layout.spec().digest_key.digest(slot, key, &current.record));
        let verdict = if digest.is_some() && digest == own {
            ReadVerdict::Same { stamp }
        } else {
            ReadVerdict::Record(StampedRecord { stamp, record: current.encoded })
        };
        let stands_on = if durable { current.lsn } else { Lsn(0) };
        self.answer(from, slot, stands_on, Body::ReadAck { op, verdict }, cx);
    }
}
