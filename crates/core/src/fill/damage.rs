//! How it begins: the engine reports damage, or the lines tell of it at the start.

use super::{
    salvage::Salvage,
    source::Filling,
    work::{Next, Phase},
};
use crate::{
    hlc::Now,
    outbox::Outbox,
    shard::{Context, Shard},
    slot::Slot,
    storage::Storage,
    version::SlotState,
};
use alloc::vec::Vec;

impl Shard {
    /// The engine found damage that may have hit these slots. What this server wrote there may be lost: it goes on as another
    /// actor. Those with other owners are filled from them; of the others what can be read is served on.
    pub fn on_slots_damaged<S: Storage>(
        &mut self,
        slots: impl Iterator<Item = Slot>,
        now: Now,
        store: &mut S,
        out: &mut Outbox,
    ) {
        let cx = &mut Context { now, store, out };
        self.load_states(cx);
        let begins = |slot: &Slot| {
            let owner = self.layout.owners(*slot).contains(&self.config.me);
            !slot.keeps_hints() && owner && self.is_trusted(*slot)
        };
        let slots: Vec<Slot> = slots.filter(begins).collect();
        if slots.is_empty() {
            return;
        }
        self.take_incarnation(cx);
        for slot in slots {
            if self.owns_with_others(slot) {
                self.slot_damaged(slot, cx);
            }
        }
        self.fill_on(cx);
    }

    /// Whether something of the slot is relied upon that damage may have hit: the slot, or what was fetched of it.
    fn is_trusted(&self, slot: Slot) -> bool {
        let phase = self.fills.slots.get(&slot).map(|work| &work.phase);
        !matches!(phase, Some(Phase::Noting | Phase::Salvaging(_) | Phase::Dropping { .. }))
    }

    /// A lookup in a slot ended at damage: the engine will tell which slots that has hit, but of this one it is known.
    pub(crate) fn met_damage<S: Storage>(&mut self, slot: Slot, cx: &mut Context<'_, S>) {
        if slot.keeps_hints() || !self.owns_with_others(slot) || !self.is_trusted(slot) {
            return;
        }
        if !self.fills.holds(slot) {
            // Nothing is minted in one that is filled.
            self.take_incarnation(cx);
        }
        self.slot_damaged(slot, cx);
    }

    fn slot_damaged<S: Storage>(&mut self, slot: Slot, cx: &mut Context<'_, S>) {
        let phase = match self.fills.work(slot).map(|work| &work.phase) {
            None => Phase::Noting,
            Some(Phase::Noting | Phase::Salvaging(_) | Phase::Dropping { .. }) => return,
            // Something that others gave may be lost, and the lines may be older ones.
            Some(Phase::Filling(_) | Phase::Absorbing(_)) => Phase::Dropping { lined: false },
        };
        self.fills.tally.damaged += 1;
        self.tending.drop_count(slot);
        self.fills.begin(slot, phase);
        // It is told at once, though its turn may be long in coming.
        if matches!(self.fills.work(slot).map(|work| &work.phase), Some(Phase::Noting)) {
            self.note_damage(slot, cx);
        }
    }

    /// Looks once at the lines of all slots: what was not complete when the process before ended is not now.
    pub(super) fn load_states<S: Storage>(&mut self, cx: &mut Context<'_, S>) {
        if self.fills.known {
            return;
        }
        self.fills.known = true;
        let mut damaged = false;
        for slot in Slot::all().filter(|slot| slot.cell() % self.config.shards == self.config.shard) {
            match self.stored_lines(slot, cx.store).state {
                SlotState::Complete => {}
                SlotState::Salvaging => {
                    damaged = true;
                    self.fills.begin(slot, Phase::Noting);
                }
                // Which sources gave what is not known any more.
                SlotState::Filling { lined } => self.fills.begin(slot, Phase::Dropping { lined }),
            }
        }
        if damaged {
            // The process before may have ended before it was another actor.
            self.take_incarnation(cx);
        }
    }

    /// Writes down that a slot is damaged.
    pub(super) fn note_damage<S: Storage>(&mut self, slot: Slot, cx: &mut Context<'_, S>) -> Next {
        if cx.store.admits().is_err() || !self.owns_with_others(slot) {
            return Next::Rests;
        }
        let mut lines = self.stored_lines(slot, cx.store);
        if lines.state != SlotState::Salvaging {
            lines.state = SlotState::Salvaging;
            self.mark_slot(slot, &lines, false, cx);
        }
        self.set_phase(slot, Phase::Salvaging(Salvage::default()))
    }

    /// All that can be read is told: the slot begins anew.
    pub(super) fn begin_filling<S: Storage>(
        &mut self,
        slot: Slot,
        lined: bool,
        cx: &mut Context<'_, S>,
    ) -> Next {
        // No dot of the actor before may be minted again: its own counters went with the data.
        let ready = self.incarnation_pending.is_none() && cx.store.admits().is_ok();
        if !ready || !self.owns_with_others(slot) {
            return Next::Rests;
        }
        let mut lines = self.stored_lines(slot, cx.store);
        lines.state = SlotState::Filling { lined };
        self.tending.drop_count(slot);
        let dropped = self.mark_slot(slot, &lines, true, cx);
        if let Some(work) = self.fills.work(slot) {
            work.dropped = dropped;
        }
        self.fills.rounds += 1;
        let filling = Filling::new(self.fills.rounds, lined);
        self.set_phase(slot, Phase::Filling(filling))
    }

    /// Whether there is anybody to fill the slot from.
    pub(super) fn owns_with_others(&self, slot: Slot) -> bool {
        let owners = self.layout.owners(slot);
        owners.contains(&self.config.me) && owners.len() > 1
    }

    pub(super) fn set_phase(&mut self, slot: Slot, phase: Phase) -> Next {
        self.fills.forget_open(slot);
        match self.fills.work(slot) {
            Some(work) => {
                work.phase = phase;
                Next::On
            }
            None => Next::Ended,
        }
    }

    /// Another layout holds: whoever is in work asks the owners that there are now.
    pub(crate) fn fills_begin_again(&mut self) {
        let slots: Vec<Slot> = self.fills.slots.keys().copied().collect();
        for slot in slots {
            let phase = match self.fills.work(slot).map(|work| &work.phase) {
                Some(Phase::Noting | Phase::Salvaging(_)) => Phase::Noting,
                Some(Phase::Dropping { lined }) => Phase::Dropping { lined: *lined },
                Some(Phase::Filling(filling)) => Phase::Dropping { lined: filling.lined },
                Some(Phase::Absorbing(absorbing)) => Phase::Dropping { lined: absorbing.lined },
                None => continue,
            };
            self.fills.begin(slot, phase);
        }
        self.fill_serving.forget();
    }
}
