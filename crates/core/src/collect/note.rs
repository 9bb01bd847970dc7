//! An owner's part in the rounds of others: at a PULL it notes the hub's list, raises its lines, and answers; at a PUSH it
//! fetches what it lacks, and confirms when that and its refuse line are on disk.
//!
//! One round of a slot at a time: another hub's is taken only when the first has had its time. Whatever does not fit,
//! another life of this server above all, voids the round.

use super::{
    Step,
    fetch::{Fetching, Purpose},
};
use crate::{
    canary::Canary,
    exchange::Lines,
    hlc::Hlc,
    ids::{Lsn, MemberNumber},
    limits::{ROUND_NOTES, ROUND_TIMEOUT_MS},
    replica::Waiter,
    shard::{Context, Shard},
    slot::Slot,
    storage::{Mutation, Storage},
};
use alloc::vec::Vec;

/// A round that this owner takes part in.
#[derive(Debug)]
pub(super) struct Note {
    hub: MemberNumber,
    round: u64,
    /// In which life the hub is.
    hub_life: u32,
    /// In which life this server was asked.
    own_life: u32,
    upto: Hlc,
    noted_ms: u64,
    pushed: bool,
}

impl Shard {
    /// Rounds that never came to their end.
    pub(super) fn notes_tick<S: Storage>(&mut self, cx: &Context<'_, S>) {
        let now_ms = cx.now.mono_ms;
        self.collecting.notes.retain(|_, note| now_ms < note.noted_ms + ROUND_TIMEOUT_MS);
    }

    fn refuse_round<S: Storage>(
        &mut self,
        hub: MemberNumber,
        slot: Slot,
        round: u64,
        cx: &mut Context<'_, S>,
    ) {
        self.say(hub, slot, Step::Void { round }, cx);
    }

    /// Whether this server takes part in rounds of the slot as the owner that is listed.
    fn takes_part<S: Storage>(&self, slot: Slot, life: u32, store: &S) -> bool {
        self.is_complete(slot, store)
            && life == self.actor.incarnation
            && self.incarnation_pending.is_none()
            && store.admits().is_ok()
    }

    pub(super) fn pull_asked<S: Storage>(
        &mut self,
        hub: MemberNumber,
        slot: Slot,
        round: u64,
        (upto, collect): (Hlc, Hlc),
        lives: &[(MemberNumber, u32)],
        cx: &mut Context<'_, S>,
    ) {
        let me = self.config.me;
        let owners = self.layout.owners(slot);
        let life_of = |of| lives.iter().find(|(member, _)| *member == of).map(|(_, life)| *life);
        let (Some(own_life), Some(hub_life), true) =
            (life_of(me), life_of(hub), owners.contains(&me) && owners.contains(&hub))
        else {
            return;
        };
        if let Some(note) = self.collecting.notes.get(&slot) {
            if note.hub == hub && note.round >= round {
                // Twice the same, or late.
                return;
            }
            if note.hub != hub {
                return self.refuse_round(hub, slot, round, cx);
            }
        }
        // A line ahead of the own clock would refuse what is written now.
        let ahead = upto.max(collect) > self.clock.read(cx.now);
        let full = self.collecting.notes.len() >= ROUND_NOTES && !self.collecting.notes.contains_key(&slot);
        let listed = self.lives.accept(hub, hub_life) && self.takes_part(slot, own_life, cx.store);
        if ahead || full || !listed || self.has_round(slot) {
            return self.refuse_round(hub, slot, round, cx);
        }
        self.raise_lines(slot, Lines { refuse: upto.max(collect), collect }, cx);
        let noted_ms = cx.now.mono_ms;
        let note = Note { hub, round, hub_life, own_life, upto, noted_ms, pushed: false };
        self.collecting.notes.insert(slot, note);
        let (lines, root) = (self.shared_lines(slot, cx.store), self.known_root(slot, cx.store));
        self.say(hub, slot, Step::Pulled { round, incarnation: own_life, lines, root }, cx);
    }

    pub(super) fn push_asked<S: Storage>(
        &mut self,
        hub: MemberNumber,
        slot: Slot,
        round: u64,
        lines: Lines,
        root: Option<u128>,
        cx: &mut Context<'_, S>,
    ) {
        let mine = |note: &&mut Note| note.hub == hub && note.round == round;
        let Some(note) = self.collecting.notes.get_mut(&slot).filter(mine) else {
            return self.refuse_round(hub, slot, round, cx);
        };
        if core::mem::replace(&mut note.pushed, true) {
            return;
        }
        let (own_life, hub_life, upto) = (note.own_life, note.hub_life, note.upto);
        if !self.takes_part(slot, own_life, cx.store) {
            return self.pushed(slot, hub, round, false, cx);
        }
        self.raise_lines(slot, lines, cx);
        if root.is_some() && root == self.known_root(slot, cx.store) {
            return self.pushed(slot, hub, round, true, cx);
        }
        let purpose = Purpose::Push;
        self.fetch(Fetching { slot, peer: hub, incarnation: hub_life, upto, round, purpose }, cx);
    }

    /// Whether a fetch for this round still serves it.
    pub(super) fn is_pushed(&self, slot: Slot, hub: MemberNumber, round: u64) -> bool {
        self.collecting
            .notes
            .get(&slot)
            .is_some_and(|note| note.hub == hub && note.round == round && note.pushed)
    }

    /// All that the hub has is here, or that failed.
    pub(super) fn pushed<S: Storage>(
        &mut self,
        slot: Slot,
        hub: MemberNumber,
        round: u64,
        well: bool,
        cx: &mut Context<'_, S>,
    ) {
        if !self.is_pushed(slot, hub, round) {
            return;
        }
        if !well || cx.store.admits().is_err() {
            self.collecting.notes.remove(&slot);
            return self.refuse_round(hub, slot, round, cx);
        }
        // Everything before this position is on disk when it is: what was fetched, what was here already, and g.
        let lsn = self.mark_lines(slot, cx);
        if lsn <= cx.store.durable() || self.config.canary.is(Canary::ConfirmBeforeSync) {
            return self.confirm(slot, hub, round, cx);
        }
        self.waiting.push(lsn, Waiter::Confirm(slot, hub, round));
    }

    /// Writes the slot's lines as they are: a position behind all that this shard wrote before.
    pub(super) fn mark_lines<S: Storage>(&mut self, slot: Slot, cx: &mut Context<'_, S>) -> Lsn {
        let lines = self.lines(slot, cx.store);
        assert!(lines.collect <= lines.refuse, "the collect line is never above the refuse line");
        let mut encoded = Vec::new();
        lines.encode(&mut encoded);
        cx.store.apply(slot, &[Mutation::Lines(&encoded)])
    }

    /// All of a round is on disk here.
    pub(crate) fn confirm<S: Storage>(
        &mut self,
        slot: Slot,
        hub: MemberNumber,
        round: u64,
        cx: &mut Context<'_, S>,
    ) {
        if !self.is_pushed(slot, hub, round) {
            return;
        }
        let Some(note) = self.collecting.notes.remove(&slot) else { return };
        if !self.takes_part(slot, note.own_life, cx.store) {
            return self.refuse_round(hub, slot, round, cx);
        }
        self.say(hub, slot, Step::Confirm { round, incarnation: note.own_life }, cx);
    }
}
