//! One shard of one server: coordinator, replica and liveness behind `on_x` functions.
//!
//! Every input comes with the time; every effect leaves through the outbox. The storage engine is passed in, so
//! that this room never knows which one it is.

use crate::{
    canary::Canary,
    hlc::{Hlc, Now},
    ids::MemberNumber,
    layout::Layout,
    message::Message,
    outbox::Outbox,
    request::{Request, Ticket},
    slot::Slot,
    storage::{Loaded, Storage},
};
use alloc::{sync::Arc, vec::Vec};

/// When a write counts as acknowledged by a replica.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Durability {
    /// After the commit log was synced.
    Sync,
    /// At once; the log is synced from time to time.
    Periodic,
}

/// What a shard is told at its start.
#[derive(Clone, Debug)]
pub struct ShardConfig {
    /// This server's number in the layout.
    pub me: MemberNumber,
    /// Its incarnation, durable already.
    pub incarnation: u32,
    /// Which shard of the server this is, from 0.
    pub shard: u16,
    /// How many there are.
    pub shards: u16,
    /// When writes are acknowledged.
    pub durability: Durability,
    /// No timestamp at or below this is minted.
    pub clock_floor: Hlc,
    /// Timestamps up to this may be minted; more is asked for with `Action::ReserveHlc`.
    pub clock_reserved: Hlc,
    /// A known bug, for the simulator.
    pub canary: Canary,
}

/// Whether a link to a peer is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkState {
    /// Connected and authenticated.
    Up,
    /// Refused, closed or broken.
    Down,
}

/// Numbers for metrics.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ShardStats {
    /// Operations in flight.
    pub operations: usize,
    /// Requests parked behind disk reads.
    pub loading: usize,
}

/// One shard.
#[derive(Debug)]
pub struct Shard {
    config: ShardConfig,
    layout: Arc<Layout>,
}

impl Shard {
    /// A shard under a layout of which this server is a member.
    pub fn new(config: ShardConfig, layout: Arc<Layout>, now: Now) -> Shard {
        let _ = now;
        Shard { config, layout }
    }

    /// The layout that it works under.
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// A client's request for a key of this shard. The ticket comes back in `out.replies`, exactly once.
    pub fn on_request<S: Storage>(
        &mut self,
        ticket: Ticket,
        request: Request,
        now: Now,
        store: &mut S,
        out: &mut Outbox,
    ) {
        let _ = (ticket, request, now, store, out, &self.config);
        todo!()
    }

    /// Counts live keys in the ranges of slots, each asked of the member named. Only slots of `cell` are counted;
    /// the answer is [`crate::request::Outcome::Counted`].
    pub fn on_count<S: Storage>(
        &mut self,
        ticket: Ticket,
        cell: u16,
        targets: &[(MemberNumber, Vec<(Slot, Slot)>)],
        now: Now,
        store: &mut S,
        out: &mut Outbox,
    ) {
        let _ = (ticket, cell, targets, now, store, out);
        todo!()
    }

    /// A message from a peer, over an authenticated link.
    pub fn on_message<S: Storage>(
        &mut self,
        from: MemberNumber,
        message: Message,
        now: Now,
        store: &mut S,
        out: &mut Outbox,
    ) {
        let _ = (from, message, now, store, out);
        todo!()
    }

    /// A lookup that needed the disk came back.
    pub fn on_loaded<S: Storage>(&mut self, loaded: Loaded, now: Now, store: &mut S, out: &mut Outbox) {
        let _ = (loaded, now, store, out);
        todo!()
    }

    /// `store.durable()` advanced.
    pub fn on_durable<S: Storage>(&mut self, now: Now, store: &mut S, out: &mut Outbox) {
        let _ = (now, store, out);
        todo!()
    }

    /// Time passed: deadlines, silence, pings. To be called about every 10 ms.
    pub fn on_tick<S: Storage>(&mut self, now: Now, store: &mut S, out: &mut Outbox) {
        let _ = (now, store, out);
        todo!()
    }

    /// A link came up or went down.
    pub fn on_link<S: Storage>(
        &mut self,
        peer: MemberNumber,
        state: LinkState,
        now: Now,
        store: &mut S,
        out: &mut Outbox,
    ) {
        let _ = (peer, state, now, store, out);
        todo!()
    }

    /// A message could not be put on its link (full or down): it counts as "no answer" at once.
    pub fn on_send_failed<S: Storage>(
        &mut self,
        peer: MemberNumber,
        message: &Message,
        now: Now,
        store: &mut S,
        out: &mut Outbox,
    ) {
        let _ = (peer, message, now, store, out);
        todo!()
    }

    /// A newer layout is durable.
    pub fn on_layout<S: Storage>(&mut self, layout: Arc<Layout>, now: Now, store: &mut S, out: &mut Outbox) {
        let _ = (layout, now, store, out);
        todo!()
    }

    /// A new incarnation is durable.
    pub fn on_incarnation(&mut self, incarnation: u32) {
        let _ = incarnation;
        todo!()
    }

    /// The clock is reserved up to here.
    pub fn on_hlc_reserved(&mut self, reserved: Hlc) {
        let _ = reserved;
        todo!()
    }

    /// Whether this peer is believed to answer (for the routing map and for status).
    pub fn is_live(&self, peer: MemberNumber) -> bool {
        let _ = peer;
        todo!()
    }

    /// Whether the own clock is off against two others.
    pub fn own_clock_skewed(&self) -> bool {
        todo!()
    }

    /// Numbers for metrics.
    pub fn stats(&self) -> ShardStats {
        ShardStats::default()
    }
}
