//! What one shard thread owns, and how inputs reach `core`.
//!
//! Inputs are handled as they come: they change state and leave effects in the outbox. Effects are carried out by
//! the flush ([`super::flush`]), once per wake-up. Nothing here blocks, and a borrow of the state never outlives
//! one step of a task.

use super::{
    Key, Letter, Waiting,
    arena::Arena,
    crossing::Crossing,
    store::{Expected, Store},
    tickets::{CountTargets, Tickets},
};
use crate::{
    limits::PUBLISH_MS,
    peer::Links,
    redis::Connection,
    server::{MapKeeper, Shared, clock::Reading, metrics::ShardMetrics},
};
use clockwise_core::{
    canary::Canary,
    gossip::Gossip,
    hlc::Hlc,
    ids::MemberNumber,
    layout::Layout,
    limits::OPERATIONS,
    outbox::Outbox,
    request::{Outcome, Rejected, Request, Ticket},
    shard::{LinkState, Shard, ShardConfig},
    slot::Slot,
    storage::Storage,
};
use clockwise_store::{Engine, Flushed, Job, JobDone};
use std::{cell::RefCell, rc::Rc, sync::Arc, task::Waker};

/// The state, as the tasks of its thread share it.
pub(crate) type ShardRef = Rc<RefCell<ShardState>>;

/// Letters that wait for the flush.
#[derive(Default)]
pub(super) struct Mail {
    pub(super) requests: Vec<Letter>,
    pub(super) answers: Vec<Letter>,
    /// What peers sent to a wrong shard.
    pub(super) crossing: Crossing,
}

/// See the module.
pub(crate) struct ShardState {
    /// Which shard, from 0.
    pub(crate) id: u16,
    pub(crate) shared: Arc<Shared>,
    /// What decides; none before there is a layout.
    pub(crate) core: Option<Shard>,
    pub(super) store: Store,
    pub(super) outbox: Outbox,
    pub(crate) tickets: Tickets,
    pub(crate) connections: Arena<Connection>,
    pub(crate) links: Links,
    /// For each shard of this server.
    pub(super) mail: Vec<Mail>,
    /// The largest reply lately, in bytes; halved every second.
    pub(crate) large_reply: usize,
    /// Connections with something to write.
    pub(super) dirty_clients: Vec<Key>,
    /// Links with something to write.
    pub(crate) dirty_links: Vec<(MemberNumber, u16)>,
    /// The clocks, as read at the beginning of the step.
    pub(crate) reading: Reading,
    /// The flush is to run.
    pub(super) due: bool,
    pub(super) flusher: Option<Waker>,
    /// The log bytes of this shard wait for company.
    pub(super) log_due: bool,
    pub(super) log_waker: Option<Waker>,
    /// Buffers of the flush, empty between two.
    pub(super) jobs: Vec<Job>,
    pub(super) flushed: Vec<Flushed>,
    /// Nothing new is taken.
    pub(crate) stopping: bool,
    /// This shard's counters.
    pub(crate) metrics: Arc<ShardMetrics>,
    /// The server's part in gossip; shard 0 only.
    pub(super) gossip: Option<Gossip>,
    /// When the map shows what; shard 0 only.
    map: MapKeeper,
    /// Writes are refused because the disk is nearly full, as far as it was said.
    disk_full: bool,
    /// When the last tick was, in monotonic milliseconds.
    pub(super) ticked_ms: u64,
    /// When the gauges were set, in monotonic milliseconds.
    published_ms: u64,
}

impl ShardState {
    pub(crate) fn new(id: u16, shared: Arc<Shared>, engine: Engine) -> ShardState {
        let mail = (0..shared.shards).map(|_| Mail::default()).collect();
        let reading = shared.clock.read();
        let log = Arc::clone(&shared.log);
        ShardState {
            id,
            core: None,
            store: Store::new(engine, log),
            outbox: Outbox::default(),
            tickets: Tickets::new(),
            connections: Arena::new(),
            links: Links::new(id, shared.shards),
            mail,
            large_reply: 0,
            dirty_clients: Vec::new(),
            dirty_links: Vec::new(),
            reading,
            due: false,
            flusher: None,
            log_due: false,
            log_waker: None,
            jobs: Vec::new(),
            flushed: Vec::new(),
            stopping: false,
            metrics: Arc::clone(&shared.metrics.shards[usize::from(id)]),
            gossip: None,
            map: MapKeeper::default(),
            disk_full: false,
            ticked_ms: 0,
            published_ms: 0,
            shared,
        }
    }

    /// Reads the clocks: at the beginning of every step that brings an input.
    pub(crate) fn begin(&mut self) {
        self.reading = self.shared.clock.read();
    }

    /// Asks for the flush at the end of this wake-up.
    pub(crate) fn flush_later(&mut self) {
        if !self.due {
            self.due = true;
            if let Some(flusher) = &self.flusher {
                flusher.wake_by_ref();
            }
        }
    }

    /// Which shard of this server owns a slot.
    pub(crate) fn owner_of(&self, slot: Slot) -> u16 {
        slot.cell() % self.shared.shards
    }

    /// Asks the shard that owns the key; the outcome goes to `waiting`. The answer is how much it may bring.
    pub(crate) fn submit(&mut self, waiting: Waiting, request: Request) -> Expected {
        let crowded = self.tickets.len() >= OPERATIONS;
        let ticket = self.tickets.issue(waiting);
        self.flush_later();
        let refusal = match () {
            () if crowded => Rejected::Overloaded,
            () if self.core.is_none() || self.stopping => Rejected::NotReady,
            () => {
                let owner = self.owner_of(request.slot());
                // Answers to writes are small.
                let is_write = request.op.is_write();
                self.store.take_found();
                if owner == self.id {
                    if let Some(core) = &mut self.core {
                        core.on_request(ticket, request, self.reading.now, &mut self.store, &mut self.outbox);
                    }
                } else {
                    let letter = Letter::Request { from: self.id, ticket, request };
                    self.mail[usize::from(owner)].requests.push(letter);
                }
                let found = self.store.take_found();
                return if is_write { Expected::Known(0) } else { found };
            }
        };
        self.outbox.replies.push((ticket, Outcome::Rejected(refusal)));
        Expected::Known(0)
    }

    /// Counts live keys of a cell at the shard that owns it.
    pub(crate) fn submit_count(&mut self, waiting: Waiting, cell: u16, targets: &Arc<CountTargets>) {
        let ticket = self.tickets.issue(waiting);
        self.flush_later();
        let owner = cell % self.shared.shards;
        match &mut self.core {
            None => self.outbox.replies.push((ticket, Outcome::Rejected(Rejected::NotReady))),
            Some(core) if owner == self.id => {
                core.on_count(ticket, cell, targets, self.reading.now, &mut self.store, &mut self.outbox);
            }
            Some(_) => {
                let letter = Letter::Count { from: self.id, ticket, cell, targets: Arc::clone(targets) };
                self.mail[usize::from(owner)].requests.push(letter);
            }
        }
    }

    /// A peer's links came up or went down.
    pub(crate) fn on_link(&mut self, peer: MemberNumber, state: LinkState) {
        if let Some(core) = &mut self.core {
            core.on_link(peer, state, self.reading.now, &mut self.store, &mut self.outbox);
            self.flush_later();
        }
    }

    /// Time passed.
    pub(super) fn on_tick(&mut self) {
        if let Some(core) = &mut self.core {
            core.on_tick(self.reading.now, &mut self.store, &mut self.outbox);
            self.host_gossip(true);
            if !self.outbox.is_empty() || self.store.has_work() {
                self.flush_later();
            }
        }
    }

    /// Tells other threads how things stand: the routing map at once, gauges once a second.
    pub(super) fn publish(&mut self) {
        let Some(core) = &self.core else { return };
        let now_ms = self.reading.now.mono_ms;
        if self.id == 0
            && let Some(topology) = self.map.look(core.layout(), &|peer| core.is_live(peer), now_ms)
        {
            tracing::info!(live = ?topology.live, rows = topology.map.rows.len(), "new routing map");
            self.shared.set_topology(Arc::new(topology));
        }
        if now_ms < self.published_ms + PUBLISH_MS && self.published_ms > 0 {
            return;
        }
        self.published_ms = now_ms.max(1);
        if self.id == 0 {
            self.shared.confirm_alone(self.reading.now);
        }
        self.large_reply /= 2;
        let (up, wanted) = self.links.count();
        self.metrics.links_up.set(up);
        self.metrics.links_wanted.set(wanted);
        self.metrics.own_clock_skewed.set(u64::from(core.own_clock_skewed()));
        self.store.engine.tick();
        self.store.touch();
        let own_slots = Slot::all().filter(|&slot| self.owner_of(slot) == self.id);
        let live_keys = own_slots.map(|slot| self.store.live(slot)).sum();
        let engine = self.store.engine.stats();
        let part = self.shared.cache_parts.report(usize::from(self.id), engine.cold_reads);
        self.store.engine.set_cache_bytes(part);
        let was_full = std::mem::replace(&mut self.disk_full, engine.disk_full);
        self.metrics.set_gauges(
            core.stats(),
            engine,
            live_keys,
            core.hints_held().collect(),
            core.collect_waits(),
            core.fills_wait_for(),
        );
        // All shards share one disk: one of them says so.
        match (was_full, self.disk_full) {
            (false, true) if self.id == 0 => {
                tracing::warn!("the disk is nearly full: writes are refused, reads go on");
            }
            (true, false) if self.id == 0 => tracing::info!("there is disk space again: writes are taken"),
            _ => {}
        }
        self.publish_membership();
        self.repair_damage();
    }

    /// An operator takes slots for complete; all of them, if none is named.
    pub(super) fn on_force_complete(&mut self, slot: Option<Slot>) {
        let Some(core) = &mut self.core else { return };
        let slots = Slot::all().filter(|of| slot.is_none_or(|slot| slot == *of));
        let forced = core.force_complete(slots, self.reading.now, &mut self.store, &mut self.outbox);
        if forced > 0 {
            tracing::warn!(
                forced,
                "slots are taken for complete by order: acknowledged writes may lack in them, and deleted keys be back"
            );
        }
        self.flush_later();
    }

    /// Tells `core` which slots damage may have hit, so that it fetches them from their other owners.
    fn repair_damage(&mut self) {
        if self.core.is_none() {
            return;
        }
        let mut damaged = Vec::new();
        self.store.engine.take_damaged(&mut damaged);
        if let Some(first) = damaged.first() {
            let slots: usize = damaged.iter().map(|range| range.slots().count()).sum();
            let first = first.first.number();
            tracing::error!(
                slots,
                first,
                "damage on the disk: these slots are filled anew from their other owners, if they have any"
            );
            let slots = damaged.iter().flat_map(|range| range.slots());
            if let Some(core) = &mut self.core {
                core.on_slots_damaged(slots, self.reading.now, &mut self.store, &mut self.outbox);
            }
            self.flush_later();
        }
    }

    /// The log is durable up to here.
    pub(super) fn on_durable(&mut self, durable: clockwise_core::ids::Lsn) {
        self.store.engine.on_durable(durable);
        if let Some(core) = &mut self.core {
            core.on_durable(self.reading.now, &mut self.store, &mut self.outbox);
        }
        self.flush_later();
    }

    /// See [`Store::pause`].
    pub(crate) fn pause(&self, most_ms: u64) -> Option<std::time::Duration> {
        self.store.pause(most_ms)
    }

    /// A job of the engine is done.
    pub(super) fn on_job_done(&mut self, done: JobDone) {
        let mut loaded = Vec::new();
        self.store.engine.on_job_done(done, &mut loaded);
        self.store.touch();
        if let Some(core) = &mut self.core {
            for loaded in loaded {
                core.on_loaded(loaded, self.reading.now, &mut self.store, &mut self.outbox);
            }
        }
        self.repair_damage();
        self.flush_later();
    }

    /// Another shard answered a request of this one.
    pub(super) fn on_reply(&mut self, ticket: Ticket, outcome: Outcome) {
        self.outbox.replies.push((ticket, outcome));
        self.flush_later();
    }

    /// An incarnation is durable.
    pub(super) fn on_incarnation(&mut self, incarnation: u32) {
        if let Some(core) = &mut self.core {
            core.on_incarnation(incarnation);
        }
    }

    /// Writes may be minted.
    pub(super) fn on_confirmed(&mut self) {
        if let Some(core) = &mut self.core {
            core.on_confirmed();
        }
    }

    /// The clock is reserved further than before.
    pub(super) fn on_clock_reserved(&mut self, reserved: Hlc) {
        if let Some(core) = &mut self.core {
            core.on_hlc_reserved(reserved);
        }
    }

    /// A layout is durable: the first one makes this shard serve.
    pub(super) fn on_layout(&mut self, layout: Arc<Layout>) {
        let Some(me) = layout.by_node(self.shared.node).map(|member| member.number) else { return };
        let now = self.reading.now;
        self.follow_gossip(me, &layout);
        match &mut self.core {
            Some(core) if core.layout().epoch() >= layout.epoch() => return,
            Some(core) => core.on_layout(Arc::clone(&layout), now, &mut self.store, &mut self.outbox),
            None => {
                let life = self.shared.life();
                let config = ShardConfig {
                    me,
                    incarnation: life.incarnation,
                    starts: life.starts,
                    shard: self.id,
                    shards: self.shared.shards,
                    durability: self.shared.settings.durability,
                    clock_floor: life.clock_floor,
                    clock_reserved: life.clock_reserved,
                    confirmed: self.shared.is_confirmed(),
                    hints: self.shared.hint_budget(),
                    exchange: true,
                    collect: true,
                    canary: canary(),
                };
                self.core = Some(Shard::new(config, Arc::clone(&layout)));
                // What recovery found, before anybody asks.
                self.repair_damage();
                // A peer may have been faster than this letter.
                for peer in self.links.up() {
                    self.on_link(peer, LinkState::Up);
                }
            }
        }
        self.flush_later();
    }
}

/// The known bug that this process is to have. None, but in builds with the feature `canaries`.
fn canary() -> Canary {
    let Some(wanted) = std::env::var_os("CLOCKWISE_CANARY").filter(|_| cfg!(feature = "canaries")) else {
        return Canary::None;
    };
    Canary::ALL.into_iter().find(|canary| *format!("{canary:?}") == *wanted).unwrap_or_default()
}
