//! The run of one plan: virtual time, servers, links and clients, one event after the other.

use crate::{
    client::Client,
    clock::Clock,
    event::{Event, Queue},
    history::{History, Operation},
    mix::{Mix, Plan},
    network::{Frame, Network, Sent},
    random::{span, stream},
    server::{Build, Input, Server, State, Stop},
    storage::Disk,
    trace::Trace,
};
use bytes::Bytes;
use clockwise_core::{
    ids::{Epoch, MemberNumber, NodeId},
    layout::{Addresses, Layout, LayoutSpec, Member},
    message::{Body, Message},
    outbox::{Action, Outbox},
    shard::LinkState,
    version::{DigestKey, TokenKey},
};
use clockwise_wire::peer::cluster_tag;
use fastrand::Rng;
use std::sync::Arc;

/// How often shards get their timer.
const TICK_US: u64 = 10_000;
/// How long a connection takes to try again, at most.
const RECONNECT_US: u64 = 150_000;
/// How long a peer of a server without power believes in its links, at most.
const DEAF_US: u64 = 1_500_000;

/// Numbers of a run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stats {
    pub(crate) operations: u64,
    pub(crate) faults: u64,
    pub(crate) events: u64,
    pub(crate) frames: u64,
    pub(crate) second_rounds: u64,
    pub(crate) read_repairs: u64,
    pub(crate) amnesia: u64,
    /// Operations that ended done, rejected, unknown.
    pub(crate) outcomes: [u64; 3],
}

/// A run.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) queue: Queue,
    pub(crate) servers: Vec<Server>,
    pub(crate) network: Network,
    pub(crate) clients: Vec<Client>,
    pub(crate) history: History,
    pub(crate) layout: Arc<Layout>,
    pub(crate) trace: Trace,
    pub(crate) stats: Stats,
    pub(crate) fault_rng: Rng,
    pub(crate) work_rng: Rng,
    link_rng: Rng,
    cluster_tag: u64,
    /// Clients stop and faults end.
    pub(crate) healing: bool,
    /// Whether the layout was changed.
    pub(crate) moved: bool,
    /// Answers for the scenarios and for the last reads, by operation.
    pub(crate) inbox: Vec<(u64, crate::client::Answer)>,
    /// What makes the run pointless to go on.
    pub(crate) broken: Option<String>,
}

impl World {
    /// A cluster that has just been initialised, with all servers starting.
    pub(crate) fn new(plan: Plan, text: bool) -> World {
        let count = plan.shards.len();
        let mut rng = stream(plan.seed, "world", 0);
        let layout = Arc::new(first_layout(count, plan.replicas, &mut rng));
        let servers: Vec<Server> =
            (0..count).map(|index| new_server(&plan, index, &layout, &mut rng)).collect();
        let cluster_tag = cluster_tag(&layout.spec().cluster);
        let mut world = World {
            queue: Queue::default(),
            network: Network::new(count, plan.style, stream(plan.seed, "network", 0)),
            clients: Vec::new(),
            history: History::default(),
            layout,
            trace: Trace::new(text),
            stats: Stats::default(),
            fault_rng: stream(plan.seed, "faults", 0),
            work_rng: stream(plan.seed, "work", 0),
            link_rng: stream(plan.seed, "links", 0),
            cluster_tag,
            healing: false,
            moved: false,
            inbox: Vec::new(),
            broken: None,
            servers,
            plan,
        };
        for server in 0..count {
            world.start_server(server);
            for peer in server + 1..count {
                world.queue.after(100, Event::Reconnect { a: server, b: peer });
            }
        }
        world
    }

    /// Lets clients and faults loose.
    pub(crate) fn populate(&mut self) {
        for index in 0..self.plan.clients {
            let rng = stream(self.plan.seed, "client", index as u64);
            self.clients.push(Client::new(rng, self.servers.len()));
            self.queue.after(50_000 + index as u64 * 1_000, Event::Wake { client: index });
        }
        self.begin_phase();
        self.queue.after(200_000, Event::Fault);
    }

    /// Notes a line in the trace.
    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        self.trace.line(self.queue.now_us(), line);
    }

    /// Lets the next event happen. False when there is none.
    pub(crate) fn step(&mut self) -> bool {
        if self.broken.is_some() {
            return false;
        }
        let Some(event) = self.queue.next() else { return false };
        self.stats.events += 1;
        self.trace.number(self.queue.now_us());
        self.happen(event);
        true
    }

    /// Lets everything happen up to an instant.
    pub(crate) fn run_for(&mut self, span_us: u64) {
        let until_us = self.queue.now_us() + span_us;
        self.queue.at(until_us, Event::Wake { client: usize::MAX });
        while self.queue.now_us() < until_us && self.step() {}
    }

    fn happen(&mut self, event: Event) {
        if let Some(server) = addressee(&event)
            && self.servers[server].state == State::Paused
        {
            self.servers[server].held.push(event);
            return;
        }
        match event {
            Event::Frame { from, to, session, bytes } => self.frame_arrives(from, to, session, bytes),
            Event::LinkDown { at, peer, session } => {
                if self.network.notice(at, peer, session) {
                    self.link_changes(at, peer, LinkState::Down);
                }
            }
            Event::Reconnect { a, b } => self.reconnect(a, b),
            Event::Request { server, operation, request, context } => {
                self.request_arrives(server, operation, *request, context);
            }
            Event::Answer { client, operation, answer } => self.answer_arrives(client, operation, *answer),
            Event::Wake { client } => self.wake(client),
            Event::Impatience { client, operation } => self.lose_patience(client, operation),
            Event::Tick { server, life } => {
                if self.alive(server, life) {
                    self.tick(server, life);
                }
            }
            Event::Synced { server, life, positions } => {
                if self.alive(server, life) {
                    let synced = self.servers[server].synced(&positions);
                    self.must(server, synced);
                    self.drive_all(server, || Input::Durable);
                }
            }
            Event::Job { server, life, job } => {
                if self.alive(server, life) {
                    self.job_done(server, job);
                }
            }
            Event::Acted { server, life, action } => {
                if self.alive(server, life) {
                    self.acted(server, action);
                }
            }
            Event::Fault => self.next_fault(),
            Event::Mend(mend) => self.mend(mend),
        }
    }

    fn next_fault(&mut self) {
        if self.healing {
            return;
        }
        if self.plan.mix == Mix::Layout && !self.moved && self.stats.operations > self.plan.operations / 8 {
            self.moved = true;
            self.change_layout();
        } else {
            self.fault();
        }
        let gap = span(&mut self.fault_rng, 10_000, self.plan.gap_us);
        self.queue.after(gap, Event::Fault);
    }

    fn alive(&self, server: usize, life: u64) -> bool {
        self.servers[server].life == life && self.servers[server].state != State::Down
    }

    /// Starts a server's process.
    pub(crate) fn start_server(&mut self, server: usize) {
        let at_us = self.queue.now_us();
        if let Err(why) = self.servers[server].start(at_us) {
            self.broken = Some(format!("s{} does not start: {why}", server + 1));
            return;
        }
        let life = self.servers[server].life;
        self.note(|| format!("s{} starts its process {life}", server + 1));
        self.queue.after(TICK_US, Event::Tick { server, life });
        self.settle(server);
    }

    /// Ends a server's process; its links and its clients' connections break.
    pub(crate) fn stop_server(&mut self, server: usize, how: Stop) {
        let open = self.servers[server].stop(how);
        for operation in self.must(server, open).unwrap_or_default() {
            let late = 1_000 + self.link_rng.u64(0..5_000);
            self.answer(late, operation, crate::client::Answer::Broken);
        }
        for peer in (0..self.servers.len()).filter(|peer| *peer != server) {
            // Without power nobody says goodbye.
            let deaf = if how == Stop::Power { DEAF_US } else { 10_000 };
            let late = self.link_rng.u64(100..deaf);
            self.lose_link(server, peer, late);
        }
        self.network.forget(server);
    }

    /// Lets a paused process go on with what happened meanwhile.
    pub(crate) fn resume(&mut self, server: usize) {
        self.servers[server].state = State::Running;
        for event in std::mem::take(&mut self.servers[server].held) {
            self.queue.after(0, event);
        }
    }

    fn tick(&mut self, server: usize, life: u64) {
        self.servers[server].tick_stores();
        self.trace.number(self.servers[server].disk.changes());
        self.drive_all(server, || Input::Tick);
        self.queue.after(TICK_US, Event::Tick { server, life });
    }

    /// Gives the same input to all shards of a server.
    fn drive_all(&mut self, server: usize, input: impl Fn() -> Input) {
        for shard in 0..self.servers[server].shards() {
            self.servers[server].drive(shard, input(), self.queue.now_us());
        }
        self.settle(server);
    }

    /// Gives an input to one shard.
    pub(crate) fn drive(&mut self, server: usize, shard: usize, input: Input) {
        self.servers[server].drive(shard, input, self.queue.now_us());
        self.settle(server);
    }

    /// Carries out what a server's shards want done, until they want nothing more.
    fn settle(&mut self, server: usize) {
        while let Some((shard, out)) = self.servers[server].take_effects() {
            self.carry_out(server, shard, out);
        }
        self.start_sync(server);
        self.start_jobs(server);
    }

    fn carry_out(&mut self, server: usize, shard: usize, out: Outbox) {
        let at_us = self.queue.now_us();
        let me = self.servers[server].number;
        for send in out.sends {
            let message = &send.message;
            let frame = Frame {
                // What is too large to travel never arrives.
                bytes: crate::frame::pack(message, self.cluster_tag).unwrap_or_default(),
                lane: message.slot.map_or(0, |slot| slot.cell()),
                once: matches!(message.body, Body::Forward { .. }),
            };
            for to in send.to {
                if !self.transmit(server, to, &send.message, &frame) {
                    let failed = Input::SendFailed(to, send.message.clone());
                    self.servers[server].drive(shard, failed, at_us);
                }
            }
        }
        for (ticket, outcome) in out.replies {
            self.reply(server, ticket, outcome);
        }
        for action in out.actions {
            let life = self.servers[server].life;
            let late = 500 + self.link_rng.u64(0..5_000) * self.servers[server].disk_slowness;
            self.queue.after(late, Event::Acted { server, life, action });
        }
        for event in out.events {
            self.count(event);
            self.trace.line(at_us, || format!("{me} {event:?}"));
        }
    }

    fn transmit(&mut self, server: usize, to: MemberNumber, message: &Message, frame: &Frame) -> bool {
        let now_us = self.queue.now_us();
        let me = self.servers[server].number;
        let Some(peer) = self.servers.iter().position(|peer| peer.number == to && to != me) else {
            return false;
        };
        self.stats.frames += 1;
        let sent = self.network.send(server, peer, frame, now_us);
        self.trace.line(now_us, || format!("{me} -> {to} {sent:?} {:?}", message.body));
        match sent {
            Sent::Arrives { session, at_us } => {
                for at_us in at_us {
                    self.queue.at(
                        at_us,
                        Event::Frame { from: server, to: peer, session, bytes: frame.bytes.clone() },
                    );
                }
                true
            }
            Sent::Failed => false,
        }
    }

    fn frame_arrives(&mut self, from: usize, to: usize, session: u64, bytes: Bytes) {
        self.trace.number((from as u64) << 32 | to as u64);
        self.trace.bytes(&bytes);
        if !self.network.arrived(from, to, session) || self.servers[to].state == State::Down {
            return;
        }
        let Some(message) = crate::frame::unpack(&bytes, self.cluster_tag) else {
            self.broken = Some("a frame does not come out as it went in".to_owned());
            return;
        };
        let shard = self.servers[to].shard_of(message.slot);
        let from = self.servers[from].number;
        self.drive(to, shard, Input::Message(from, message));
    }

    fn start_sync(&mut self, server: usize) {
        let due = self.servers[server].sync_due();
        let Some(positions) = self.must(server, due).flatten() else { return };
        let (low, high) = self.plan.sync_us;
        let late = span(&mut self.link_rng, low, high) * self.servers[server].disk_slowness;
        let life = self.servers[server].life;
        self.queue.after(late, Event::Synced { server, life, positions });
    }

    fn start_jobs(&mut self, server: usize) {
        for job in self.servers[server].take_jobs() {
            let late = span(&mut self.link_rng, 50, 5_000) * self.servers[server].disk_slowness;
            let life = self.servers[server].life;
            self.queue.after(late, Event::Job { server, life, job });
        }
    }

    fn job_done(&mut self, server: usize, job: u64) {
        let (shard, loaded) = self.servers[server].run_job(job);
        for loaded in loaded {
            self.servers[server].drive(shard, Input::Loaded(loaded), self.queue.now_us());
        }
        self.settle(server);
    }

    /// What a server's disk answered; an error is nothing that this simulation lets happen.
    pub(crate) fn must<T>(&mut self, server: usize, result: Result<T, String>) -> Option<T> {
        result.map_err(|why| self.broken = Some(format!("s{}: {why}", server + 1))).ok()
    }

    fn acted(&mut self, server: usize, action: Action) {
        match action {
            Action::InstallLayout(bytes) => self.install_layout(server, bytes),
            Action::TakeIncarnation(incarnation) => {
                let taken = self.servers[server].take_incarnation(incarnation);
                if let Some(incarnation) = self.must(server, taken) {
                    self.drive_all(server, || Input::Incarnation(incarnation));
                }
            }
            Action::ReserveHlc(wanted) => {
                let reserved = self.servers[server].reserve(wanted);
                if let Some(reserved) = self.must(server, reserved) {
                    self.drive_all(server, || Input::Reserved(reserved));
                }
            }
        }
    }

    /// Puts a layout on a server, if it is newer than the one there.
    pub(crate) fn install_layout(&mut self, server: usize, bytes: Bytes) {
        let installed = self.servers[server].install_layout(bytes);
        if let Some(layout) = self.must(server, installed).flatten() {
            self.note(|| format!("s{} installs {:?}", server + 1, layout.epoch()));
            self.drive_all(server, || Input::Layout(layout.clone()));
        }
    }

    fn link_changes(&mut self, at: usize, peer: usize, state: LinkState) {
        let number = self.servers[peer].number;
        if self.servers[at].state == State::Down {
            return;
        }
        self.note(|| format!("s{} sees its link to {number} {state:?}", at + 1));
        self.drive_all(at, || Input::Link(number, state));
    }

    /// A link's session breaks and both ends learn it soon.
    pub(crate) fn break_link(&mut self, a: usize, b: usize) {
        let late = self.link_rng.u64(0..50_000);
        self.lose_link(a, b, late);
    }

    /// Breaks a link after a while.
    pub(crate) fn doom_link(&mut self, a: usize, b: usize, late_us: u64) {
        if late_us == 0 {
            self.break_link(a, b);
        } else {
            self.queue.after(late_us, Event::Mend(crate::event::Mend::Break { a, b }));
        }
    }

    fn lose_link(&mut self, a: usize, b: usize, late_us: u64) {
        let Some(session) = self.network.kill(a, b) else { return };
        let other = self.link_rng.u64(0..20_000);
        self.queue.after(late_us, Event::LinkDown { at: b, peer: a, session });
        self.queue.after(other, Event::LinkDown { at: a, peer: b, session });
        let again = self.link_rng.u64(5_000..RECONNECT_US);
        self.queue.after(again, Event::Reconnect { a, b });
    }

    fn reconnect(&mut self, a: usize, b: usize) {
        let both = [a, b].iter().all(|end| self.servers[*end].state == State::Running);
        let connected = if both { self.network.connect(a, b) } else { None };
        match connected {
            Some(stale) => {
                for (end, peer, stale) in [(a, b, stale[0]), (b, a, stale[1])] {
                    if stale {
                        self.link_changes(end, peer, LinkState::Down);
                    }
                    self.link_changes(end, peer, LinkState::Up);
                }
            }
            None if !self.network.is_alive(a, b) => {
                let again = self.link_rng.u64(5_000..RECONNECT_US);
                self.queue.after(again, Event::Reconnect { a, b });
            }
            None => {}
        }
    }

    /// Operations that have begun; the next one has this number.
    pub(crate) fn begin(&mut self, operation: Operation) -> u64 {
        self.history.operations.push(operation);
        self.history.operations.len() as u64 - 1
    }
}

/// The server whose process must be awake for an event.
fn addressee(event: &Event) -> Option<usize> {
    match event {
        Event::Frame { to, .. } => Some(*to),
        Event::LinkDown { at, .. } => Some(*at),
        Event::Request { server, .. }
        | Event::Tick { server, .. }
        | Event::Synced { server, .. }
        | Event::Job { server, .. }
        | Event::Acted { server, .. } => Some(*server),
        _ => None,
    }
}

fn first_layout(servers: usize, replicas: u8, rng: &mut Rng) -> Layout {
    let members = (1..=servers as u32)
        .map(|number| Member {
            number: MemberNumber(number),
            node: NodeId(std::array::from_fn(|_| rng.u8(..))),
            token_seed: rng.u64(..),
            weight: 1,
            dc: "dc1".to_owned(),
            rack: format!("r{number}"),
            addresses: Addresses::default(),
        })
        .collect();
    let spec = LayoutSpec {
        cluster: std::array::from_fn(|_| rng.u8(..)),
        epoch: Epoch(1),
        replicas,
        token_key: TokenKey(std::array::from_fn(|_| rng.u8(..))),
        digest_key: DigestKey(std::array::from_fn(|_| rng.u8(..))),
        members,
    };
    Layout::new(spec).expect("numbers and ids are distinct and N is small")
}

fn new_server(plan: &Plan, index: usize, layout: &Layout, rng: &mut Rng) -> Server {
    let member = &layout.spec().members[index];
    let build =
        Build { number: member.number, node: member.node, shards: plan.shards[index], canary: plan.canary };
    let mut clock = Clock::default();
    let bound = plan.skew_us as i64;
    clock.jump(rng.i64(-bound..=bound), 0);
    let disk = Disk::new(plan.store, plan.cold_per_mille, stream(plan.seed, "disk", index as u64));
    Server::new(build, disk, layout, clock).expect("an empty disk takes an identity and a layout")
}
