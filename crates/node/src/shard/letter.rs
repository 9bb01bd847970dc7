//! What other threads want of a shard.

use crate::{
    peer::Handover,
    redis::{Door, Seq},
    server::InstallError,
    shard::{Key, crossing::Crossing, tickets::CountTargets},
};
use clockwise_core::{
    gossip::Verdict,
    hlc::Hlc,
    ids::MemberNumber,
    layout::Layout,
    request::{Outcome, Request, Ticket},
    slot::Slot,
};
use clockwise_store::{Flushed, JobDone};
use std::sync::Arc;
use tokio::sync::oneshot;

/// A letter in a shard's mailbox.
pub(crate) enum Letter {
    /// Another shard's client asks for a key of this one.
    Request {
        /// Who gets the [`Letter::Reply`].
        from: u16,
        /// What it calls the request.
        ticket: Ticket,
        /// The request.
        request: Request,
    },
    /// Another shard's client counts keys.
    Count {
        /// Who gets the [`Letter::Reply`].
        from: u16,
        /// What it calls the request.
        ticket: Ticket,
        /// The cell, which this shard owns.
        cell: u16,
        /// Whom to ask for which slots.
        targets: Arc<CountTargets>,
    },
    /// The answer to a request of this shard.
    Reply {
        /// As this shard called it.
        ticket: Ticket,
        /// How it ended.
        outcome: Outcome,
    },
    /// A thread that is no shard asks for a key of this one.
    Ask {
        /// The request.
        request: Request,
        /// Where the outcome goes.
        reply: oneshot::Sender<Outcome>,
    },
    /// Peers' messages that came over links of another shard.
    Crossing(Crossing),
    /// Another shard lost a link to this peer that carried messages for this shard.
    LinkLost(MemberNumber),
    /// An operator takes a slot for complete, or all slots.
    ForceComplete(Option<Slot>),
    /// The log is durable further than before.
    Durable(clockwise_core::ids::Lsn),
    /// A job of this shard's engine is done.
    JobDone(Box<JobDone>),
    /// A client connected.
    Client(std::net::TcpStream, Door),
    /// A peer connected and proved who it is.
    Link(Box<Handover>),
    /// A peer said how many shards it has; the book knows.
    PeerShards,
    /// A client's layout was installed, or not.
    Installed {
        /// The client's connection.
        connection: Key,
        /// The place of the reply.
        seq: Seq,
        /// Whether it was.
        result: Result<(), InstallError>,
    },
    /// A layout is durable.
    Layout(Arc<Layout>),
    /// An incarnation is durable.
    Incarnation(u32),
    /// Shards may mint.
    Confirmed,
    /// The clock is reserved up to here.
    ClockReserved(Hlc),
    /// Gossip came to a verdict.
    Verdict(MemberNumber, Verdict),
    /// Stop: take nothing more, let what is in flight end, then leave.
    Stop,
}

/// What the log thread is told.
#[derive(Debug)]
pub(crate) enum LogLetter {
    /// Bytes of a shard's engine.
    Batch(clockwise_store::LogBatch),
    /// A shard's engine has tables that make older log bytes needless.
    Flushed(Flushed),
}
