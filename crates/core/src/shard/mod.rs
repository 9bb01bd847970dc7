//! One shard of one server: coordinator, replica and liveness behind `on_x` functions.
//!
//! Every input comes with the time; every effect leaves through the outbox. The storage engine is passed in, so
//! that this room never knows which one it is. Same inputs, same outputs.

mod config;
mod dispatch;
mod epoch;
mod membership;

pub use config::{Durability, LinkState, ShardConfig, ShardStats};

use crate::{
    clock::Clock,
    collect::Collecting,
    coordinator::{
        Asking, Shared,
        operation::{Members, Operations, Origin},
    },
    exchange::{self, Exchange, tend::Tending},
    fill::{Fills, Served},
    hints::{HintStats, Hints, HintsFor},
    hlc::{Hlc, Now},
    ids::{Actor, Epoch, MemberNumber},
    layout::Layout,
    limits::{BUSY_OPERATIONS, CELLS},
    liveness::Liveness,
    lives::Lives,
    message::{Body, Message, OpId, ReplicaSet},
    outbox::{Action, Outbox, Send},
    replica::{Parked, Waiting},
    request::{Request, Ticket},
    slot::Slot,
    storage::{Loaded, Page, Storage},
};
use alloc::{sync::Arc, vec::Vec};
use smallvec::smallvec;

/// One shard.
#[derive(Debug)]
pub struct Shard {
    pub(crate) config: ShardConfig,
    pub(crate) layout: Arc<Layout>,
    pub(crate) actor: Actor,
    pub(crate) clock: Clock,
    pub(crate) liveness: Liveness,
    pub(crate) lives: Lives,
    pub(crate) operations: Operations,
    pub(crate) asking: Asking,
    pub(crate) shared: Shared,
    pub(crate) parked: Parked,
    pub(crate) waiting: Waiting,
    pub(crate) hints: Hints,
    /// When slow writes were looked for last, in monotonic milliseconds.
    pub(crate) hedged_ms: u64,
    /// To be sent once more at the next tick: the receiver was not ready.
    pub(crate) again: Vec<(OpId, MemberNumber)>,
    /// An incarnation that is not durable yet: nothing is minted until it is.
    pub(crate) incarnation_pending: Option<u32>,
    /// A layout that is not durable yet.
    pub(crate) layout_pending: Epoch,
    pub(crate) scratch: Vec<u8>,
    pub(crate) tending: Tending,
    pub(crate) exchange: exchange::Asking,
    pub(crate) serving: exchange::Serving,
    pub(crate) fills: Fills,
    pub(crate) fill_serving: Served,
    pub(crate) collecting: Collecting,
}

/// What every step gets.
pub(crate) struct Context<'a, S: Storage> {
    pub(crate) now: Now,
    pub(crate) store: &'a mut S,
    pub(crate) out: &'a mut Outbox,
}

impl Shard {
    /// A shard under a layout of which this server is a member.
    pub fn new(config: ShardConfig, layout: Arc<Layout>) -> Shard {
        let seed = u64::from(config.me.0) << 40 ^ u64::from(config.starts) << 8 ^ u64::from(config.shard);
        let mut lives = Lives::default();
        lives.accept(config.me, config.incarnation);
        Shard {
            actor: Actor { member: config.me, incarnation: config.incarnation },
            clock: Clock::new(config.clock_floor, config.clock_reserved),
            liveness: Liveness::default(),
            lives,
            operations: Operations::new(config.starts),
            asking: Asking::default(),
            shared: Shared::default(),
            parked: Parked::default(),
            waiting: Waiting::default(),
            hints: Hints::default(),
            hedged_ms: 0,
            again: Vec::new(),
            incarnation_pending: None,
            layout_pending: layout.epoch(),
            scratch: Vec::new(),
            tending: Tending::default(),
            exchange: exchange::Asking::new(seed),
            serving: exchange::Serving::default(),
            fills: Fills::default(),
            fill_serving: Served::default(),
            collecting: Collecting::default(),
            config,
            layout,
        }
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
        self.begin(Origin::Client(ticket), request, &mut Context { now, store, out });
    }

    /// A lookup or a scan that needed the disk came back.
    pub fn on_loaded<S: Storage>(&mut self, loaded: Loaded, now: Now, store: &mut S, out: &mut Outbox) {
        let cx = &mut Context { now, store, out };
        match loaded {
            Loaded::Record(loaded) => self.loaded(loaded, cx),
            Loaded::Page(page) => self.paged(page, cx),
        }
    }

    /// `store.durable()` advanced.
    pub fn on_durable<S: Storage>(&mut self, now: Now, store: &mut S, out: &mut Outbox) {
        self.release(&mut Context { now, store, out });
    }

    /// Time passed: deadlines, silence, pings. To be called about every 10 ms.
    pub fn on_tick<S: Storage>(&mut self, now: Now, store: &mut S, out: &mut Outbox) {
        let cx = &mut Context { now, store, out };
        let slot = self.own_slot();
        for peer in self.liveness.tick(now, &mut cx.out.events) {
            self.send(peer, slot, 0, Body::Ping { sent_ms: now.mono_ms }, cx);
        }
        if let Some(reserved) = self.clock.wants(now) {
            cx.out.actions.push(Action::ReserveHlc(reserved));
        }
        for (op, member) in core::mem::take(&mut self.again) {
            self.offer_again(op, member, cx);
        }
        self.fill_tick(cx);
        if self.config.exchange {
            self.tend(cx);
            self.exchange_tick(cx);
        }
        self.hedge(cx);
        self.tick_hints(cx);
        self.collect_tick(cx);
        self.tick_shared(cx);
        for op in self.operations.expired(now.mono_ms) {
            self.timed_out(op, cx);
        }
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
        let cx = &mut Context { now, store, out };
        self.liveness.link(peer, state == LinkState::Up, now, &mut cx.out.events);
        if state == LinkState::Down {
            for op in self.waiting_for(peer) {
                self.member_failed(op, peer, cx);
            }
            self.exchange_lost(peer, cx);
            self.fill_lost(peer, cx);
            self.collect_lost(peer, cx);
        }
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
        let cx = &mut Context { now, store, out };
        match &message.body {
            Body::Forward { op, .. } => self.forward_refused(*op, peer, cx),
            Body::Write { op, .. }
            | Body::Read { op, .. }
            | Body::Probe { op, .. }
            | Body::Count { op, .. }
            | Body::Hint { op: Some(op), .. }
            | Body::Repair { op: Some(op), .. } => self.member_failed(*op, peer, cx),
            Body::Exchange(Exchange::Fill { .. }) => self.fill_lost(peer, cx),
            Body::Exchange(ask) if self.is_fetch(ask.session()) => self.collect_lost(peer, cx),
            Body::Exchange(ask) if !ask.is_answer() => self.exchange_lost(peer, cx),
            Body::Rounds(_) => self.collect_lost(peer, cx),
            Body::Deliver { op, .. } if self.salvage_failed(*op, cx) => {}
            Body::Deliver { op, .. } => self.delivery_failed(*op, peer, now.mono_ms),
            _ => {}
        }
    }

    /// A new incarnation is durable.
    pub fn on_incarnation(&mut self, incarnation: u32) {
        if incarnation > self.actor.incarnation {
            self.actor.incarnation = incarnation;
            self.lives.accept(self.config.me, incarnation);
        }
        if self.incarnation_pending.is_some_and(|pending| pending <= incarnation) {
            self.incarnation_pending = None;
        }
    }

    /// It is proven that no later process ran on this folder, or an incarnation was taken that none can have.
    pub fn on_confirmed(&mut self) {
        self.config.confirmed = true;
    }

    /// The clock is reserved up to here.
    pub fn on_hlc_reserved(&mut self, reserved: Hlc) {
        self.clock.reserve(reserved);
    }

    /// Whether this peer is believed to answer (for the routing map and for status). True of the server itself.
    pub fn is_live(&self, peer: MemberNumber) -> bool {
        peer == self.config.me || self.liveness.is_live(peer)
    }

    /// Whether the own clock is off against two others.
    pub fn own_clock_skewed(&self) -> bool {
        self.liveness.own_skewed()
    }

    /// Whether background work should wait.
    pub(crate) fn is_busy(&self) -> bool {
        self.operations.len() > BUSY_OPERATIONS
    }

    /// A page that somebody of this shard asked for.
    fn paged<S: Storage>(&mut self, page: Page, cx: &mut Context<'_, S>) {
        let _taken = self.hints_read(&page, cx)
            || self.fill_paged(&page, cx)
            || self.fill_served(&page, cx)
            || self.counted_page(&page, cx)
            || self.swept_page(&page, cx)
            || self.listed_page(page, cx);
    }

    /// Numbers for metrics.
    pub fn stats(&self) -> ShardStats {
        let hints = HintStats { behind: self.hints.behind.len() as u64, ..self.hints.ledger.stats() };
        ShardStats {
            operations: self.operations.len(),
            loading: self.parked.len(),
            shared_reads: self.shared.saved(),
            hints,
            exchange: self.exchange_stats(),
            fill: self.fill_stats(),
            collect: self.collect_stats(),
        }
    }

    /// What is held for each owner that is down.
    pub fn hints_held(&self) -> impl Iterator<Item = HintsFor> + '_ {
        self.hints.ledger.held_for()
    }

    /// Slots in which an owner has missed a write that nobody holds for it, as far as this shard knows.
    pub fn slots_behind(&self) -> impl Iterator<Item = (MemberNumber, Slot)> + '_ {
        self.hints.behind.iter()
    }

    /// A slot of this shard: messages about no slot name it, so that the answer comes back here.
    fn own_slot(&self) -> Option<Slot> {
        (0..CELLS).find(|cell| cell % self.config.shards == self.config.shard).and_then(Slot::new)
    }

    pub(crate) fn send<S: Storage>(
        &mut self,
        to: MemberNumber,
        slot: Option<Slot>,
        deadline_ms: u32,
        body: Body,
        cx: &mut Context<'_, S>,
    ) {
        self.send_all(smallvec![to], slot, deadline_ms, body, cx);
    }

    pub(crate) fn send_all<S: Storage>(
        &mut self,
        to: Members,
        slot: Option<Slot>,
        deadline_ms: u32,
        body: Body,
        cx: &mut Context<'_, S>,
    ) {
        if to.is_empty() {
            return;
        }
        let (epoch, time) = (self.layout.epoch(), self.clock.read(cx.now));
        let message = Message { epoch, set: ReplicaSet::Current, deadline_ms, time, slot, body };
        cx.out.sends.push(Send { to, message });
    }
}
