//! The run of one plan: virtual time, servers, links and clients, one event after the other.

use crate::{
    client::{Answer, Client},
    event::{Event, Queue},
    history::{History, Operation},
    membership::Said,
    mix::{Mix, Plan},
    network::Network,
    random::{span, stream},
    server::{Input, Server, State, Stop},
    setup::{first_layout, new_server},
    trace::Trace,
};
use clockwise_core::{layout::Layout, shard::LinkState};
use clockwise_wire::peer::cluster_tag;
use fastrand::Rng;
use std::sync::Arc;

/// How often shards get their timer.
const TICK_US: u64 = 10_000;
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
    /// Delivered by processes that ran at the end.
    pub(crate) hints: u64,
    pub(crate) amnesia: u64,
    /// Records collected, by processes that ran at the end; and the rounds that raised a line there, or were void.
    pub(crate) collected: u64,
    pub(crate) rounds: [u64; 2],
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
    pub(crate) link_rng: Rng,
    pub(crate) cluster_tag: u64,
    /// Clients stop and faults end.
    pub(crate) healing: bool,
    /// Whether the layout was changed.
    pub(crate) moved: bool,
    /// Answers for the scenarios and for the last reads, by operation.
    pub(crate) inbox: Vec<(u64, Answer)>,
    /// Verdicts of gossip.
    pub(crate) said: Vec<Said>,
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
            said: Vec::new(),
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
            self.answer(late, operation, Answer::Broken);
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
        let at_us = self.queue.now_us();
        self.servers[server].tick_stores(at_us);
        self.trace.number(self.servers[server].disk.changes());
        self.drive_all(server, || Input::Tick);
        if self.plan.turn_us > 0 && !self.healing && self.servers[server].is_in_round() {
            self.strike(server);
        }
        self.queue.after(TICK_US, Event::Tick { server, life });
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
