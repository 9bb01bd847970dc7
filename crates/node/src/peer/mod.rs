//! Links between servers.
//!
//! A link is one TCP connection between a shard here and a shard there, used in both directions and dialled by the
//! server with the lower node id ([`dial`]). Before the first frame both sides prove that they know the cluster's
//! secret ([`handshake`]). A link's bytes are gathered in its output and written by the shard's flush; a link that is
//! down or full refuses at once. Nothing here retries a message.
//!
//! **Which links there are** ([`pairs`]). Two servers have a link for each pair of their shards with a common cell: at
//! most 16, and one per shard if they have as many. If such links to every peer would be more than
//! [`LINKS`](crate::limits::LINKS) = 64, and only if that means fewer, each shard of the server with more shards has
//! one link to the other *server*: shard `i` to shard `i` modulo the other's number. Both ends compute this from the
//! numbers of shards in the two hellos and from how many members the layout has, so that they agree without a word; the
//! form is a matter of a pair of servers, and one that comes back with other shards changes that of its own pairs only.
//! 64 is where the form changes and no hard limit: a shard always has a link of its own to each peer, because a
//! message then crosses at most once, where it arrives.
//!
//! **A message for another shard** than the one whose link brought it crosses to that one in a batch through its
//! mailbox ([`receive`], and `shard::crossing`), whatever the form: it names its slot, and the answer finds the asking
//! shard in the same way. A loss of a link over which messages cross is told to all shards, because answers for any of
//! them may be lost with it.
//!
//! **When the form changes** while links stand (a layout with more or fewer members), those that are not needed any more
//! take nothing new and close some seconds later, so that what is under way arrives. Ends that see different layouts
//! for a moment share the links of the second form, which are always among those of the first; a message whose own link
//! is missing takes one of these.
//!
//! Deliberately absent: bulk links.

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
