//! Read repair at a replica: records that a coordinator read, joined under rule R5 of the specification.

use super::{Current, RecordTooLarge, Waiter};
use crate::{
    ids::{Lsn, MemberNumber},
    message::{Body, OpId, RepairVerdict, StampedRecord},
    outbox::Event,
    shard::{Context, Shard},
    slot::Slot,
    storage::Storage,
    version::{self, Record},
};
use alloc::vec::Vec;
use bytes::Bytes;

impl Shard {
    /// Another server's repair.
    pub(crate) fn take_repair<S: Storage>(
        &mut self,
        from: MemberNumber,
        op: Option<OpId>,
        slot: Slot,
        key: Bytes,
        records: Vec<StampedRecord>,
        current: Current,
        cx: &mut Context<'_, S>,
    ) {
        let result = self.join_records(slot, &key, &records, current, cx);
        let Some(op) = op else { return };
        let (lsn, verdict) = match result {
            Ok((lsn, true)) => (lsn, RepairVerdict::Newer),
            Ok((lsn, false)) => (lsn, RepairVerdict::Joined { durable: self.answers_are_durable() }),
            Err(verdict) => (Lsn(0), verdict),
        };
        self.answer(from, slot, lsn, Body::RepairAck { op, verdict }, cx);
    }

    /// The own coordinator's repair of the own replica.
    pub(crate) fn mend_own<S: Storage>(
        &mut self,
        op: Option<OpId>,
        slot: Slot,
        key: Bytes,
        records: Vec<StampedRecord>,
        current: Current,
        cx: &mut Context<'_, S>,
    ) {
        let result = self.join_records(slot, &key, &records, current, cx);
        let Some(op) = op else { return };
        match result {
            Ok((lsn, newer)) => {
                let durable = self.answers_are_durable();
                let verdict = if newer { RepairVerdict::Newer } else { RepairVerdict::Joined { durable } };
                if self.may_answer(lsn, cx) {
                    self.repair_answered(op, self.config.me, verdict, cx);
                } else {
                    self.waiting.push(lsn, Waiter::OwnRepair(op, verdict));
                }
            }
            Err(verdict) => self.repair_answered(op, self.config.me, verdict, cx),
        }
    }

    /// Joins what R5 lets in. The position on which the result stands and whether a plain write above all that was
    /// sent is here, or why nothing was applied.
    pub(crate) fn join_records<S: Storage>(
        &mut self,
        slot: Slot,
        key: &[u8],
        records: &[StampedRecord],
        mut current: Current,
        cx: &mut Context<'_, S>,
    ) -> Result<(Lsn, bool), RepairVerdict> {
        let lines = self.lines(slot, cx.store);
        let mut changed = false;
        let mut highest = None;
        let before = self.before(slot, key, &current);
        for stamped in records {
            let stamp = &stamped.stamp;
            if stamp.epoch != self.layout.epoch() || !self.lives.accept(stamp.sender, stamp.incarnation) {
                return Err(RepairVerdict::Refused);
            }
            if stamp.refuse < lines.refuse || stamp.collect < lines.collect {
                return Err(RepairVerdict::Again { refuse: lines.refuse, collect: lines.collect });
            }
            let Ok(record) = Record::decode(stamped.record.clone()) else {
                return Err(RepairVerdict::Refused);
            };
            if version::amnesia(&current.record, &lines, self.actor, &record.seen) {
                self.take_incarnation(cx);
            }
            highest = record.mark.max(highest);
            if record.seen.is_subset(&current.record.seen) && record.mark <= current.record.mark {
                continue;
            }
            current.record.join_with(&record, self.config.canary);
            changed = true;
        }
        let newer = current.record.mark > highest;
        if !changed {
            return Ok((current.lsn, newer));
        }
        if cx.store.admits().is_err() {
            return Err(RepairVerdict::Refused);
        }
        let lsn = self
            .keep(slot, key, &before, &current.record, cx)
            .map_err(|RecordTooLarge| RepairVerdict::Refused)?;
        self.serving.joined(slot);
        cx.out.events.push(Event::ReadRepair);
        Ok((lsn, newer))
    }
}
