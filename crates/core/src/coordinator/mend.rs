//! Read repair at the coordinator: replicas that lack something of what a read found get the answers it read, each
//! under the stamp with which it came (rule R11). Awaited at strict levels, in the background otherwise.

use super::{
    operation::{Answer, Kind, ReadOp},
    read::{leave_out_collectable, take},
};
use crate::limits::READS_AGAIN;
use crate::{
    exchange::Lines,
    ids::MemberNumber,
    message::{Body, OpId, RepairVerdict, StampedRecord},
    replica::Task,
    shard::{Context, Shard},
    storage::Storage,
    version::Record,
};
use alloc::vec::Vec;

impl Shard {
    /// The first R answers are joined: who holds the join, and who gets a repair?
    pub(super) fn compare_all<S: Storage>(&mut self, op: OpId, cx: &mut Context<'_, S>) {
        let Some(read) = self.reading(op) else { return };
        let mut behind = Vec::new();
        for answer in read.answers.iter().filter(|answer| answer.stamp.is_some()) {
            match holds(read, answer) {
                true => read.fresh.push(answer.member),
                // Empty if only a stand-in knows more.
                false => behind.push((answer.member, answers_of_others(read, answer.member))),
            }
        }
        for (member, records) in behind.into_iter().filter(|(_, records)| !records.is_empty()) {
            self.mend(op, member, records, true, cx);
        }
    }

    /// An answer after the first R: it may be behind, and it may know something that the others lack. What the
    /// client gets does not change any more, unless it still waits and what was read is no longer the latest.
    pub(super) fn late_answer<S: Storage>(&mut self, op: OpId, cx: &mut Context<'_, S>) {
        let Some(read) = self.reading(op) else { return };
        leave_out_collectable(read);
        let Some(answer) = read.answers.last() else { return };
        if answer.stamp.is_none() {
            // A stand-in's: what it holds is delivered, and repairs nothing.
            return self.linger(op);
        }
        let member = answer.member;
        let (current, knows_more) = (holds(read, answer), !held_by_join(read, answer));
        let newer =
            answer.record.as_ref().and_then(|record| record.mark) > read.joined.as_ref().and_then(|j| j.mark);
        if newer && self.read_again(op, cx) {
            return;
        }
        let Some(read) = self.reading(op) else { return };
        let Some(answer) = read.answers.last() else { return };
        let news = stamped(answer).filter(|_| knows_more).map(|stamped| alloc::vec![stamped]);
        let missing = (!current).then(|| answers_of_others(read, member));
        let others: Vec<MemberNumber> =
            owners(read).map(|answer| answer.member).filter(|&other| other != member).collect();
        if current {
            read.fresh.push(member);
        }
        if let Some(records) = missing {
            self.mend(op, member, records, true, cx);
        }
        for other in news.iter().flat_map(|_| &others) {
            self.mend(op, *other, news.clone().unwrap_or_default(), false, cx);
        }
        self.repaired(op, cx);
    }

    /// Sends a repair. `counts`: it makes the member hold the join, so that a strict read waits for it.
    fn mend<S: Storage>(
        &mut self,
        op: OpId,
        member: MemberNumber,
        records: Vec<StampedRecord>,
        counts: bool,
        cx: &mut Context<'_, S>,
    ) {
        let me = self.config.me;
        let Some(operation) = self.operations.get(op) else { return };
        let (slot, key) = (operation.slot, operation.key.clone());
        let left_ms = Shard::remaining_ms(operation.deadline_ms, cx.now.mono_ms);
        let Kind::Read(read) = &mut operation.kind else { return };
        let awaited = counts && !read.answered;
        if awaited {
            read.mending.push(member);
        }
        let asker = awaited.then_some(op);
        if member == me {
            self.with_record(slot, key, Task::Mend(asker, records), cx);
        } else {
            self.send(member, Some(slot), left_ms, Body::Repair { op: asker, key, records }, cx);
        }
    }

    /// Whether the latest plain write that was read came from this replica: then it cannot have been sent to it.
    fn gave_latest(&mut self, op: OpId, member: MemberNumber) -> bool {
        let Some(read) = self.reading(op) else { return false };
        let Some(answer) = read.answers.iter().find(|answer| answer.member == member) else { return false };
        let latest = read.joined.as_ref().and_then(|joined| joined.mark);
        record_of(read, answer).is_some_and(|record| record.mark == latest)
    }

    /// A strict read that has not answered yet learns of a plain write above what it read. That may have completed
    /// before what was read had even begun, so that the reader after this one would see it: it reads again.
    fn read_again<S: Storage>(&mut self, op: OpId, cx: &mut Context<'_, S>) -> bool {
        let strict = self.operations.get(op).is_some_and(|operation| operation.level.strict);
        let Some(read) = self.reading(op) else { return false };
        if !strict || read.answered || read.again >= READS_AGAIN {
            return false;
        }
        *read = ReadOp { again: read.again + 1, ..ReadOp::default() };
        if let Some(op) = self.operations.rename(op) {
            self.ask(op, cx);
        }
        true
    }

    /// Reads again, once the lines of all that have answered are raised to these and to each other's (rule R5).
    fn read_under<S: Storage>(&mut self, op: OpId, lines: Lines, cx: &mut Context<'_, S>) -> bool {
        let Some(slot) = self.operations.get(op).map(|operation| operation.slot) else { return false };
        let Some(read) = self.reading(op) else { return false };
        let stamps = || read.answers.iter().filter_map(|answer| Some((answer.member, answer.stamp?)));
        let lines = stamps().fold(lines, |lines, (_, stamp)| Lines {
            refuse: lines.refuse.max(stamp.refuse),
            collect: lines.collect.max(stamp.collect),
        });
        let behind: Vec<MemberNumber> = stamps()
            .filter(|(_, stamp)| stamp.refuse < lines.refuse || stamp.collect < lines.collect)
            .map(|(member, _)| member)
            .collect();
        self.tell_lines(slot, &behind, lines, cx);
        self.read_again(op, cx)
    }

    /// A replica answered a repair.
    pub(crate) fn repair_answered<S: Storage>(
        &mut self,
        op: OpId,
        from: MemberNumber,
        verdict: RepairVerdict,
        cx: &mut Context<'_, S>,
    ) {
        match verdict {
            RepairVerdict::Newer if !self.gave_latest(op, from) && self.read_again(op, cx) => {}
            RepairVerdict::Joined { .. } | RepairVerdict::Newer => {
                let Some(read) = self.reading(op) else { return };
                if take(&mut read.mending, from) {
                    read.fresh.push(from);
                    self.repaired(op, cx);
                }
            }
            // Its lines are ahead of what was read: those are raised first, then it is read again.
            RepairVerdict::Again { refuse, collect }
                if self.read_under(op, Lines { refuse, collect }, cx) => {}
            RepairVerdict::Again { .. } | RepairVerdict::Refused => self.read_failed(op, from, cx),
        }
    }
}

fn record_of<'a>(read: &'a ReadOp, answer: &'a Answer) -> Option<&'a Record> {
    answer.record.as_ref().or(read.own.as_ref())
}

/// Whether the answer's replica holds all that the join holds.
fn holds(read: &ReadOp, answer: &Answer) -> bool {
    let (Some(record), Some(joined)) = (record_of(read, answer), &read.joined) else { return false };
    joined.seen.is_subset(&record.seen) && joined.mark <= record.mark
}

/// Whether the join holds all that the answer's replica holds.
fn held_by_join(read: &ReadOp, answer: &Answer) -> bool {
    let (Some(record), Some(joined)) = (record_of(read, answer), &read.joined) else { return true };
    record.seen.is_subset(&joined.seen) && record.mark <= joined.mark
}

/// What the other replicas answered; those that hold nothing, or the same as the own record, add nothing.
fn answers_of_others(read: &ReadOp, member: MemberNumber) -> Vec<StampedRecord> {
    let others = owners(read).filter(|answer| answer.member != member && !answer.encoded.is_empty());
    others.filter_map(stamped).collect()
}

/// The answers of owners.
fn owners(read: &ReadOp) -> impl Iterator<Item = &Answer> {
    read.answers.iter().filter(|answer| answer.stamp.is_some())
}

/// An owner's answer as a repair sends it.
fn stamped(answer: &Answer) -> Option<StampedRecord> {
    Some(StampedRecord { stamp: answer.stamp?, record: answer.encoded.clone() })
}
