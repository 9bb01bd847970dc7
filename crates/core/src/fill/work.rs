//! What is known of each slot that is not complete, and whose turn it is: a few at a time, each as fast as those that it asks
//! answer; one that waits for somebody rests meanwhile.

use super::{buffer::Absorbing, salvage::Salvage, source::Filling, stats::Tally};
use crate::{
    ids::{Lsn, MemberNumber},
    limits::{
        FILL_REST_MS, FILL_SAVED_BYTES, FILL_TICK_BYTES, FILL_TIMEOUT_MS, FILL_WINDOW, FILL_WINDOW_BUSY,
    },
    message::OpId,
    shard::{Context, Shard},
    slot::Slot,
    storage::{JobId, Mutation, Page, Storage},
    version::{SlotLines, SlotState},
};
use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    vec::Vec,
};

/// How far a slot is.
#[derive(Debug)]
pub(super) enum Phase {
    /// Damaged; its lines do not say so yet.
    Noting,
    /// What can be read is told.
    Salvaging(Salvage),
    /// Nothing of the old data is needed any more; it goes, once this server is another actor. `lined`: the lines are
    /// those of a complete owner nevertheless.
    Dropping { lined: bool },
    /// Fetching.
    Filling(Filling),
    /// All is fetched, the buffer is joined.
    Absorbing(Absorbing),
}

/// A slot that is not complete.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) phase: Phase,
    /// Until when it rests, in monotonic milliseconds.
    rests_until_ms: u64,
    /// Something of it moved last, in monotonic milliseconds.
    pub(super) moved_ms: u64,
    /// Where in the log the old data went.
    pub(super) dropped: Lsn,
    /// Whose answer it lacks.
    pub(super) lacks: Vec<MemberNumber>,
}

/// All such slots of a shard.
#[derive(Debug, Default)]
pub(crate) struct Fills {
    /// The lines of all slots have been looked at since the start.
    pub(super) known: bool,
    pub(super) slots: BTreeMap<Slot, Work>,
    due: VecDeque<Slot>,
    resting: BTreeSet<(u64, Slot)>,
    /// Those for which something is awaited.
    active: BTreeSet<Slot>,
    /// Questions to sources that are open.
    pub(super) asked: BTreeMap<u64, (Slot, MemberNumber)>,
    /// Offers of salvaged writes that are open.
    pub(super) offers: BTreeMap<OpId, (Slot, MemberNumber)>,
    /// Own pages that are being read.
    pub(super) pages: BTreeMap<JobId, Slot>,
    /// Names of fills, so that what belongs to one that was given up is known.
    pub(super) rounds: u64,
    names: u64,
    /// Bytes that may be received before the next tick.
    pub(super) budget: usize,
    pub(super) tally: Tally,
}

/// What a slot does next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    /// The next step, at once.
    On,
    /// An answer is awaited.
    Waits,
    /// Nothing can be done for a while.
    Rests,
    /// It is not in work any more.
    Ended,
}

impl Fills {
    /// Whether the slot is in work.
    pub(crate) fn holds(&self, slot: Slot) -> bool {
        self.slots.contains_key(&slot)
    }

    /// A slot is in work from now on, or begins anew.
    pub(super) fn begin(&mut self, slot: Slot, phase: Phase) {
        self.leave(slot);
        let work = Work { phase, rests_until_ms: 0, moved_ms: 0, dropped: Lsn(0), lacks: Vec::new() };
        self.slots.insert(slot, work);
        self.due.push_back(slot);
    }

    /// A slot is not in work any more; answers to what was asked for it meet nothing.
    pub(super) fn leave(&mut self, slot: Slot) {
        // Where it stands in lines is found out of date when its turn comes.
        self.slots.remove(&slot);
        self.active.remove(&slot);
        self.forget_open(slot);
    }

    /// Answers to what was asked for a slot meet nothing.
    pub(super) fn forget_open(&mut self, slot: Slot) {
        self.asked.retain(|_, (other, _)| *other != slot);
        self.offers.retain(|_, (other, _)| *other != slot);
        self.pages.retain(|_, other| *other != slot);
    }

    pub(super) fn work(&mut self, slot: Slot) -> Option<&mut Work> {
        self.slots.get_mut(&slot)
    }

    /// A name for a question that none had before in any life of this server.
    pub(super) fn name(&mut self, starts: u32) -> u64 {
        self.names += 1;
        u64::from(starts) << 32 | 3 << 30 | self.names & 0x3fff_ffff
    }

    /// What a slot does now.
    fn turn(&mut self, slot: Slot, next: Next, now_ms: u64) {
        let Some(work) = self.slots.get_mut(&slot) else { return };
        match next {
            Next::Waits => {
                self.active.insert(slot);
            }
            Next::On | Next::Ended => {
                self.active.remove(&slot);
            }
            Next::Rests => {
                self.active.remove(&slot);
                work.rests_until_ms = now_ms + FILL_REST_MS;
                self.resting.insert((work.rests_until_ms, slot));
            }
        }
    }

    /// Slots whose rest is over stand in line again.
    fn wake(&mut self, now_ms: u64) {
        while let Some(&(until_ms, slot)) = self.resting.first()
            && until_ms <= now_ms
        {
            self.resting.pop_first();
            if self.slots.get(&slot).is_some_and(|work| work.rests_until_ms == until_ms) {
                self.due.push_back(slot);
            }
        }
    }

    /// Slots that wait for an answer that does not come.
    fn late(&self, now_ms: u64) -> Vec<Slot> {
        let late = |slot: &&Slot| {
            self.slots.get(*slot).is_some_and(|work| work.moved_ms + FILL_TIMEOUT_MS <= now_ms)
        };
        self.active.iter().filter(late).copied().collect()
    }
}

impl Shard {
    /// Time passed.
    pub(crate) fn fill_tick<S: Storage>(&mut self, cx: &mut Context<'_, S>) {
        self.load_states(cx);
        if self.fills.slots.is_empty() {
            return;
        }
        let now_ms = cx.now.mono_ms;
        let share = if self.is_busy() { 8 } else { 1 };
        self.fills.budget = (self.fills.budget + FILL_TICK_BYTES / share).min(FILL_SAVED_BYTES);
        self.fills.wake(now_ms);
        for slot in self.fills.late(now_ms) {
            self.give_up_open(slot);
            self.fill_step(slot, cx);
        }
        self.fill_on(cx);
    }

    /// Whoever was asked for a slot has not answered in time.
    fn give_up_open(&mut self, slot: Slot) {
        self.fills.forget_open(slot);
        match self.fills.work(slot).map(|work| &mut work.phase) {
            Some(Phase::Salvaging(salvage)) => salvage.give_up(),
            Some(Phase::Filling(filling)) => filling.give_up(),
            Some(Phase::Absorbing(absorbing)) => absorbing.give_up(),
            _ => {}
        }
    }

    /// Begins with slots that are due, as far as the window goes.
    pub(super) fn fill_on<S: Storage>(&mut self, cx: &mut Context<'_, S>) {
        let window = if self.is_busy() { FILL_WINDOW_BUSY } else { FILL_WINDOW };
        while self.fills.active.len() < window
            && self.fills.budget > 0
            && let Some(slot) = self.fills.due.pop_front()
        {
            if !self.fills.active.contains(&slot) {
                self.fill_step(slot, cx);
            }
        }
    }

    /// A slot goes on as far as it gets.
    pub(super) fn fill_step<S: Storage>(&mut self, slot: Slot, cx: &mut Context<'_, S>) {
        let next = loop {
            let Some(work) = self.fills.work(slot) else { return };
            work.moved_ms = cx.now.mono_ms;
            let next = match &work.phase {
                Phase::Noting => self.note_damage(slot, cx),
                Phase::Salvaging(_) => self.salvage_on(slot, cx),
                Phase::Dropping { lined } => {
                    let lined = *lined;
                    self.begin_filling(slot, lined, cx)
                }
                Phase::Filling(_) => self.ask_sources(slot, cx),
                Phase::Absorbing(_) => self.absorb_on(slot, cx),
            };
            if next != Next::On {
                break next;
            }
        };
        self.fills.turn(slot, next, cx.now.mono_ms);
    }

    /// Something that a slot waited for is there.
    pub(super) fn fill_moved<S: Storage>(&mut self, slot: Slot, cx: &mut Context<'_, S>) {
        self.fill_step(slot, cx);
        self.fill_on(cx);
    }

    /// A page that was asked for here; whether it was one.
    pub(crate) fn fill_paged<S: Storage>(&mut self, page: &Page, cx: &mut Context<'_, S>) -> bool {
        let Some(slot) = self.fills.pages.remove(&page.job) else { return false };
        match self.fills.work(slot).map(|work| &work.phase) {
            Some(Phase::Salvaging(_)) => self.salvaged_page(slot, page),
            Some(Phase::Absorbing(_)) => self.buffer_page(slot, page, cx),
            _ => return true,
        }
        self.fill_moved(slot, cx);
        true
    }

    /// Reads a page for a slot in work.
    pub(super) fn read_for_fill<S: Storage>(
        &mut self,
        slot: Slot,
        from: Slot,
        (after, limit): (Option<bytes::Bytes>, crate::storage::PageLimit),
        cx: &mut Context<'_, S>,
    ) {
        let job = cx.store.page(from, after, limit);
        self.fills.pages.insert(job, slot);
    }

    /// The slot's lines as they are stored, without what this server remembers in another role.
    pub(super) fn stored_lines<S: Storage>(&self, slot: Slot, store: &S) -> SlotLines {
        store.lines(slot).and_then(|bytes| SlotLines::decode(bytes).ok()).unwrap_or_default()
    }

    /// Marks a slot; with `drop`, nothing of it is left in the same batch.
    pub(super) fn mark_slot<S: Storage>(
        &mut self,
        slot: Slot,
        lines: &SlotLines,
        drop: bool,
        cx: &mut Context<'_, S>,
    ) -> Lsn {
        assert!(lines.collect <= lines.refuse, "the collect line is never above the refuse line");
        let mut encoded = Vec::new();
        lines.encode(&mut encoded);
        let lines = Mutation::Lines(&encoded);
        match drop {
            true => cx.store.apply(slot, &[Mutation::DropSlot, lines]),
            false => cx.store.apply(slot, &[lines]),
        }
    }

    /// The other owners of a slot.
    pub(super) fn other_owners(&self, slot: Slot) -> Vec<MemberNumber> {
        let me = self.config.me;
        self.layout.owners(slot).iter().copied().filter(|&owner| owner != me).collect()
    }

    /// The state that a slot is in, for its lines.
    pub(super) fn state_of(phase: &Phase) -> SlotState {
        match phase {
            Phase::Noting | Phase::Salvaging(_) | Phase::Dropping { lined: false } => SlotState::Salvaging,
            Phase::Dropping { lined: true } => SlotState::Filling { lined: true },
            Phase::Filling(filling) => SlotState::Filling { lined: filling.lined },
            Phase::Absorbing(absorbing) => SlotState::Filling { lined: absorbing.lined },
        }
    }
}
