//! What a stand-in promises (rule R6 of the specification): below the floor that it told it neither takes nor mints
//! anything for the slot.
//!
//! A promise must outlive a restart. It is never above what the durable reservation of the clock says was the time when
//! that was made, and whoever starts again takes the same instant of the reservation that it finds for promised.

use super::Step;
use crate::{
    canary::Canary,
    hlc::Hlc,
    ids::MemberNumber,
    shard::{Context, Shard},
    slot::Slot,
    storage::Storage,
};

impl Shard {
    /// Below this nothing is taken or minted for the slot as a stand-in.
    pub(crate) fn promised(&self, slot: Slot) -> Hlc {
        let before = crate::clock::promisable(self.config.clock_floor);
        self.collecting.promised.get(&slot).map_or(before, |promised| before.max(*promised))
    }

    /// Nothing older than this comes from here: a promise, if this server is a stand-in. `None`: not all is known yet that
    /// is held from before the start.
    pub(super) fn floor<S: Storage>(&mut self, slot: Slot, cx: &Context<'_, S>) -> Option<Hlc> {
        if !self.hints.ledger.knows(slot) {
            return None;
        }
        let ignores = self.config.canary.is(Canary::FloorIgnoresHints);
        let held = self.hints.ledger.lowest(slot).filter(|_| !ignores);
        let clock = self.clock.promisable(cx.now);
        if !self.stands_in(slot) {
            // An owner mints and takes nothing below its refuse line; what it holds from another layout counts.
            return Some(held.unwrap_or(Hlc(u64::MAX)));
        }
        let floor = held.map_or(clock, |held| held.min(clock));
        let promised = self.collecting.promised.entry(slot).or_default();
        *promised = floor.max(*promised);
        Some(floor)
    }

    pub(super) fn floor_asked<S: Storage>(
        &mut self,
        from: MemberNumber,
        slot: Slot,
        round: u64,
        cx: &mut Context<'_, S>,
    ) {
        if !self.layout.owners(slot).contains(&from) {
            return;
        }
        let floor = self.floor(slot, cx);
        let step = Step::Floor { round, incarnation: self.actor.incarnation, floor };
        self.say(from, slot, step, cx);
    }
}
