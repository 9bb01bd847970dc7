//! The Redis door: client connections on the cluster port and on the plain port.
//!
//! A connection belongs to one shard. Its task ([`serve`]) reads, cuts the bytes into commands with `wire` and
//! hands each to [`execute`]; answers come back through the shard's outbox and leave in the order of the
//! commands ([`replies`]). Nothing here waits for storage or peers, and no byte is written but by the flush.

mod accept;
mod answers;
mod at_once;
mod cluster;
mod config;
mod connection;
mod counted;
mod execute;
mod failure;
mod gather;
mod info;
mod render;
mod replies;
mod serve;
mod session;

pub(crate) use accept::accept;
pub(crate) use answers::Stage;
pub(crate) use connection::{Connection, Pending, Ready, Session, Work};
pub(crate) use counted::COUNTED;
pub(crate) use failure::Failure;
pub(crate) use gather::{Gather, KeysLeft, Requests, Wanted};
pub(crate) use replies::Seq;
pub(crate) use serve::welcome;

/// Which port a client came through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Door {
    /// For cluster clients: answers about the slots that the map gives to this server.
    Cluster,
    /// For single-server clients: answers about the whole cluster.
    Plain,
}
