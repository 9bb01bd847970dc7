//! Writes at a replica: minting an own one, taking another server's (rule R4 of the specification).

use super::Current;
use crate::{
    coordinator::operation::{Kind, Minted},
    ids::{Dot, MemberNumber},
    message::{Body, OpId, WriteVerdict},
    outbox::{Action, Event},
    request::{Basis, Rejected},
    shard::{Context, Shard},
    slot::Slot,
    storage::{LoadError, Refusal, Storage},
    version::{self, Intent, MintError, MintInput, Token, Write},
};
use bytes::Bytes;

impl Shard {
    /// Mints the write of an operation over the own record and keeps it.
    pub(crate) fn mint_write<S: Storage>(
        &mut self,
        op: OpId,
        slot: Slot,
        key: Bytes,
        mut current: Current,
        cx: &mut Context<'_, S>,
    ) {
        let me = self.actor;
        if self.must_ask(op) {
            // A new layout came while the disk was asked: its owners may know more.
            return self.ask_marks(op, cx);
        }
        if let Some(by) = self.first_round(op).and_then(|first| overtaken(first, &current.record, me)) {
            return self.write_overtaken(op, by, cx);
        }
        if let Err(reason) = self.may_mint(slot, cx) {
            return self.write_rejected(op, reason, cx);
        }
        let lines = self.lines(slot, cx.store);
        let Some(clock) = self.clock.mint(cx.now) else {
            return self.write_rejected(op, Rejected::NotReady, cx);
        };
        let (epoch, canary) = (self.layout.epoch(), self.config.canary);
        let Some(operation) = self.operations.get(op) else { return };
        let Kind::Write(write) = &operation.kind else { return };
        let nothing = Token::EMPTY;
        let learned = write.learned.as_ref().unwrap_or(&nothing);
        let intent = match &write.basis {
            Basis::Plain => Intent::Plain { learned },
            Basis::Causal(token) => Intent::Causal(token),
        };
        let payload = write.payload.clone();
        let before = current.before();
        let existed = current.record.plain(cx.now.wall_ms).is_some();
        let input = MintInput { key: &key, me, lines: &lines, clock, intent, payload, epoch, canary };
        let mint = match version::mint(&mut current.record, input) {
            Ok(mint) => mint,
            Err(error) => return self.mint_failed(op, error, cx),
        };
        let Ok(lsn) = self.keep(slot, &key, &before, &current.record, cx) else {
            return self.write_rejected(op, Rejected::RecordTooLarge, cx);
        };
        self.write_minted(op, Minted { write: mint.write, reply: mint.reply, lsn }, existed, cx);
    }

    /// The first round of a write that is about to be written once more.
    fn first_round(&mut self, op: OpId) -> Option<&Write> {
        match &self.operations.get(op)?.kind {
            Kind::Write(write) => write.minted.as_ref().map(|minted| &minted.write),
            _ => None,
        }
    }

    /// Whether this server may mint now; if not, nothing was applied.
    fn may_mint<S: Storage>(&self, slot: Slot, cx: &Context<'_, S>) -> Result<(), Rejected> {
        // Only an owner mints (R2); a new layout may have come while the disk was asked.
        if self.incarnation_pending.is_some() || !self.layout.owners(slot).contains(&self.config.me) {
            return Err(Rejected::NotReady);
        }
        cx.store.admits().map_err(|refusal| match refusal {
            Refusal::DiskFull => Rejected::DiskFull,
            Refusal::Backlog => Rejected::Overloaded,
            Refusal::Failed => Rejected::NotReady,
        })
    }

    fn mint_failed<S: Storage>(&mut self, op: OpId, error: MintError, cx: &mut Context<'_, S>) {
        let reason = match error {
            MintError::Amnesia => {
                self.take_incarnation(cx);
                Rejected::NotReady
            }
            MintError::TooManySiblings => Rejected::TooManySiblings,
            MintError::CounterOverflow => Rejected::BadRequest,
        };
        self.write_rejected(op, reason, cx);
    }

    /// The own record could not be read: nothing was minted.
    pub(crate) fn mint_refused<S: Storage>(&mut self, op: OpId, error: LoadError, cx: &mut Context<'_, S>) {
        let reason = match error {
            LoadError::Damaged => Rejected::Damaged,
            LoadError::Io => Rejected::Overloaded,
        };
        self.write_rejected(op, reason, cx);
    }

    /// Something proves that this life forgot a counter of its own: a new one, durable before the next mint.
    pub(crate) fn take_incarnation<S: Storage>(&mut self, cx: &mut Context<'_, S>) {
        if self.incarnation_pending.is_some() {
            return;
        }
        let next = self.actor.incarnation.saturating_add(1);
        self.incarnation_pending = Some(next);
        cx.out.events.push(Event::Amnesia);
        cx.out.actions.push(Action::TakeIncarnation(next));
    }

    /// Another server's write arrives (R4): known, too old, or joined as a whole.
    pub(crate) fn take_write<S: Storage>(
        &mut self,
        from: MemberNumber,
        op: OpId,
        slot: Slot,
        write: Write,
        mut current: Current,
        cx: &mut Context<'_, S>,
    ) {
        let lines = self.lines(slot, cx.store);
        if version::amnesia(&current.record, &lines, self.actor, &write.ctx)
            || self.own_dot_unknown(&current, &write)
        {
            self.take_incarnation(cx);
        }
        let mut lsn = current.lsn;
        if !current.record.seen.contains(write.dot) {
            if write.time <= lines.refuse.max(lines.collect) {
                let body = Body::WriteAck { op, verdict: WriteVerdict::TooOld };
                return self.send(from, Some(slot), 0, body, cx);
            }
            let before = current.before();
            current.record.join_write_with(&write, self.config.canary);
            let admitted = cx.store.admits().is_ok();
            let kept = admitted.then(|| self.keep(slot, &write.key, &before, &current.record, cx));
            let Some(Ok(kept)) = kept else {
                let body = Body::WriteAck { op, verdict: WriteVerdict::Refused };
                return self.send(from, Some(slot), 0, body, cx);
            };
            lsn = kept;
        }
        let beaten =
            write.kind == version::Kind::Register && current.record.mark > Some((write.time, write.dot));
        let beaten_by = beaten.then(|| current.record.token());
        let verdict = WriteVerdict::Taken { durable: self.answers_are_durable(), beaten_by };
        self.answer(from, slot, lsn, Body::WriteAck { op, verdict }, cx);
    }

    /// A write of this very life that this replica does not know although it must have minted it.
    fn own_dot_unknown(&self, current: &Current, write: &Write) -> bool {
        write.dot.actor == self.actor && !current.record.seen.contains(write.dot)
    }
}

/// Whether a write that had seen this plain one has already taken its place here; the inner dot is that one's, if it
/// is a plain write that is known. Nothing may be written on its behalf: it can have been overwritten in its turn
/// where this server does not know it yet.
fn overtaken(first: &Write, record: &version::Record, me: crate::ids::Actor) -> Option<Option<Dot>> {
    let heir = record.versions.iter().find(|version| version.ctx.contains(first.dot));
    if let Some(heir) = heir {
        return Some((heir.kind == version::Kind::Register).then_some(heir.dot));
    }
    let live = record.versions.iter().any(|version| version.dot == first.dot);
    let register = record.versions.iter().any(|version| version.kind == version::Kind::Register);
    let (time, dot) = record.mark?;
    if (time, dot) == (first.time, first.dot) {
        // Still the highest, but gone: what replaced it was deleted since.
        return (!live && first.payload != version::Payload::Delete).then_some(None);
    }
    // A plain delete that was minted here after it has seen it.
    let deleted =
        !register && dot.actor == me && dot.actor == first.dot.actor && dot.counter > first.dot.counter;
    deleted.then_some(Some(dot))
}
