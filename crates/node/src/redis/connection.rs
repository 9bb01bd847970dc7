//! One client connection as its shard keeps it: session, output, and the replies that it owes.
//!
//! The connection's task reads and parses; everything else happens here and in the flush. A connection that owes
//! too much starts no further command, and one whose client does not read is closed at a hard cap.

use super::{
    Door,
    gather::Gather,
    render::Shape,
    replies::{ReplyQueue, Seq},
};
use crate::{
    limits::{
        CONNECTION_FIRST_READS, CONNECTION_OPERATIONS, CONNECTION_READS, OUTPUT_HARD_BYTES, OUTPUT_SOFT_BYTES,
    },
    shard::output::Output,
};
use clockwise_core::request::{Level, Outcome};
use clockwise_wire::resp::Protocol;
use std::{net::SocketAddr, task::Waker};
use tokio::net::tcp::OwnedWriteHalf;

/// What a connection chose for itself.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) protocol: Protocol,
    pub(crate) authenticated: bool,
    pub(crate) name: Vec<u8>,
    pub(crate) library: Vec<u8>,
    pub(crate) library_version: Vec<u8>,
    /// Level of its plain reads.
    pub(crate) read: Level,
    /// Level of its plain writes.
    pub(crate) write: Level,
    /// Deadline of its requests, in milliseconds.
    pub(crate) timeout_ms: u64,
}

/// A command that has no answer yet.
#[derive(Debug)]
pub(crate) struct Pending {
    /// Which command, for metrics.
    pub(crate) command: usize,
    pub(crate) started_us: u64,
    pub(crate) work: Work,
}

/// What becomes of the answers.
#[derive(Debug)]
pub(crate) enum Work {
    /// One request.
    One(Shape),
    /// Several.
    Many(Box<Gather>),
}

/// A reply that waits for its turn.
#[derive(Debug)]
pub(crate) enum Ready {
    /// To be rendered.
    One(Pending, Outcome),
    /// To be rendered; the work is in the pending part.
    Many(Pending),
    /// Rendered already.
    Bytes(Vec<u8>),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Connection {
    /// As in `CLIENT ID`.
    pub(crate) id: u64,
    pub(crate) door: Door,
    pub(crate) remote: SocketAddr,
    pub(crate) connected_ms: u64,
    pub(crate) session: Session,
    pub(crate) output: Output,
    pub(crate) replies: ReplyQueue<Pending, Ready>,
    /// A command over several keys that is not finished; nothing starts beside it.
    pub(crate) barrier: Option<Seq>,
    /// The connection's task, while it waits until it may go on.
    pub(crate) resume: Option<Waker>,
    /// The socket is closed; nothing more starts.
    pub(crate) broken: bool,
    /// Fewest acknowledgements of a write since the last `WAIT`.
    pub(crate) least_acks: Option<usize>,
    /// The largest reply so far, in bytes: how much a command in flight may cost.
    largest_reply: usize,
    /// How many replies there were.
    replied: usize,
}

impl Connection {
    pub(crate) fn new(
        id: u64,
        door: Door,
        remote: SocketAddr,
        socket: OwnedWriteHalf,
        session: Session,
    ) -> Connection {
        Connection {
            id,
            door,
            remote,
            connected_ms: crate::server::clock::wall_ms(),
            session,
            output: Output::new(socket),
            replies: ReplyQueue::new(),
            barrier: None,
            resume: None,
            broken: false,
            least_acks: None,
            largest_reply: 0,
            replied: 0,
        }
    }

    /// Whether another command may start, as far as budgets go.
    pub(crate) fn has_room(&self, is_write: bool) -> bool {
        let most = match is_write {
            true => CONNECTION_OPERATIONS,
            false => CONNECTION_READS.min(CONNECTION_FIRST_READS + self.replied),
        };
        let affordable = OUTPUT_SOFT_BYTES * 4 / self.largest_reply.max(1);
        self.replies.len() < affordable.clamp(1, most) && self.output.waiting() < OUTPUT_SOFT_BYTES
    }

    /// Whether it owes more than it may.
    pub(crate) fn is_over(&self) -> bool {
        self.output.waiting() > OUTPUT_HARD_BYTES
    }

    /// Notes the size of a reply.
    pub(crate) fn replied(&mut self, bytes: usize) {
        self.largest_reply = self.largest_reply.max(bytes);
        self.replied = self.replied.saturating_add(1);
    }

    /// Whether nothing is open and nothing waits to be written.
    pub(crate) fn is_idle(&self) -> bool {
        self.replies.is_empty() && self.output.waiting() == 0
    }

    /// Lets the connection's task look again.
    pub(crate) fn wake(&mut self) {
        if let Some(waker) = self.resume.take() {
            waker.wake();
        }
    }
}
