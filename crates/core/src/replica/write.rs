//! Writes at a replica: minting an own one, taking another server's (rule R4 of the specification).

use super::{Current, RecordTooLarge};
use crate::{
    coordinator::operation::{Kind, Minted},
    ids::{Dot, Lsn, MemberNumber},
    message::{Body, OpId, WriteVerdict},
    outbox::{Action, Event},
    request::{Basis, Rejected},
    shard::{Context, Shard},
    slot::Slot,
    storage::{LoadError, Refusal, Storage},
    version::{self, Intent, Mint, MintError, MintInput, SlotLines, Token, Write},
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
        let before = self.before(slot, &key, &current);
        let lines = self.lines(slot, cx.store);
        let Some((mint, existed)) = self.mint_over(op, slot, &lines, &key, &mut current.record, cx) else {
            return;
        };
        let Ok(lsn) = self.keep(slot, &key, &before, &current.record, cx) else {
            return self.write_rejected(op, Rejected::RecordTooLarge, cx);
        };
        self.write_minted(op, Minted { write: mint.write, reply: mint.reply, lsn, held: false }, existed, cx);
    }

    /// Mints the write of an operation over what is known of the key at a place: the slot, or its slot for hints. Whether
    /// a live value was there before comes along. `None`: it was rejected, and nothing is changed.
    pub(crate) fn mint_over<S: Storage>(
        &mut self,
        op: OpId,
        place: Slot,
        lines: &SlotLines,
        key: &Bytes,
        record: &mut version::Record,
        cx: &mut Context<'_, S>,
    ) -> Option<(Mint, bool)> {
        if let Err(reason) = self.may_mint(place, cx) {
            self.write_rejected(op, reason, cx);
            return None;
        }
        let Some(clock) = self.clock.mint(cx.now) else {
            self.write_rejected(op, Rejected::NotReady, cx);
            return None;
        };
        let (epoch, canary, me) = (self.layout.epoch(), self.config.canary, self.actor);
        let Kind::Write(write) = &self.operations.get(op)?.kind else { return None };
        let nothing = Token::EMPTY;
        let learned = write.learned.as_ref().unwrap_or(&nothing);
        let intent = match &write.basis {
            Basis::Plain => Intent::Plain { learned },
            Basis::Causal(token) => Intent::Causal(token),
        };
        let payload = write.payload.clone();
        let existed = record.plain(cx.now.wall_ms).is_some();
        let input = MintInput { key, me, lines, clock, intent, payload, epoch, canary };
        match version::mint(record, input) {
            Ok(mint) => Some((mint, existed)),
            Err(error) => {
                self.mint_failed(op, error, cx);
                None
            }
        }
    }

    /// The first round of a write that is about to be written once more.
    pub(crate) fn first_round(&mut self, op: OpId) -> Option<&Write> {
        match &self.operations.get(op)?.kind {
            Kind::Write(write) => write.minted.as_ref().map(|minted| &minted.write),
            _ => None,
        }
    }

    /// Whether this server may mint now; if not, nothing was applied.
    fn may_mint<S: Storage>(&self, place: Slot, cx: &Context<'_, S>) -> Result<(), Rejected> {
        // Only an owner or a stand-in mints (R2); a new layout may have come while the disk was asked.
        let allowed = match place.keeps_hints() {
            true => self.stands_in(place),
            false => self.layout.owners(place).contains(&self.config.me),
        };
        if self.incarnation_pending.is_some() || !self.config.confirmed || !allowed {
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
        current: Current,
        cx: &mut Context<'_, S>,
    ) {
        match self.take(slot, &write, current, cx) {
            Ok((lsn, beaten_by)) => {
                let verdict = WriteVerdict::Taken { durable: self.answers_are_durable(), beaten_by };
                self.answer(from, slot, lsn, Body::WriteAck { op, verdict }, cx);
            }
            Err(verdict) => self.send(from, Some(slot), 0, Body::WriteAck { op, verdict }, cx),
        }
    }

    /// Judges a write that arrives, whoever sends it (R4). The position on which the answer stands and what beats a
    /// plain one, or why nothing was applied.
    pub(crate) fn take<S: Storage>(
        &mut self,
        slot: Slot,
        write: &Write,
        mut current: Current,
        cx: &mut Context<'_, S>,
    ) -> Result<(Lsn, Option<Token>), WriteVerdict> {
        let lines = self.lines(slot, cx.store);
        if version::amnesia(&current.record, &lines, self.actor, &write.ctx)
            || self.own_dot_unknown(&current, write, &lines)
        {
            self.take_incarnation(cx);
        }
        let mut lsn = current.lsn;
        if !current.record.seen.contains(write.dot) {
            if write.time <= lines.refuse.max(lines.collect) {
                return Err(WriteVerdict::TooOld);
            }
            let before = self.before(slot, &write.key, &current);
            current.record.join_write_with(write, self.config.canary);
            if cx.store.admits().is_err() {
                return Err(WriteVerdict::Refused);
            }
            let kept = self.keep(slot, &write.key, &before, &current.record, cx);
            lsn = kept.map_err(|RecordTooLarge| WriteVerdict::Refused)?;
        }
        let beaten =
            write.kind == version::Kind::Register && current.record.mark > Some((write.time, write.dot));
        Ok((lsn, beaten.then(|| current.record.token())))
    }

    /// A write of this very life that nothing here knows although it must have been minted here.
    fn own_dot_unknown(&self, current: &Current, write: &Write, lines: &SlotLines) -> bool {
        write.dot.actor == self.actor
            && !current.record.seen.contains(write.dot)
            && write.dot.counter > lines.used(self.actor)
    }
}

/// Whether a write that had seen this plain one has already taken its place here; the inner dot is that one's, if it
/// is a plain write that is known. Nothing may be written on its behalf: it can have been overwritten in its turn
/// where this server does not know it yet.
pub(crate) fn overtaken(
    first: &Write,
    record: &version::Record,
    me: crate::ids::Actor,
) -> Option<Option<Dot>> {
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
