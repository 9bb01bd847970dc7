//! Links between servers.
//!
//! Each pair of shards of two servers that share a cell has one TCP connection, used in both directions and dialled
//! by the server with the lower node id ([`pairs`], [`dial`]). Before the first frame both sides prove that they
//! know the cluster's secret ([`handshake`]). A link's bytes are gathered in its output and written by the shard's
//! flush; a link that is down or full refuses at once. Nothing here retries a message.
//!
//! Deliberately absent: bulk links, and the cap of 64 links a server (with few shards it is never reached).

mod accept;
mod book;
mod dial;
mod handshake;
mod links;
mod pairs;
mod receive;
mod socket;

pub(crate) use accept::accept;
pub(crate) use book::PeerBook;
pub(crate) use dial::follow;
pub(crate) use links::Links;
pub(crate) use receive::{Handover, take_over};
