//! Which shards of two servers have a link, and which of a shard's links a message takes. Numbers only.
//!
//! A message is about a slot, and the slot's cell names the shard at both ends; a message about no slot is for shard
//! 0. There are two forms:
//! - [`Form::EachShard`]: two shards have a link if some cell belongs to both, and every message takes the link to the
//!   shard that it is for. At most one link per cell and pair of servers; exactly one per shard if both have as many.
//! - [`Form::EachServer`]: each shard has one link to the other server. Shard `i` of the server with more shards meets
//!   shard `i` modulo the other's number. A message whose shard is not at the other end of any own link takes one of
//!   those that there are, always the same for the same cell, and crosses to its shard over there.
//!
//! The second form is used where the first would take more than a fair part of [`LINKS`]. Everything that decides is
//! known to both ends after the hellos and the same for both: the two numbers of shards and how many servers there
//! are. The links of the second form are always among those of the first, so that ends that do not agree for a
//! moment, because one has a newer layout, share at least these.

use crate::limits::LINKS;
use clockwise_core::{limits::CELLS, slot::Slot};

/// How two servers share out their links.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// Each shard has a link to each remote shard that it has cells in common with.
    EachShard,
    /// Each shard has a link to the remote server.
    EachServer,
}

/// Two servers, seen from one of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Pairing {
    /// How many shards this server has, from 1 to the number of cells.
    ours: u16,
    /// How many shards the other one has, in the same range.
    theirs: u16,
    form: Form,
}

impl Pairing {
    /// What both ends agree on. `peers` counts the other members of the layout.
    pub(super) fn between(ours: u16, theirs: u16, peers: usize) -> Pairing {
        let full = Pairing { ours, theirs, form: Form::EachShard };
        let links = full.links();
        // Where one number divides the other, both forms are the same links.
        let saves = links > usize::from(ours.max(theirs));
        let form = if saves && links * peers > LINKS { Form::EachServer } else { Form::EachShard };
        Pairing { form, ..full }
    }

    pub(super) fn form(&self) -> Form {
        self.form
    }

    /// How many shards the other server has.
    pub(super) fn theirs(&self) -> u16 {
        self.theirs
    }

    /// Links between the two servers.
    fn links(&self) -> usize {
        (0..self.ours).map(|shard| self.needed(shard).len()).sum()
    }

    /// The remote shards, in order, that a local shard needs a link to. Always at least one.
    pub(super) fn needed(&self, local: u16) -> Vec<u16> {
        match self.form {
            Form::EachShard => {
                let cells = (0..CELLS).filter(|cell| cell % self.ours == local);
                let mut remote: Vec<u16> = cells.map(|cell| cell % self.theirs).collect();
                remote.sort_unstable();
                remote.dedup();
                remote
            }
            Form::EachServer if self.ours >= self.theirs => vec![local % self.theirs],
            Form::EachServer => (local..self.theirs).step_by(usize::from(self.ours)).collect(),
        }
    }

    /// The remote shard whose link a message of a local shard takes.
    pub(super) fn route(&self, local: u16, slot: Option<Slot>) -> u16 {
        let shard = shard_of(slot, self.theirs);
        match self.form {
            Form::EachShard => shard,
            Form::EachServer if self.ours < self.theirs && shard % self.ours == local => shard,
            Form::EachServer => self.detour(local, slot),
        }
    }

    /// The same among the links that both forms have: for messages whose own link is not there.
    pub(super) fn detour(&self, local: u16, slot: Option<Slot>) -> u16 {
        if self.ours >= self.theirs {
            return local % self.theirs;
        }
        let choices = (self.theirs - local).div_ceil(self.ours);
        let cell = slot.map_or(0, Slot::cell);
        local + self.ours * (cell / self.ours % choices)
    }
}

/// The shard, out of `shards`, that a message about this slot is for.
pub(super) fn shard_of(slot: Option<Slot>, shards: u16) -> u16 {
    slot.map_or(0, |slot| slot.cell() % shards)
}

#[cfg(test)]
mod tests;
