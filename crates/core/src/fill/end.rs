//! Complete again: when all is fetched and the buffer is joined, or because an operator says so. What a round of collection would
//! do with such a slot (R7) is here too, but no round calls it so far: one with an owner that is being filled is void, and
//! waits until that is through.

use super::work::{Next, Phase};
use crate::{
    hlc::Now,
    ids::MemberNumber,
    outbox::Outbox,
    shard::{Context, Shard},
    slot::Slot,
    storage::Storage,
    version::SlotState,
};
use alloc::vec::Vec;

impl Shard {
    /// The slot serves again.
    pub(super) fn slot_complete<S: Storage>(&mut self, slot: Slot, cx: &mut Context<'_, S>) -> Next {
        if cx.store.admits().is_err() {
            return Next::Rests;
        }
        let mut lines = self.stored_lines(slot, cx.store);
        lines.state = SlotState::Complete;
        self.mark_slot(slot, &lines, false, cx);
        self.fills.tally.completed += 1;
        // What the others took meanwhile comes with the next comparison.
        self.fills.leave(slot);
        Next::Ended
    }

    /// A round asks for what is here (R7), with the lives of the owners as its hub knows them: what a source gave in another
    /// life may be known to nobody else any more, and goes. The answer is the buffer.
    pub fn fill_pulled<S: Storage>(
        &mut self,
        slot: Slot,
        lives: &[(MemberNumber, u32)],
        now: Now,
        store: &mut S,
        out: &mut Outbox,
    ) {
        let cx = &mut Context { now, store, out };
        let listed = |owner: &MemberNumber, life: u32| lives.contains(&(*owner, life));
        let Some(filling) = self.filling(slot) else { return };
        let mut gave = filling.sources.iter().filter_map(|(owner, source)| Some((owner, source.life?)));
        if gave.any(|(owner, life)| !listed(owner, life)) {
            self.discard_fills(slot, None, cx);
            self.fill_moved(slot, cx);
        }
    }

    /// The hub of a round has all that any owner has, and gives it (R7): once all of it is fetched, nobody else is asked.
    pub fn fill_pushed<S: Storage>(
        &mut self,
        slot: Slot,
        hub: MemberNumber,
        now: Now,
        store: &mut S,
        out: &mut Outbox,
    ) {
        let cx = &mut Context { now, store, out };
        let Some(filling) = self.filling(slot) else { return };
        filling.hub = Some(hub);
        // What it gave before may lack what it pulled since.
        filling.sources.remove(&hub);
        self.fill_moved(slot, cx);
    }

    /// An operator takes the slots for complete as they are: those that are damaged with what can be read of them, those that
    /// are filled with what was fetched and the buffer. Says how many there were. Acknowledged writes of which
    /// nothing can be read or fetched are lost, reads at any level may miss them until then, and what was deleted may be
    /// alive again: for when nobody is left to fill them from.
    pub fn force_complete<S: Storage>(
        &mut self,
        slots: impl Iterator<Item = Slot>,
        now: Now,
        store: &mut S,
        out: &mut Outbox,
    ) -> usize {
        let cx = &mut Context { now, store, out };
        self.load_states(cx);
        let slots: Vec<Slot> = slots.filter(|&slot| self.fills.holds(slot)).collect();
        for &slot in &slots {
            self.fills.tally.forced += 1;
            match self.fills.work(slot).map(|work| &work.phase) {
                Some(Phase::Filling(_)) => {
                    self.begin_absorbing(slot);
                    self.fill_step(slot, cx);
                }
                Some(Phase::Noting | Phase::Salvaging(_) | Phase::Dropping { .. }) => {
                    self.slot_complete(slot, cx);
                }
                Some(Phase::Absorbing(_)) | None => {}
            }
        }
        slots.len()
    }
}
