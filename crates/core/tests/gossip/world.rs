//! A cluster of gossip machines in virtual time: delays, losses, cuts, kills, pauses, and what each server thinks.

use clockwise_core::{
    gossip::{Beat, Gossip, GossipConfig, GossipMessage, GossipOut, Mark, Membership, Verdict},
    ids::{Epoch, MemberNumber},
    layout::Addresses,
    limits::{DOWN_AFTER_MS, GOSSIP_INTERVAL_MS, SILENT_MS},
};
use fastrand::Rng;
use std::collections::{BTreeMap, BTreeSet};

/// How a process is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Process {
    Running,
    Paused,
    Dead,
}

struct Server {
    gossip: Gossip,
    process: Process,
    /// Since when it says nothing.
    quiet_ms: Option<u64>,
    starts: u32,
    /// What arrived while it was paused.
    held: Vec<(MemberNumber, GossipMessage)>,
}

/// A verdict as it was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Said {
    pub at_ms: u64,
    pub by: u32,
    pub of: u32,
    pub verdict: Verdict,
}

/// What went over the network.
#[derive(Clone, Copy, Default, Debug)]
pub struct Traffic {
    pub messages: u64,
    pub bytes: u64,
    pub longest_bytes: usize,
}

/// See the module.
pub struct World {
    pub now_ms: u64,
    pub rng: Rng,
    pub membership: Membership,
    /// Messages in a thousand that vanish.
    pub loss_per_mille: u32,
    pub delay_ms: (u64, u64),
    pub said: Vec<Said>,
    pub traffic: Traffic,
    pub pulls: Vec<(u32, u32)>,
    pub outlived: Vec<u32>,
    pub addresses: Addresses,
    tick_ms: u64,
    servers: Vec<Server>,
    /// Directions that carry nothing, with the time since when.
    cuts: BTreeMap<(u32, u32), u64>,
    flying: BTreeMap<(u64, u64), (u32, u32, GossipMessage)>,
    sent: u64,
}

impl World {
    pub fn new(size: u32, seed: u64) -> World {
        World::with(size, seed, 10, Addresses::default())
    }

    pub fn with(size: u32, seed: u64, tick_ms: u64, addresses: Addresses) -> World {
        let numbers = (1..=size).map(MemberNumber).collect();
        let mut world = World {
            now_ms: 1_000,
            rng: Rng::with_seed(seed),
            membership: Membership { epoch: Epoch(1), digest: 1, numbers },
            loss_per_mille: 0,
            delay_ms: (1, 20),
            said: Vec::new(),
            traffic: Traffic::default(),
            pulls: Vec::new(),
            outlived: Vec::new(),
            addresses,
            tick_ms,
            servers: Vec::new(),
            cuts: BTreeMap::new(),
            flying: BTreeMap::new(),
            sent: 0,
        };
        for number in 1..=size {
            let gossip = world.machine(number, 1);
            let server =
                Server { gossip, process: Process::Running, quiet_ms: None, starts: 1, held: Vec::new() };
            world.servers.push(server);
        }
        world
    }

    fn machine(&mut self, number: u32, starts: u32) -> Gossip {
        let config = GossipConfig {
            me: MemberNumber(number),
            starts,
            interval_ms: GOSSIP_INTERVAL_MS,
            down_after_ms: DOWN_AFTER_MS,
            addresses: self.addresses.clone(),
            seed: self.rng.u64(..),
        };
        Gossip::new(config, &self.membership, self.now_ms)
    }

    pub fn gossip(&mut self, number: u32) -> &mut Gossip {
        &mut self.servers[number as usize - 1].gossip
    }

    pub fn numbers(&self) -> impl Iterator<Item = u32> + use<> {
        1..=self.servers.len() as u32
    }

    pub fn set(&mut self, number: u32, process: Process) {
        let now_ms = self.now_ms;
        let server = &mut self.servers[number as usize - 1];
        if process == Process::Dead {
            server.held.clear();
        }
        let resumes = process == Process::Running && server.process == Process::Paused;
        server.quiet_ms = (process != Process::Running).then_some(now_ms);
        server.process = process;
        if resumes {
            let mut out = GossipOut::default();
            for (from, message) in std::mem::take(&mut server.held) {
                server.gossip.on_message(from, message, now_ms, &mut out);
            }
            self.carry_out(number, out);
        }
    }

    /// Starts a new process of a server, with this many starts.
    pub fn restart(&mut self, number: u32, starts: u32) {
        self.set(number, Process::Running);
        let gossip = self.machine(number, starts);
        let server = &mut self.servers[number as usize - 1];
        (server.gossip, server.starts) = (gossip, starts);
    }

    pub fn starts(&self, number: u32) -> u32 {
        self.servers[number as usize - 1].starts
    }

    /// From now on nothing gets from the first to the second.
    pub fn cut(&mut self, from: u32, to: u32) {
        self.cuts.entry((from, to)).or_insert(self.now_ms);
    }

    pub fn mend_all(&mut self) {
        self.cuts.clear();
    }

    /// Makes a server believe that its own heartbeat is far.
    pub fn pretend(&mut self, number: u32, heartbeat: u64) {
        self.run_one_round(number);
        let beat = Beat { generation: 1, heartbeat };
        let marks = vec![Mark { member: MemberNumber(number), beat, held: 0 }];
        let from = if number == 1 { 2 } else { 1 };
        let message = GossipMessage::News { marks, entries: Vec::new(), wants: Vec::new() };
        self.deliver(from, number, message);
    }

    /// One tick of one server, whose messages are lost.
    fn run_one_round(&mut self, number: u32) {
        let now_ms = self.now_ms;
        self.gossip(number).on_tick(now_ms, &|_| false, &mut GossipOut::default());
    }

    /// Hands a message over as if it had come from a member.
    pub fn deliver(&mut self, from: u32, to: u32, message: GossipMessage) {
        let mut out = GossipOut::default();
        let now_ms = self.now_ms;
        self.gossip(to).on_message(MemberNumber(from), message, now_ms, &mut out);
        self.carry_out(to, out);
    }

    pub fn run(&mut self, span_ms: u64) {
        let end_ms = self.now_ms + span_ms;
        while self.now_ms < end_ms {
            self.now_ms += self.tick_ms;
            self.arrivals();
            self.ticks();
        }
    }

    fn arrivals(&mut self) {
        while let Some(entry) = self.flying.first_entry().filter(|entry| entry.key().0 <= self.now_ms) {
            let (from, to, message) = entry.remove();
            let server = &mut self.servers[to as usize - 1];
            match server.process {
                Process::Running => self.deliver(from, to, message),
                Process::Paused => server.held.push((MemberNumber(from), message)),
                Process::Dead => {}
            }
        }
    }

    fn ticks(&mut self) {
        let now_ms = self.now_ms;
        let quiet: Vec<Option<u64>> = self.servers.iter().map(|server| server.quiet_ms).collect();
        for number in self.numbers() {
            let server = &mut self.servers[number as usize - 1];
            if server.process != Process::Running {
                continue;
            }
            let mut out = GossipOut::default();
            let cuts = &self.cuts;
            // As `Liveness` does it: silence of a second, whatever direction is at fault.
            let answers = |peer: MemberNumber| {
                let long_ago = |since: Option<u64>| since.is_some_and(|at| now_ms - at >= SILENT_MS);
                !long_ago(quiet[peer.0 as usize - 1]) && !long_ago(cuts.get(&(peer.0, number)).copied())
            };
            server.gossip.on_tick(now_ms, &answers, &mut out);
            self.carry_out(number, out);
        }
    }

    fn carry_out(&mut self, by: u32, out: GossipOut) {
        for (of, verdict) in out.verdicts {
            self.said.push(Said { at_ms: self.now_ms, by, of: of.0, verdict });
        }
        self.pulls.extend(out.pulls.iter().map(|of| (by, of.0)));
        self.outlived.extend(out.outlived.then_some(by));
        for (to, message) in out.sends {
            for to in to {
                let bytes = message.bytes();
                self.traffic.messages += 1;
                self.traffic.bytes += bytes as u64;
                self.traffic.longest_bytes = self.traffic.longest_bytes.max(bytes);
                let lost = self.rng.u32(0..1_000) < self.loss_per_mille;
                if lost || self.cuts.contains_key(&(by, to.0)) {
                    continue;
                }
                self.sent += 1;
                let at_ms = self.now_ms + self.rng.u64(self.delay_ms.0..=self.delay_ms.1);
                self.flying.insert((at_ms, self.sent), (by, to.0, message.clone()));
            }
        }
    }

    /// Whom a server holds for down.
    pub fn down(&self, by: u32) -> BTreeSet<u32> {
        let gossip = &self.servers[by as usize - 1].gossip;
        self.numbers().filter(|&of| gossip.is_down(MemberNumber(of))).collect()
    }

    /// When the last of the others held a member for down, in milliseconds after `since_ms`.
    pub fn skipped_by_all_ms(&self, of: u32, since_ms: u64) -> Option<u64> {
        let mut last_ms = 0;
        for by in self.numbers().filter(|&by| by != of && self.servers[by as usize - 1].quiet_ms.is_none()) {
            if !self.down(by).contains(&of) {
                return None;
            }
            let down = |said: &&Said| (said.by, said.of, said.verdict) == (by, of, Verdict::Down);
            last_ms = last_ms.max(self.said.iter().rfind(down)?.at_ms);
        }
        Some(last_ms - since_ms)
    }

    /// The time for which members' heartbeats are unknown at most, over all pairs of running servers.
    pub fn oldest_ms(&self) -> u64 {
        let running: Vec<u32> = self
            .numbers()
            .filter(|&number| self.servers[number as usize - 1].process == Process::Running)
            .collect();
        let age = |by: &u32| {
            let gossip = &self.servers[*by as usize - 1].gossip;
            let views = gossip.views(self.now_ms).filter(|view| running.contains(&view.member.0));
            views.map(|view| view.age_ms).max().unwrap_or(0)
        };
        running.iter().map(age).max().unwrap_or(0)
    }

    /// Whether every running server has the contents of every other.
    pub fn is_complete(&self) -> bool {
        let mut running = self.servers.iter().filter(|server| server.process == Process::Running);
        running.all(|server| {
            let mut others = self.membership.numbers.iter();
            others.all(|&number| server.gossip.contents(number).is_some())
        })
    }
}
