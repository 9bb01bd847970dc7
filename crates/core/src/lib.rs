//! What Clockwise thinks.
//!
//! Pure state machines: every input arrives as a value together with the time, every effect leaves through an
//! [`outbox::Outbox`]. There is no socket, file, thread, clock or random source in this crate, so that the
//! simulator runs the very code that production runs.
//!
//! | room | owns |
//! |---|---|
//! | [`ids`], [`hlc`], [`slot`] | names of things: nodes, actors, dots, epochs, times, slots |
//! | [`version`] | the algebra of concurrent versions: dots, records, join, mint, tokens |
//! | [`layout`] | members, the ring, slot → owners, the routing map that clients see |
//! | [`witness`] | whose data folder is a copy, or was set back |
//! | [`request`], [`message`], [`outbox`] | the values that enter and leave |
//! | [`storage`] | what core needs of a storage engine |
//! | [`tree`] | the Merkle tree of a slot, as sums |
//! | [`exchange`] | owners compare what they hold, and fetch what they lack |
//! | [`fill`] | slots of which the own copy is not whole: what can be read is told, the rest is fetched |
//! | [`collect`] | rounds among owners, and what may be forgotten after them |
//! | `replica` | the one door into storage: read, join, write one record |
//! | [`hints`] | what a stand-in keeps for owners that are down |
//! | `coordinator` | which replicas, how many answers, what to reply |
//! | [`gossip`] | membership by heartbeat counters, and the verdict who is down |
//! | `liveness` | which peers answer, and whose clock is off |
//! | [`shard`] | one shard of one server: all of the above behind `on_x` functions |
//! | [`limits`] | every cap, with the relations between them |
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod canary;
mod clock;
pub mod collect;
mod coordinator;
pub mod exchange;
pub mod fill;
pub mod gossip;
pub mod hints;
pub mod hlc;
pub mod identity;
pub mod ids;
pub mod layout;
pub mod limits;
mod liveness;
mod lives;
pub mod message;
pub mod outbox;
mod replica;
pub mod request;
pub mod shard;
pub mod slot;
pub mod storage;
pub mod tree;
pub mod varint;
pub mod version;
pub mod witness;
