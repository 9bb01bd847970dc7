//! Rounds and collection (rules R7 and R8 of the specification): deleted and expired records leave the disk, and nothing
//! that was deleted comes back.
//!
//! A **round** closes a slot up to an instant f: its hub, one of the owners, asks every server that may hold a hint how far
//! back that reaches, has all owners refuse what is unknown and older, fetches from each what it lacks, and has each fetch
//! the union. When all have it on disk, the collect line W rises to f. A record of which nothing lives and whose bucket of
//! the tree ends at or below W **may go**: nothing older can arrive any more that would have to be told it was deleted.
//!
//! | file | owns |
//! |---|---|
//! | `message` | what is said |
//! | `due` | which slots want a round, and who is the hub |
//! | `floor` | what a stand-in promises |
//! | `round` | the hub |
//! | `note` | the owners that take part |
//! | `fetch` | getting all that another owner has and this one lacks, or saying that it failed |
//! | `forget` | the collection itself |
//! | `stats` | how far it is, and for whom it waits |
//!
//! What always holds: W ≤ g. A round that any doubt falls on (a restart, a new incarnation, a new layout, an answer that does
//! not come) is void as a whole and costs nothing but itself. Clocks decide how soon something is collected, never
//! whether that is safe. Only slots that have something to collect are looked after, so that an idle cluster is silent.
//!
//! All is in memory: a restart voids the rounds that it took part in, and the lines are durable in the slots.

mod due;
mod fetch;
mod floor;
mod forget;
mod message;
mod note;
mod round;
mod stats;

pub(crate) use forget::CollectTask;
pub use message::Step;
pub use stats::CollectStats;

use crate::{
    exchange::Lines,
    hlc::Hlc,
    ids::MemberNumber,
    limits::ROUND_STEPS,
    message::Body,
    shard::{Context, Shard},
    slot::Slot,
    storage::Storage,
};
use alloc::{
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};
use fetch::{Fetch, Fetching};
use forget::Sweep;
use note::Note;
use round::Round;
use stats::Wait;

/// What a shard knows of rounds and collections.
#[derive(Debug, Default)]
pub(crate) struct Collecting {
    /// Rounds of this hub.
    rounds: BTreeMap<Slot, Round>,
    /// Rounds of other hubs in which this owner takes part.
    notes: BTreeMap<Slot, Note>,
    /// Under way.
    fetches: BTreeMap<u64, Fetch>,
    /// To begin when others are through. Bounded by rounds and notes.
    queue: VecDeque<Fetching>,
    /// What this server promised as a stand-in, since it started.
    promised: BTreeMap<Slot, Hlc>,
    /// Steps that leave with the next tick, for slots of the same cell together.
    outgoing: BTreeMap<(MemberNumber, u16), Vec<(Slot, Step)>>,
    /// Slots whose last round came to nothing, and when to try again.
    rests: BTreeMap<Slot, u64>,
    /// For whom slots wait that this server is the hub of.
    waits: BTreeMap<Slot, Wait>,
    /// The slot that is being read through.
    sweep: Option<Sweep>,
    /// Slots to read through again after this.
    swept: BTreeMap<Slot, u64>,
    /// How far slots were looked at.
    looked: usize,
    /// Counts rounds and fetches.
    names: u64,
    tally: stats::Tally,
}

impl Collecting {
    /// A new layout: nothing of the old one counts. Promises stay.
    pub(crate) fn forget(&mut self) {
        self.tally.void += self.rounds.len() as u64;
        self.rounds.clear();
        self.notes.clear();
        self.fetches.clear();
        self.queue.clear();
        self.outgoing.clear();
        self.rests.clear();
        self.waits.clear();
    }
}

impl Shard {
    /// Time passed.
    pub(crate) fn collect_tick<S: Storage>(&mut self, cx: &mut Context<'_, S>) {
        if self.config.collect {
            self.look_for_work(cx);
            self.sweep_on(cx);
        }
        self.rounds_tick(cx);
        self.notes_tick(cx);
        self.fetches_tick(cx);
        for ((to, _), steps) in core::mem::take(&mut self.collecting.outgoing) {
            self.send_steps(to, steps, cx);
        }
    }

    /// Owners whose lines are behind are told at once, because what was read from them was refused for it.
    pub(crate) fn tell_lines<S: Storage>(
        &mut self,
        slot: Slot,
        behind: &[MemberNumber],
        lines: Lines,
        cx: &mut Context<'_, S>,
    ) {
        for &member in behind {
            match member == self.config.me {
                true => self.raise_lines(slot, lines, cx),
                false => self.send_steps(member, alloc::vec![(slot, Step::Fact { lines })], cx),
            }
        }
    }

    fn send_steps<S: Storage>(
        &mut self,
        to: MemberNumber,
        steps: Vec<(Slot, Step)>,
        cx: &mut Context<'_, S>,
    ) {
        let Some(&(slot, _)) = steps.first() else { return };
        self.collecting.tally.frames += 1;
        self.send(to, Some(slot), 0, Body::Rounds(steps), cx);
    }

    /// Says something with the next tick.
    fn say<S: Storage>(&mut self, to: MemberNumber, slot: Slot, step: Step, cx: &mut Context<'_, S>) {
        let steps = self.collecting.outgoing.entry((to, slot.cell())).or_default();
        steps.push((slot, step));
        if steps.len() >= ROUND_STEPS {
            let steps = core::mem::take(steps);
            self.send_steps(to, steps, cx);
        }
    }

    /// Another server said something, under the layout that holds.
    pub(crate) fn steps_arrived<S: Storage>(
        &mut self,
        from: MemberNumber,
        about: Slot,
        steps: Vec<(Slot, Step)>,
        cx: &mut Context<'_, S>,
    ) {
        for (slot, step) in steps {
            // The others would be for another shard.
            if slot.cell() == about.cell() && !slot.keeps_hints() {
                self.step_arrived(from, slot, step, cx);
            }
        }
    }

    fn step_arrived<S: Storage>(
        &mut self,
        from: MemberNumber,
        slot: Slot,
        step: Step,
        cx: &mut Context<'_, S>,
    ) {
        match step {
            Step::Ask { round } => self.floor_asked(from, slot, round, cx),
            Step::Floor { round, incarnation, floor } => {
                self.floor_answered(from, slot, round, incarnation, floor, cx);
            }
            Step::Pull { round, upto, collect, lives } => {
                self.pull_asked(from, slot, round, (upto, collect), &lives, cx);
            }
            Step::Pulled { round, incarnation, lines, root } => {
                self.pull_answered(from, slot, round, incarnation, lines, root, cx);
            }
            Step::Push { round, lines, root } => self.push_asked(from, slot, round, lines, root, cx),
            Step::Confirm { round, incarnation } => self.confirmed(from, slot, round, incarnation, cx),
            Step::Void { round } => self.round_refused(from, slot, round, cx),
            Step::Fact { lines } => {
                let owner = self.layout.owners(slot).contains(&self.config.me);
                if owner && self.is_complete(slot, cx.store) {
                    self.raise_lines(slot, lines, cx);
                }
            }
        }
    }

    /// A peer's link is gone: what it was asked may never be answered.
    pub(crate) fn collect_lost<S: Storage>(&mut self, peer: MemberNumber, cx: &mut Context<'_, S>) {
        self.void_rounds_with(peer, cx);
        self.fail_fetches_from(peer, cx);
    }

    /// A name for a round or a fetch that none had before in any life of this server.
    fn collect_name(&mut self) -> u64 {
        self.collecting.names += 1;
        u64::from(self.config.starts) << 32 | 1 << 31 | self.collecting.names & 0x7fff_ffff
    }

    /// The root of a slot at its own collect line, if its sums are known.
    fn known_root<S: Storage>(&self, slot: Slot, store: &S) -> Option<u128> {
        let sums = store.sums(slot)?;
        Some(crate::tree::total(sums, self.lines(slot, store).collect))
    }
}
