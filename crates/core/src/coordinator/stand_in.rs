//! Sloppy quorum: who stands in for owners that do not answer.
//!
//! Owners come first. Stand-ins are asked at sloppy levels only, and only when fewer owners answer than are needed, or
//! not in time; each holds the write for one owner that has missed it. Once enough owners have a write, healthy
//! stand-ins get it for those that are down too, and nobody waits for that.

use super::operation::{Kind, Members, Operation, WriteOp};
use crate::{
    canary::Canary,
    ids::MemberNumber,
    limits::HEDGE_MS,
    message::{Body, OpId},
    replica::Task,
    request::Level,
    shard::{Context, Shard},
    slot::Slot,
    storage::Storage,
};
use bytes::Bytes;
use smallvec::smallvec;

impl Shard {
    /// The healthy stand-ins of a slot, clockwise.
    pub(super) fn healthy_stand_ins(&self, slot: Slot) -> impl Iterator<Item = MemberNumber> + '_ {
        self.layout.stand_ins(slot).iter().copied().filter(|&member| self.is_live(member))
    }

    pub(super) fn live_owners(&self, slot: Slot) -> usize {
        self.layout.owners(slot).iter().filter(|&&owner| self.is_live(owner)).count()
    }

    /// How many may answer at a level.
    pub(super) fn candidates(&self, level: Level, slot: Slot) -> usize {
        let owners = self.live_owners(slot);
        if self.owners_only(level.strict) { owners } else { owners + self.healthy_stand_ins(slot).count() }
    }

    /// Whether only owners count.
    fn owners_only(&self, strict: bool) -> bool {
        strict && !self.config.canary.is(Canary::StandInsCountAtStrictLevels)
    }

    /// Whether this server coordinates as a stand-in: it is one, and no owner answers.
    pub(super) fn coordinates_as_stand_in(&self, level: Level, slot: Slot) -> bool {
        !level.strict && self.stands_in(slot) && self.live_owners(slot) == 0
    }

    /// Looks up what the write is minted over: the own record, or what is held as a stand-in.
    pub(super) fn prepare<S: Storage>(&mut self, op: OpId, slot: Slot, key: Bytes, cx: &mut Context<'_, S>) {
        if self.layout.owners(slot).contains(&self.config.me) {
            self.with_record(slot, key, Task::Mint(op), cx);
        } else {
            self.with_record(slot, key, Task::MintAside(op), cx);
        }
    }

    /// Stand-ins to be read besides these members, if fewer owners answer than are needed.
    pub(super) fn add_stand_ins(&self, slot: Slot, required: usize, members: &mut Members) {
        let missing = required.saturating_sub(self.live_owners(slot));
        if missing == 0 {
            return;
        }
        let others = self.healthy_stand_ins(slot).filter(|&member| member != self.config.me);
        members.extend(others.take(missing));
    }

    /// Has stand-ins hold a write for owners that have not got it, if those that have, or will, are too few.
    pub(super) fn reinforce<S: Storage>(&mut self, op: OpId, cx: &mut Context<'_, S>) {
        let Some(operation) = self.operations.look(op) else { return };
        let (slot, required, strict) = (operation.slot, operation.required, operation.level.strict);
        let left_ms = Shard::remaining_ms(operation.deadline_ms, cx.now.mono_ms);
        let Kind::Write(write) = &operation.kind else { return };
        let owners_only = self.owners_only(strict);
        let Some(minted) = write.minted.as_ref().filter(|_| !owners_only) else { return };
        let owners = self.layout.owners(slot);
        let missing: Members =
            owners.iter().copied().filter(|&owner| !self.counts_on(write, owner)).collect();
        if owners.len() - missing.len() >= required {
            return;
        }
        let body_write = minted.write.clone();
        let mut free: Members =
            self.healthy_stand_ins(slot).filter(|member| !is_used(write, *member)).collect();
        free.retain(|member| *member != self.config.me);
        let held = |owner: &MemberNumber| write.hinted.iter().any(|(_, of)| of == owner);
        let unheld: Members = missing.into_iter().filter(|owner| !held(owner)).collect();
        for (stand_in, owner) in free.into_iter().zip(unheld) {
            let Some(Operation { kind: Kind::Write(write), .. }) = self.operations.get(op) else { return };
            write.hinted.push((stand_in, owner));
            write.outstanding.push(stand_in);
            let body = Body::Hint { op: Some(op), targets: smallvec![owner], write: body_write.clone() };
            self.send(stand_in, Some(slot), left_ms, body, cx);
        }
    }

    /// Whether an owner has the write, or is expected to take it soon.
    fn counts_on(&self, write: &WriteOp, owner: MemberNumber) -> bool {
        let acked = write.acks.iter().any(|ack| ack.member == owner);
        let waits = !write.hedged && write.outstanding.contains(&owner) && self.is_live(owner);
        acked || waits
    }

    /// A write is done: stand-ins hold it for owners that are down, beside what counted. Nobody waits for them.
    pub(super) fn hint_the_rest<S: Storage>(&mut self, slot: Slot, write: &WriteOp, cx: &mut Context<'_, S>) {
        let Some(minted) = &write.minted else { return };
        let owners = self.layout.owners(slot);
        let lacks = |owner: &MemberNumber| {
            !self.is_live(*owner)
                && !write.acks.iter().any(|ack| ack.member == *owner)
                && !write.hinted.iter().any(|(_, of)| of == owner)
        };
        let down: Members = owners.iter().copied().filter(lacks).collect();
        if down.is_empty() {
            return;
        }
        let free = self
            .healthy_stand_ins(slot)
            .filter(|&member| member != self.config.me && !is_used(write, member));
        let pairs: Members = free.take(down.len()).collect();
        for (stand_in, owner) in pairs.into_iter().zip(down) {
            let body = Body::Hint { op: None, targets: smallvec![owner], write: minted.write.clone() };
            self.send(stand_in, Some(slot), 0, body, cx);
        }
    }

    /// Time passed: sloppy writes whose owners are slow count on stand-ins from now on.
    pub(crate) fn hedge<S: Storage>(&mut self, cx: &mut Context<'_, S>) {
        let now_ms = cx.now.mono_ms;
        if self.hedged_ms + HEDGE_MS / 4 > now_ms {
            return;
        }
        self.hedged_ms = now_ms;
        for op in self.operations.ids() {
            let Some(operation) = self.operations.get(op) else { continue };
            if operation.level.strict {
                continue;
            }
            let Kind::Write(write) = &mut operation.kind else { continue };
            if write.minted.is_some() && !write.hedged && write.began_ms + HEDGE_MS <= now_ms {
                write.hedged = true;
                self.reinforce(op, cx);
            }
        }
    }
}

/// Whether a stand-in has been asked already.
fn is_used(write: &WriteOp, member: MemberNumber) -> bool {
    write.unwilling.contains(&member) || write.hinted.iter().any(|(stand_in, _)| *stand_in == member)
}
