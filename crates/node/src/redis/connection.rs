//! One client connection as its shard keeps it: session, output, and the replies that it owes.
//!
//! The connection's task reads and parses; everything else happens here and in the flush. A connection that owes
//! too much starts no further command: what its socket has not taken counts, and so do replies that wait for their
//! turn and what commands in flight will bring. That is known when a command starts if the own copy of its key is in
//! memory, and estimated if it is on disk, at another shard or at another server.

use super::{
    Door,
    gather::Gather,
    render::Shape,
    replies::{ReplyQueue, Seq},
};
use crate::{
    limits::{
        COLD_REPLY_BYTES, CONNECTION_OPERATIONS, CONNECTION_READS, CONNECTION_REPLY_BYTES,
        FOREIGN_REPLY_BYTES, OUTPUT_HARD_BYTES, OUTPUT_SOFT_BYTES,
    },
    shard::{Expected, output::Output},
};
use clockwise_core::{
    request::{Level, Outcome},
    version::{Record, Value},
};
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

impl Ready {
    /// About how much memory it holds, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Ready::One(_, Outcome::Read(read)) => record_bytes(&read.record),
            Ready::One(_, Outcome::Explained(explanation)) => {
                explanation.holdings.iter().filter_map(|held| held.record.as_ref()).map(record_bytes).sum()
            }
            Ready::One(..) => 0,
            Ready::Many(Pending { work: Work::Many(gather), .. }) => gather.value_bytes(),
            Ready::Many(_) => 0,
            Ready::Bytes(bytes) => bytes.len(),
        }
    }
}

fn record_bytes(record: &Record) -> usize {
    let values = record.versions.iter().map(|version| match &version.value {
        Value::Bytes(bytes) => bytes.len(),
        Value::Freed => 0,
    });
    values.sum()
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
    /// A write began since the last read of the socket.
    pub(crate) wrote: bool,
    /// The socket is closed; nothing more starts.
    pub(crate) broken: bool,
    /// Fewest acknowledgements of a write since the last `WAIT`.
    pub(crate) least_acks: Option<usize>,
    /// The largest reply lately, in bytes: what one of unknown size may bring.
    usual_reply: usize,
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
            wrote: false,
            broken: false,
            least_acks: None,
            usual_reply: 0,
        }
    }

    /// Whether another command may start, as far as budgets go.
    pub(crate) fn has_room(&self, is_write: bool) -> bool {
        let most = if is_write { CONNECTION_OPERATIONS } else { CONNECTION_READS };
        self.replies.len() < most
            && self.takes_replies()
            && self.replies.bytes() + self.output.waiting() < CONNECTION_REPLY_BYTES
    }

    /// Whether replies may be rendered: not too much waits for the socket.
    pub(crate) fn takes_replies(&self) -> bool {
        self.output.waiting() < OUTPUT_SOFT_BYTES
    }

    /// How many bytes the reply to a request may bring. `large` is the largest that the shard saw lately.
    pub(crate) fn estimate(&self, expected: Expected, large: usize) -> usize {
        match expected {
            Expected::Known(bytes) => bytes,
            Expected::Cold => self.usual_reply.max(COLD_REPLY_BYTES),
            Expected::Foreign => {
                let least = large.clamp(FOREIGN_REPLY_BYTES, COLD_REPLY_BYTES);
                self.usual_reply.max(least)
            }
        }
    }

    /// Whether it owes more than it may.
    pub(crate) fn is_over(&self) -> bool {
        self.output.waiting() > OUTPUT_HARD_BYTES
    }

    /// Closes an open place; see [`ReplyQueue::finish`].
    pub(crate) fn finish(&mut self, seq: Seq) -> Option<(Pending, bool)> {
        let may_leave = self.takes_replies();
        self.replies.finish(seq, may_leave)
    }

    /// Notes the size of a reply.
    pub(crate) fn replied(&mut self, bytes: usize) {
        self.usual_reply = bytes.max(self.usual_reply - self.usual_reply / 8);
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
