//! Which slots want a round, which can be collected, and who is the hub: the first owner of the preference list that is
//! healthy. A few slots are looked at in each tick, those of a cell behind one another.

use crate::{
    canary::Canary,
    hlc::Hlc,
    limits::{CELLS, COLLECT_LOOKS, ROUND_MARGIN_MS, ROUND_SILENCE_MS, ROUNDS, SLOTS},
    shard::{Context, Shard},
    slot::Slot,
    storage::Storage,
    tree,
};

/// Slots of a cell.
const CELL_SLOTS: usize = (SLOTS / CELLS) as usize;

impl Shard {
    /// Own slots at a place in the order in which they are looked at.
    fn slot_at(&self, place: usize) -> Option<Slot> {
        let cell = self.config.shard as usize + place / CELL_SLOTS * self.config.shards as usize;
        let number = cell + place % CELL_SLOTS * CELLS as usize;
        u16::try_from(number).ok().filter(|_| cell < CELLS as usize).and_then(Slot::new)
    }

    /// Looks at the next slots: begins rounds, and has one read through that can be collected.
    pub(super) fn look_for_work<S: Storage>(&mut self, cx: &mut Context<'_, S>) {
        for _ in 0..COLLECT_LOOKS {
            let Some(slot) = self.slot_at(self.collecting.looked) else {
                self.collecting.looked = 0;
                self.collecting.tally.look_done(cx.now);
                return;
            };
            self.collecting.looked += 1;
            self.look_at(slot, cx);
        }
    }

    fn look_at<S: Storage>(&mut self, slot: Slot, cx: &mut Context<'_, S>) {
        let sums = cx.store.sums(slot).unwrap_or_default();
        // What lives for ever comes first in the list; most slots have nothing else.
        let Some(first) = tree::bucket_ends(sums).min() else {
            self.collecting.waits.remove(&slot);
            return;
        };
        if !self.layout.owners(slot).contains(&self.config.me) || !self.is_complete(slot, cx.store) {
            return;
        }
        let now = self.clock.read(cx.now);
        let past = Hlc::from_wall_ms(now.wall_ms().saturating_sub(ROUND_MARGIN_MS));
        let collect = match self.config.canary.is(Canary::CollectEarly) {
            true => past,
            false => self.lines(slot, cx.store).collect,
        };
        if first <= collect {
            self.begin_sweep(slot, cx);
        }
        let wanted = tree::bucket_ends(sums_of(cx.store, slot)).filter(|end| *end > collect).min();
        self.collecting.tally.look(wanted.filter(|end| *end <= past), now);
        match wanted.filter(|end| *end <= past) {
            Some(wanted) => self.want_round(slot, wanted, past, cx),
            None => {
                self.collecting.waits.remove(&slot);
            }
        }
    }

    fn want_round<S: Storage>(&mut self, slot: Slot, wanted: Hlc, past: Hlc, cx: &mut Context<'_, S>) {
        let most = if self.is_busy() { ROUNDS / 8 } else { ROUNDS };
        let rests = self.collecting.rests.get(&slot).is_some_and(|until_ms| cx.now.mono_ms < *until_ms);
        let taken = self.has_round(slot) || self.collecting.notes.contains_key(&slot);
        let well = self.incarnation_pending.is_none() && !self.liveness.own_skewed() && self.config.confirmed;
        if rests || taken || !well || self.collecting.rounds.len() >= most {
            return;
        }
        let silent = past.wall_ms().saturating_sub(wanted.wall_ms()) > ROUND_SILENCE_MS;
        if silent || self.is_hub(slot) {
            self.begin_round(slot, wanted, cx);
        } else {
            self.collecting.waits.remove(&slot);
        }
    }

    /// Whether no owner before this one in the preference list is healthy.
    fn is_hub(&self, slot: Slot) -> bool {
        let healthy = |member| member == self.config.me || self.liveness.is_live(member);
        self.layout.owners(slot).iter().copied().find(|&owner| healthy(owner)) == Some(self.config.me)
    }
}

fn sums_of<S: Storage>(store: &S, slot: Slot) -> &[tree::Sum] {
    store.sums(slot).unwrap_or_default()
}
