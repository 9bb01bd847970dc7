//! Who waits for which request of a shard.

use crate::{
    redis::Seq,
    shard::arena::{Arena, Key},
};
use clockwise_core::{
    ids::MemberNumber,
    request::{Outcome, Ticket},
    slot::Slot,
};
use tokio::sync::oneshot;

/// Whom to ask for the number of live keys in which slots.
pub(crate) type CountTargets = Vec<(MemberNumber, Vec<(Slot, Slot)>)>;

/// Where an outcome goes.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// A command of a client connection of this shard.
    Client {
        /// The connection.
        connection: Key,
        /// The command's place among its replies.
        seq: Seq,
        /// Which of the command's keys.
        part: u32,
    },
    /// Another shard, and what it calls the request.
    Shard(u16, Ticket),
    /// A thread that is no shard.
    Thread(oneshot::Sender<Outcome>),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Tickets(Arena<Waiting>);

impl Tickets {
    pub(crate) fn new() -> Tickets {
        Tickets(Arena::new())
    }

    /// Requests without an outcome.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn issue(&mut self, waiting: Waiting) -> Ticket {
        Ticket(self.0.insert(waiting).number())
    }

    /// Gives the ticket back; `None` if it was given back before.
    pub(crate) fn redeem(&mut self, ticket: Ticket) -> Option<Waiting> {
        self.0.remove(Key::from_number(ticket.0))
    }
}
