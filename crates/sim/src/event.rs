//! What happens next. Events of the same instant happen in the order in which they were put in.

use crate::client::Answer;
use bytes::Bytes;
use clockwise_core::{ids::Lsn, outbox::Action, request::Request};
use std::{cmp::Ordering, collections::BinaryHeap};

/// Something that happens to a server, a link or a client. `server`, `a` and `b` are indices, `life` is the run
/// of the server's process that it was meant for: an event of an older life is void.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A frame arrives.
    Frame { from: usize, to: usize, session: u64, bytes: Bytes },
    /// An end of a link learns that its session is gone.
    LinkDown { at: usize, peer: usize, session: u64 },
    /// The ends of a dead link try again.
    Reconnect { a: usize, b: usize },
    /// A request arrives at a server's door.
    Request { server: usize, operation: u64, request: Box<Request>, context: Option<Bytes> },
    /// An answer arrives at a client.
    Answer { client: usize, operation: u64, answer: Box<Answer> },
    /// A client thinks of something to do.
    Wake { client: usize },
    /// A client gives up waiting.
    Impatience { client: usize, operation: u64 },
    /// A shard's timer.
    Tick { server: usize, life: u64 },
    /// The commit log's sync is through up to a position of each shard.
    Synced { server: usize, life: u64, positions: Vec<Lsn> },
    /// A job of the storage engine is through.
    Job { server: usize, life: u64, job: u64 },
    /// A durable step outside the engine is through.
    Acted { server: usize, life: u64, action: Action },
    /// The next fault.
    Fault,
    /// A fault ends.
    Mend(Mend),
}

/// The end of a fault.
#[derive(Clone, Debug)]
pub(crate) enum Mend {
    /// These servers, back for a moment, lose their power at once, and this many times more.
    Relapse { servers: Vec<usize>, more: u8 },
    /// A disk has room again.
    Room { server: usize },
    /// A stopped server starts.
    Start { server: usize, life: u64 },
    /// A paused server goes on.
    Resume { server: usize, life: u64 },
    /// Both directions or one of a link carry frames again.
    Link { from: usize, to: usize, cut: u64 },
    /// A link whose session lost frames breaks.
    Break { a: usize, b: usize },
    /// A link is as fast as before.
    Speed { from: usize, to: usize },
    /// A disk is as fast as before.
    Disk { server: usize },
}

struct Entry {
    at_us: u64,
    order: u64,
    event: Event,
}

impl Ord for Entry {
    fn cmp(&self, other: &Entry) -> Ordering {
        // The heap gives its largest first: the earliest is the largest here.
        (other.at_us, other.order).cmp(&(self.at_us, self.order))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        self.order == other.order
    }
}

impl Eq for Entry {}

/// Virtual time and what is to come.
#[derive(Default)]
pub(crate) struct Queue {
    heap: BinaryHeap<Entry>,
    order: u64,
    now_us: u64,
}

impl Queue {
    /// The virtual time, in microseconds from the start of the run.
    pub(crate) fn now_us(&self) -> u64 {
        self.now_us
    }

    /// Puts in an event that happens after a delay.
    pub(crate) fn after(&mut self, delay_us: u64, event: Event) {
        self.at(self.now_us.saturating_add(delay_us), event);
    }

    /// Puts in an event that happens at an instant, or now if that is past.
    pub(crate) fn at(&mut self, at_us: u64, event: Event) {
        self.order += 1;
        self.heap.push(Entry { at_us: at_us.max(self.now_us), order: self.order, event });
    }

    /// Takes the next event and lets its instant be now.
    pub(crate) fn next(&mut self) -> Option<Event> {
        let entry = self.heap.pop()?;
        self.now_us = entry.at_us;
        Some(entry.event)
    }
}
