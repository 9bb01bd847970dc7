//! One server: a disk and clocks that outlive its processes, and a process that drives the shards of `core`.
//!
//! What `node` does with threads, files and sockets is done here with values: the identity is made durable before
//! it is used, the log is synced in groups, and effects are taken out after every input.

use crate::{
    clock::Clock,
    event::Event,
    membership::machine,
    storage::{Disk, ShardStore, Work},
};
use bytes::Bytes;
use clockwise_core::{
    canary::Canary,
    gossip::{Gossip, Verdict},
    hints::HintBudget,
    hlc::{Hlc, Now},
    identity::Identity,
    ids::{Lsn, MemberNumber, NodeId},
    layout::Layout,
    message::Message,
    outbox::Outbox,
    request::{Request, Ticket},
    shard::{Durability, LinkState, Shard, ShardConfig, ShardStats},
    slot::Slot,
    storage::Loaded,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// An input of a shard.
#[derive(Debug)]
pub(crate) enum Input {
    /// A client's request.
    Request(Ticket, Request),
    /// A peer's message.
    Message(MemberNumber, Message),
    /// A lookup that went to the disk.
    Loaded(Loaded),
    /// The log is synced further.
    Durable,
    /// The timer.
    Tick,
    /// A link changed.
    Link(MemberNumber, LinkState),
    /// A message did not get onto its link.
    SendFailed(MemberNumber, Message),
    /// A layout is durable.
    Layout(Arc<Layout>),
    /// An incarnation is durable.
    Incarnation(u32),
    /// A reservation of the clock is durable.
    Reserved(Hlc),
}

/// A shard, what it keeps and what it wants done.
pub(crate) struct Unit {
    pub(crate) shard: Shard,
    pub(crate) store: ShardStore,
    pub(crate) out: Outbox,
}

/// A running process.
pub(crate) struct Process {
    pub(crate) units: Vec<Unit>,
    pub(crate) layout: Arc<Layout>,
    pub(crate) identity: Identity,
    /// The server's part in gossip.
    pub(crate) gossip: Gossip,
    /// Verdicts that nobody has noted yet.
    pub(crate) verdicts: Vec<(MemberNumber, Verdict)>,
    /// The log is being synced.
    pub(crate) syncing: bool,
    /// Requests that wait for their answer.
    pub(crate) open: BTreeSet<u64>,
    /// Work for the disk that was handed out, with the shard that wants it.
    jobs: BTreeMap<u64, (usize, Work)>,
    next_job: u64,
}

/// How a process is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// It runs.
    Running,
    /// It is stopped in the middle of everything and will go on.
    Paused,
    /// There is none.
    Down,
}

/// A server.
pub(crate) struct Server {
    pub(crate) number: MemberNumber,
    pub(crate) state: State,
    /// Which process this is, from 1; events for older ones are void.
    pub(crate) life: u64,
    pub(crate) clock: Clock,
    pub(crate) disk: Disk,
    pub(crate) process: Option<Process>,
    /// What happened while the process was paused.
    pub(crate) held: Vec<Event>,
    /// How many times slower than usual the disk is.
    pub(crate) disk_slowness: u64,
    shards: u16,
    exchange: bool,
    collect: bool,
    canary: Canary,
}

/// How a process ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stop {
    /// Asked to: everything is synced and the identity says so.
    Clean,
    /// Killed: what was written to files stays.
    Kill,
    /// Without power: what was not synced goes.
    Power,
}

/// How one server is built.
#[derive(Clone, Debug)]
pub(crate) struct Build {
    /// Its number in every layout.
    pub(crate) number: MemberNumber,
    /// Its node id.
    pub(crate) node: NodeId,
    /// How many shards its processes have.
    pub(crate) shards: u16,
    /// Whether its servers compare their slots all the time.
    pub(crate) exchange: bool,
    /// Whether they collect what is deleted or expired.
    pub(crate) collect: bool,
    /// A known bug.
    pub(crate) canary: Canary,
}

impl Server {
    /// A server with an empty data folder into which `init` wrote the first layout.
    pub(crate) fn new(build: Build, mut disk: Disk, layout: &Layout, clock: Clock) -> Result<Server, String> {
        let minted = Identity::mint(build.node, clock.now(0));
        // `init` ran to its end, so the first process is the first life.
        disk.save_layout(Bytes::from(layout.encode()))?;
        disk.save_identity(&Identity { epoch: layout.epoch(), clean: true, reserved: Hlc::ZERO, ..minted })?;
        Ok(Server {
            number: build.number,
            state: State::Down,
            life: 0,
            clock,
            disk,
            process: None,
            held: Vec::new(),
            disk_slowness: 1,
            shards: build.shards,
            exchange: build.exchange,
            collect: build.collect,
            canary: build.canary,
        })
    }

    /// Starts a process: recovery, a durable identity, the shards.
    pub(crate) fn start(&mut self, at_us: u64) -> Result<(), String> {
        self.clock.started_us = at_us;
        let now = self.clock.now(at_us);
        let stores = self.disk.open(self.shards, self.canary)?;
        let stored = self.disk.load_identity()?;
        let (identity, clock_floor) = stored.start(now, self.canary);
        self.disk.save_identity(&identity)?;
        let layout = Arc::new(self.disk.load_layout()?);
        let units = stores
            .into_iter()
            .zip(0..)
            .map(|(store, shard)| {
                let config = ShardConfig {
                    me: self.number,
                    incarnation: identity.incarnation,
                    starts: identity.starts,
                    shard,
                    shards: self.shards,
                    durability: Durability::Sync,
                    clock_floor,
                    clock_reserved: identity.reserved,
                    confirmed: true,
                    hints: HintBudget::default(),
                    exchange: self.exchange,
                    collect: self.collect,
                    canary: self.canary,
                };
                Unit { shard: Shard::new(config, layout.clone()), store, out: Outbox::default() }
            })
            .collect();
        self.life += 1;
        self.state = State::Running;
        self.process = Some(Process {
            units,
            gossip: machine(self.number, identity.starts, &layout, now, at_us),
            verdicts: Vec::new(),
            layout,
            identity,
            syncing: false,
            open: BTreeSet::new(),
            jobs: BTreeMap::new(),
            next_job: 0,
        });
        // Before anybody asks.
        self.tell_damage(now);
        Ok(())
    }

    /// Ends the process. Returns the requests that were open.
    pub(crate) fn stop(&mut self, how: Stop) -> Result<BTreeSet<u64>, String> {
        self.state = State::Down;
        self.held.clear();
        let Some(process) = self.process.take() else { return Ok(BTreeSet::new()) };
        // The identity says "clean" only when all that it says so of is on the disk.
        let stores = process.units.into_iter().map(|unit| unit.store).collect();
        self.disk.close(stores, how)?;
        if how == Stop::Clean {
            self.disk.save_identity(&Identity { clean: true, ..process.identity })?;
        }
        Ok(process.open)
    }

    /// Figures of the running shards.
    pub(crate) fn stats(&self) -> impl Iterator<Item = ShardStats> + '_ {
        let units = self.process.iter().flat_map(|process| &process.units);
        units.map(|unit| unit.shard.stats())
    }

    /// Whether any of its shards is in the middle of a round.
    pub(crate) fn is_in_round(&self) -> bool {
        self.process.iter().flat_map(|process| &process.units).any(|unit| unit.shard.is_in_round())
    }

    /// Which shard owns a slot.
    pub(crate) fn shard_of(&self, slot: Option<Slot>) -> usize {
        slot.map_or(0, |slot| usize::from(slot.cell() % self.shards))
    }

    /// Whether the server owns a replica of a slot, as it knows the layout.
    pub(crate) fn owns(&self, slot: Slot) -> bool {
        self.process.as_ref().is_some_and(|process| process.layout.owners(slot).contains(&self.number))
    }

    /// Gives an input to a shard. What it wants done is taken with [`Server::take_effects`].
    pub(crate) fn drive(&mut self, shard: usize, input: Input, at_us: u64) {
        let now = self.clock.now(at_us);
        let Some(process) = &mut self.process else { return };
        process.tell_gossip(shard, &input, now);
        let hosts = shard == 0;
        let tick = matches!(input, Input::Tick);
        let Some(Unit { shard, store, out }) = process.units.get_mut(shard) else { return };
        match input {
            Input::Request(ticket, request) => shard.on_request(ticket, request, now, store, out),
            Input::Message(from, message) => shard.on_message(from, message, now, store, out),
            Input::Loaded(loaded) => shard.on_loaded(loaded, now, store, out),
            Input::Durable => shard.on_durable(now, store, out),
            Input::Tick => shard.on_tick(now, store, out),
            Input::Link(peer, state) => shard.on_link(peer, state, now, store, out),
            Input::SendFailed(peer, message) => shard.on_send_failed(peer, &message, now, store, out),
            Input::Layout(layout) => shard.on_layout(layout, now, store, out),
            Input::Incarnation(incarnation) => shard.on_incarnation(incarnation),
            Input::Reserved(reserved) => shard.on_hlc_reserved(reserved),
        }
        if hosts {
            process.host_gossip(tick, now);
        }
    }

    /// The effects of the first shard that has any.
    pub(crate) fn take_effects(&mut self) -> Option<(usize, Outbox)> {
        let units = &mut self.process.as_mut()?.units;
        let at = units.iter().position(|unit| !unit.out.is_empty())?;
        Some((at, std::mem::take(&mut units[at].out)))
    }

    /// How many shards a process has.
    pub(crate) fn shards(&self) -> usize {
        usize::from(self.shards)
    }

    /// What the log's next sync would make durable, if there is anything and no sync runs.
    pub(crate) fn sync_due(&mut self) -> Result<Option<Vec<Lsn>>, String> {
        let Some(process) = self.process.as_mut().filter(|process| !process.syncing) else { return Ok(None) };
        let stores = process.units.iter_mut().map(|unit| &mut unit.store);
        let positions = self.disk.write_log(stores)?;
        process.syncing = positions.is_some();
        Ok(positions)
    }

    /// The log's sync is through.
    pub(crate) fn synced(&mut self, positions: &[Lsn]) -> Result<(), String> {
        let Some(process) = &mut self.process else { return Ok(()) };
        process.syncing = false;
        let stores = process.units.iter_mut().map(|unit| &mut unit.store);
        self.disk.synced(stores, positions)
    }

    /// Writes everything to tables.
    #[cfg(test)]
    pub(crate) fn flush_all(&mut self) {
        for unit in self.process.iter_mut().flat_map(|process| &mut process.units) {
            if let ShardStore::Engine(engine) = &mut unit.store {
                engine.freeze_all();
            }
        }
    }

    /// Time passed for the stores.
    pub(crate) fn tick_stores(&mut self, at_us: u64) {
        self.tell_damage(self.clock.now(at_us));
        let Some(process) = &mut self.process else { return };
        self.disk.tick(process.units.iter_mut().map(|unit| &mut unit.store));
    }

    /// Tells the shards what damage the stores have found.
    fn tell_damage(&mut self, now: Now) {
        let Some(process) = &mut self.process else { return };
        for Unit { shard, store, out } in &mut process.units {
            let slots = store.take_damaged();
            shard.on_slots_damaged(slots.into_iter(), now, store, out);
        }
    }

    /// Takes the work for the disk that has come up. Returns its numbers.
    pub(crate) fn take_jobs(&mut self) -> Vec<u64> {
        let Some(process) = &mut self.process else { return Vec::new() };
        let mut numbers = Vec::new();
        for (shard, unit) in process.units.iter_mut().enumerate() {
            for work in unit.store.take_work() {
                process.next_job += 1;
                process.jobs.insert(process.next_job, (shard, work));
                numbers.push(process.next_job);
            }
        }
        numbers
    }

    /// Does a piece of work. Returns what a shard must be told.
    pub(crate) fn run_job(&mut self, job: u64) -> (usize, Vec<Loaded>) {
        let Some(process) = &mut self.process else { return (0, Vec::new()) };
        let Some((shard, work)) = process.jobs.remove(&job) else { return (0, Vec::new()) };
        (shard, self.disk.run(work, &mut process.units[shard].store))
    }

    /// Makes a layout durable. Returns it if it is newer than the one in force.
    pub(crate) fn install_layout(&mut self, bytes: Bytes) -> Result<Option<Arc<Layout>>, String> {
        let Some(process) = &mut self.process else { return Ok(None) };
        let layout = Layout::decode(bytes.clone()).map_err(|_| "a malformed layout arrived".to_owned())?;
        if layout.epoch() <= process.layout.epoch() {
            return Ok(None);
        }
        self.disk.save_layout(bytes)?;
        process.identity.epoch = layout.epoch();
        self.disk.save_identity(&process.identity)?;
        process.layout = Arc::new(layout);
        Ok(Some(process.layout.clone()))
    }

    /// Makes an incarnation durable.
    pub(crate) fn take_incarnation(&mut self, incarnation: u32) -> Result<u32, String> {
        let Some(process) = &mut self.process else { return Ok(incarnation) };
        process.identity.incarnation = process.identity.incarnation.max(incarnation);
        self.disk.save_identity(&process.identity)?;
        Ok(process.identity.incarnation)
    }

    /// Makes a reservation of the clock durable.
    pub(crate) fn reserve(&mut self, wanted: Hlc) -> Result<Hlc, String> {
        let Some(process) = &mut self.process else { return Ok(wanted) };
        process.identity.reserved = process.identity.reserved.max(wanted);
        self.disk.save_identity(&process.identity)?;
        Ok(process.identity.reserved)
    }
}
