//! What a slot that is not complete does not do: it is not read, nothing is minted in it, nothing of it is sent, no hint for
//! it is taken, and what stood in it when it was damaged is not acknowledged any more. Others hear "refused", as from a
//! replica that does not answer.

use super::work::Phase;
use crate::{
    canary::Canary,
    ids::Lsn,
    message::{Body, ReadVerdict, RepairVerdict, WriteVerdict},
    replica::Task,
    request::Rejected,
    shard::{Context, Shard},
    slot::Slot,
    storage::{LoadError, Storage},
    version::SlotState,
};

impl Shard {
    /// Whether this owner's copy of the slot is whole: it may be read, and what lacks in it lacks.
    pub(crate) fn is_complete<S: Storage>(&self, slot: Slot, store: &S) -> bool {
        let state = if self.fills.known {
            match self.fills.slots.get(&slot) {
                None => return true,
                Some(work) => Shard::state_of(&work.phase),
            }
        } else {
            // Before the first look at all of them.
            self.stored_lines(slot, store).state
        };
        let serves = self.config.canary.is(Canary::FillingServes);
        state == SlotState::Complete || serves && matches!(state, SlotState::Filling { .. })
    }

    /// Whether this server owns the slot and must not answer from it.
    pub(crate) fn withholds<S: Storage>(&self, slot: Slot, store: &S) -> bool {
        if self.fills.known && self.fills.slots.is_empty() || slot.keeps_hints() {
            return false;
        }
        !self.is_complete(slot, store) && self.layout.owners(slot).contains(&self.config.me)
    }

    /// Takes a task away that a slot which is not complete does not do; the task, if it does it.
    pub(crate) fn withhold<S: Storage>(
        &mut self,
        slot: Slot,
        task: Task,
        cx: &mut Context<'_, S>,
    ) -> Option<Task> {
        match task {
            Task::Fill(_) => return Some(task),
            Task::TakeWrite(from, op, write) => self.buffer_write(from, op, slot, write, cx),
            Task::Mint(op) => self.write_rejected(op, Rejected::NotReady, cx),
            other => self.refuse(slot, other, LoadError::Io, cx),
        }
        None
    }

    /// Whether what stood in a slot at this position is gone, or not to be relied upon any more.
    pub(crate) fn is_void(&self, slot: Slot, lsn: Lsn) -> bool {
        match self.fills.slots.get(&slot).map(|work| (&work.phase, work.dropped)) {
            None => false,
            Some((Phase::Noting | Phase::Salvaging(_) | Phase::Dropping { .. }, _)) => true,
            Some((Phase::Filling(_) | Phase::Absorbing(_), dropped)) => lsn < dropped,
        }
    }
}

/// What is said in the place of an answer that stands on something void.
pub(crate) fn refusal(body: Body) -> Body {
    match body {
        Body::WriteAck { op, .. } => Body::WriteAck { op, verdict: WriteVerdict::Refused },
        Body::ReadAck { op, .. } => Body::ReadAck { op, verdict: ReadVerdict::Refused },
        Body::RepairAck { op, .. } => Body::RepairAck { op, verdict: RepairVerdict::Refused },
        other => other,
    }
}
