//! The hub of rounds: asks for floors, pulls, pushes, and raises the collect line when every owner has confirmed.
//!
//! What always holds: the list of owners and their lives is fixed before the first PULL; each owner is pulled once under one
//! name; nothing is pushed before all have answered; the line rises only when all that are listed have confirmed in the
//! life in which they are listed, and the own log is synced. Anything else voids the round.

use super::{
    Step,
    fetch::{Fetching, Purpose},
    stats::Wait,
};
use crate::{
    canary::Canary,
    coordinator::operation::Members,
    exchange::Lines,
    hlc::Hlc,
    ids::{Epoch, Lsn, MemberNumber},
    limits::{ROUND_MARGIN_MS, ROUND_REST_MS, ROUND_TIMEOUT_MS},
    shard::{Context, Shard},
    slot::Slot,
    storage::Storage,
};
use alloc::vec::Vec;

/// How far a round is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// Floors and lives are asked for.
    Asking,
    /// Owners answer, and what they have is fetched.
    Pulling,
    /// Owners fetch, and confirm.
    Pushing,
}

/// A round of this hub.
#[derive(Debug)]
pub(super) struct Round {
    round: u64,
    began_ms: u64,
    stage: Stage,
    /// Where the first bucket ends that it is for: with a lower line it would be for nothing.
    wanted: Hlc,
    /// The lowest floor so far, and who keeps it below what is wanted.
    floor: Hlc,
    low: Members,
    /// Up to where it closes the slot.
    upto: Hlc,
    /// The owners, and the lives in which they take part.
    lives: Vec<(MemberNumber, u32)>,
    /// Who has not answered in this stage.
    left: Members,
    /// Who was pulled and has answered, so that a second answer counts for nothing.
    answered: Members,
    /// The own log up to here must be synced at the end.
    lsn: Lsn,
}

impl Shard {
    /// Whether this server is the hub of a round of the slot.
    pub(super) fn has_round(&self, slot: Slot) -> bool {
        self.collecting.rounds.contains_key(&slot)
    }

    fn round(&mut self, slot: Slot, round: u64, stage: Stage) -> Option<&mut Round> {
        self.collecting.rounds.get_mut(&slot).filter(|it| it.round == round && it.stage == stage)
    }

    /// Whom a round of a slot asks for a floor: the other owners and the stand-ins; all members, if there was a layout
    /// before this one, under which others may have held hints.
    pub(super) fn asked_for_floors(&self, slot: Slot) -> Members {
        let me = self.config.me;
        let (owners, stand_ins) = (self.layout.owners(slot), self.layout.stand_ins(slot));
        let mut asked: Members = owners.iter().chain(stand_ins).copied().filter(|&it| it != me).collect();
        if self.layout.epoch() > Epoch(1) {
            let members = self.layout.spec().members.iter().map(|member| member.number);
            let others: Members = members.filter(|it| *it != me && !asked.contains(it)).collect();
            asked.extend(others);
        }
        asked
    }

    /// Begins a round that is to close the slot up to `wanted` at least.
    pub(super) fn begin_round<S: Storage>(&mut self, slot: Slot, wanted: Hlc, cx: &mut Context<'_, S>) {
        let asked = self.asked_for_floors(slot);
        let away: Members = asked.iter().copied().filter(|&member| !self.liveness.is_live(member)).collect();
        if !away.is_empty() {
            return self.round_waits(slot, away, cx);
        }
        let me = self.config.me;
        let Some(floor) = self.floor(slot, cx) else {
            return self.round_waits(slot, Members::from_slice(&[me]), cx);
        };
        let round = Round {
            round: self.collect_name(),
            began_ms: cx.now.mono_ms,
            stage: Stage::Asking,
            wanted,
            floor,
            low: if floor <= wanted { Members::from_slice(&[me]) } else { Members::new() },
            upto: Hlc::ZERO,
            lives: alloc::vec![(me, self.actor.incarnation)],
            left: asked.clone(),
            answered: Members::new(),
            lsn: Lsn(0),
        };
        let name = round.round;
        self.collecting.rounds.insert(slot, round);
        self.collecting.tally.begun += 1;
        for member in asked {
            self.say(member, slot, Step::Ask { round: name }, cx);
        }
        self.round_on(slot, cx);
    }

    pub(super) fn floor_answered<S: Storage>(
        &mut self,
        from: MemberNumber,
        slot: Slot,
        round: u64,
        incarnation: u32,
        floor: Option<Hlc>,
        cx: &mut Context<'_, S>,
    ) {
        let owner = self.layout.owners(slot).contains(&from);
        let Some(it) = self.round(slot, round, Stage::Asking) else { return };
        let Some(at) = it.left.iter().position(|&member| member == from) else { return };
        it.left.swap_remove(at);
        match floor {
            Some(floor) => {
                it.floor = it.floor.min(floor);
                if floor <= it.wanted {
                    it.low.push(from);
                }
            }
            None => {
                it.floor = Hlc::ZERO;
                it.low.push(from);
            }
        }
        if owner {
            it.lives.push((from, incarnation));
        }
        self.round_on(slot, cx);
    }

    pub(super) fn pull_answered<S: Storage>(
        &mut self,
        from: MemberNumber,
        slot: Slot,
        round: u64,
        incarnation: u32,
        lines: Lines,
        root: Option<u128>,
        cx: &mut Context<'_, S>,
    ) {
        let Some(it) = self.round(slot, round, Stage::Pulling) else { return };
        if it.answered.contains(&from) || !it.left.contains(&from) {
            return;
        }
        it.answered.push(from);
        let upto = it.upto;
        if !it.lives.contains(&(from, incarnation)) || !self.lives.accept(from, incarnation) {
            return self.void_round(slot, cx);
        }
        self.raise_lines(slot, lines, cx);
        if root.is_some() && root == self.known_root(slot, cx.store) {
            return self.pulled(slot, from, round, true, cx);
        }
        let purpose = Purpose::Pull;
        self.fetch(Fetching { slot, peer: from, incarnation, upto, round, purpose }, cx);
    }

    /// Whether a fetch for this round still serves it.
    pub(super) fn pulls(&self, slot: Slot, round: u64) -> bool {
        let it = self.collecting.rounds.get(&slot);
        it.is_some_and(|it| it.round == round && it.stage == Stage::Pulling)
    }

    /// All that an owner has is here, or that failed.
    pub(super) fn pulled<S: Storage>(
        &mut self,
        slot: Slot,
        from: MemberNumber,
        round: u64,
        well: bool,
        cx: &mut Context<'_, S>,
    ) {
        let Some(it) = self.round(slot, round, Stage::Pulling) else { return };
        it.left.retain(|member| *member != from);
        if well { self.round_on(slot, cx) } else { self.void_round(slot, cx) }
    }

    pub(super) fn confirmed<S: Storage>(
        &mut self,
        from: MemberNumber,
        slot: Slot,
        round: u64,
        incarnation: u32,
        cx: &mut Context<'_, S>,
    ) {
        let Some(it) = self.round(slot, round, Stage::Pushing) else { return };
        if !it.lives.contains(&(from, incarnation)) {
            return self.void_round(slot, cx);
        }
        it.left.retain(|member| *member != from);
        self.round_on(slot, cx);
    }

    /// An owner takes no part.
    pub(super) fn round_refused<S: Storage>(
        &mut self,
        from: MemberNumber,
        slot: Slot,
        round: u64,
        cx: &mut Context<'_, S>,
    ) {
        let it = self.collecting.rounds.get(&slot);
        if it.is_some_and(|it| it.round == round && it.lives.iter().any(|(member, _)| *member == from)) {
            self.void_round(slot, cx);
            self.round_waits(slot, Members::from_slice(&[from]), cx);
        }
    }

    /// Time passed.
    pub(super) fn rounds_tick<S: Storage>(&mut self, cx: &mut Context<'_, S>) {
        let now_ms = cx.now.mono_ms;
        let slots: Vec<Slot> = self.collecting.rounds.keys().copied().collect();
        let life = (self.config.me, self.actor.incarnation);
        for slot in slots {
            let Some(it) = self.collecting.rounds.get(&slot) else { continue };
            let late = now_ms >= it.began_ms + ROUND_TIMEOUT_MS;
            if late || !it.lives.contains(&life) || self.incarnation_pending.is_some() {
                let left = it.left.clone();
                self.void_round(slot, cx);
                self.round_waits(slot, left, cx);
            } else if it.stage == Stage::Pushing {
                self.round_on(slot, cx);
            }
        }
    }

    /// The round came to nothing; the next one begins after a rest.
    pub(super) fn void_round<S: Storage>(&mut self, slot: Slot, cx: &Context<'_, S>) {
        if self.collecting.rounds.remove(&slot).is_some() {
            self.collecting.tally.void += 1;
            self.collecting.rests.insert(slot, cx.now.mono_ms + ROUND_REST_MS);
        }
    }

    pub(super) fn void_rounds_with<S: Storage>(&mut self, peer: MemberNumber, cx: &Context<'_, S>) {
        let rounds = self.collecting.rounds.iter();
        let with = rounds.filter(|(_, it)| it.left.contains(&peer) || it.lives.iter().any(|l| l.0 == peer));
        let slots: Vec<Slot> = with.map(|(&slot, _)| slot).collect();
        slots.into_iter().for_each(|slot| self.void_round(slot, cx));
    }

    /// No round until these are there, or have delivered what they hold.
    fn round_waits<S: Storage>(&mut self, slot: Slot, on: Members, cx: &Context<'_, S>) {
        self.collecting.rests.insert(slot, cx.now.mono_ms + ROUND_REST_MS);
        let wait = self.collecting.waits.entry(slot).or_insert(Wait { on: Members::new() });
        if !on.is_empty() {
            wait.on = on;
        }
    }

    /// Goes on if everybody has answered.
    fn round_on<S: Storage>(&mut self, slot: Slot, cx: &mut Context<'_, S>) {
        let few = usize::from(self.config.canary.is(Canary::RoundWithoutAll));
        let Some(it) = self.collecting.rounds.get(&slot) else { return };
        let lacking = it.left.len().saturating_sub(if it.stage == Stage::Pushing { few } else { 0 });
        if lacking > 0 {
            return;
        }
        match it.stage {
            Stage::Asking => self.begin_pull(slot, cx),
            Stage::Pulling => self.begin_push(slot, cx),
            Stage::Pushing if it.lsn <= cx.store.durable() => self.round_done(slot, cx),
            Stage::Pushing => {}
        }
    }

    fn begin_pull<S: Storage>(&mut self, slot: Slot, cx: &mut Context<'_, S>) {
        let now = self.clock.read(cx.now);
        let Some(it) = self.collecting.rounds.get_mut(&slot) else { return };
        let past = Hlc::from_wall_ms(now.wall_ms().saturating_sub(ROUND_MARGIN_MS));
        let upto = past.min(Hlc(it.floor.0.saturating_sub(1)));
        if upto < it.wanted {
            let low = it.low.clone();
            self.void_round(slot, cx);
            return self.round_waits(slot, low, cx);
        }
        let me = self.config.me;
        (it.upto, it.stage) = (upto, Stage::Pulling);
        it.left = it.lives.iter().map(|(member, _)| *member).filter(|&member| member != me).collect();
        let (round, lives, left) = (it.round, it.lives.clone(), it.left.clone());
        let lives_of_all = self.layout.owners(slot).len() == lives.len();
        if !lives_of_all || cx.store.admits().is_err() || !self.is_complete(slot, cx.store) {
            return self.void_round(slot, cx);
        }
        let collect = self.lines(slot, cx.store).collect;
        self.raise_lines(slot, Lines { refuse: upto.max(collect), collect }, cx);
        for member in left {
            self.say(member, slot, Step::Pull { round, upto, collect, lives: lives.clone() }, cx);
        }
        self.round_on(slot, cx);
    }

    fn begin_push<S: Storage>(&mut self, slot: Slot, cx: &mut Context<'_, S>) {
        // What is here now, pulled or not, and g.
        let lsn = self.mark_lines(slot, cx);
        let (lines, root) = (self.shared_lines(slot, cx.store), self.known_root(slot, cx.store));
        let me = self.config.me;
        let Some(it) = self.collecting.rounds.get_mut(&slot) else { return };
        (it.lsn, it.stage) = (lsn, Stage::Pushing);
        it.left = it.lives.iter().map(|(member, _)| *member).filter(|&member| member != me).collect();
        let (round, left) = (it.round, it.left.clone());
        for member in left {
            self.say(member, slot, Step::Push { round, lines, root }, cx);
        }
        self.round_on(slot, cx);
    }

    fn round_done<S: Storage>(&mut self, slot: Slot, cx: &mut Context<'_, S>) {
        let life = (self.config.me, self.actor.incarnation);
        let Some(it) = self.collecting.rounds.get(&slot) else { return };
        if !it.lives.contains(&life) || self.incarnation_pending.is_some() || cx.store.admits().is_err() {
            return self.void_round(slot, cx);
        }
        let Some(it) = self.collecting.rounds.remove(&slot) else { return };
        let lines = Lines { refuse: it.upto, collect: it.upto };
        self.raise_lines(slot, lines, cx);
        self.collecting.tally.done += 1;
        self.collecting.waits.remove(&slot);
        self.collecting.rests.remove(&slot);
        for (member, _) in it.lives.into_iter().filter(|(member, _)| *member != life.0) {
            self.say(member, slot, Step::Fact { lines }, cx);
        }
    }
}
