//! What goes wrong, when, and for how long. Every fault that begins is counted, and every one ends.

use super::{
    between::Between,
    clients::World,
    disks::{RESERVE, SmallDisk},
    harness::TestCluster,
    proxy::Direction,
};
use clockwise_sim::random::{chance, span, weighted};
use fastrand::Rng;
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering::SeqCst},
    time::{Duration, Instant},
};

/// A kind of fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Kill,
    KillAll,
    Restart,
    Rolling,
    Pause,
    Reset,
    OneWay,
    Pair,
    Split,
    SplitOneWay,
    Delay,
    Throttle,
    Full,
}

const KINDS: [(Kind, &str, u32); 13] = [
    (Kind::Kill, "kill -9", 6),
    (Kind::KillAll, "kill -9 of all", 1),
    (Kind::Restart, "restart", 2),
    (Kind::Rolling, "rolling restart", 1),
    (Kind::Pause, "SIGSTOP", 5),
    (Kind::Reset, "connections reset", 3),
    (Kind::OneWay, "one direction silent", 4),
    (Kind::Pair, "two servers cut off from each other", 4),
    (Kind::Split, "split in two", 3),
    (Kind::SplitOneWay, "split in one direction", 2),
    (Kind::Delay, "slow links", 4),
    (Kind::Throttle, "narrow links", 2),
    (Kind::Full, "full disk", 3),
];

/// How a server is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Runs,
    Stands,
    Down,
}

/// What ends a fault.
#[derive(Debug)]
enum Undo {
    Start(usize),
    Continue(usize),
    Directions(Vec<(usize, usize)>),
    Empty(usize),
}

/// The servers, what lies between them, and what is wrong with them now.
#[derive(Debug)]
pub struct Faults {
    // Before the cluster, whose folder they are mounted in.
    disks: BTreeMap<usize, (SmallDisk, bool)>,
    pub cluster: TestCluster,
    pub between: Between,
    world: Arc<World>,
    rng: Rng,
    states: Vec<State>,
    undo: Vec<(Instant, Undo)>,
    /// A rolling restart: the servers that are still to be restarted.
    rolling: Vec<usize>,
    pub counts: BTreeMap<&'static str, u64>,
    /// Processes that ended by themselves.
    pub died: Vec<String>,
}

impl Faults {
    pub fn new(
        cluster: TestCluster,
        between: Between,
        disks: BTreeMap<usize, SmallDisk>,
        world: Arc<World>,
        rng: Rng,
    ) -> Faults {
        let states = vec![State::Runs; cluster.servers.len()];
        let disks = disks.into_iter().map(|(server, disk)| (server, (disk, false))).collect();
        let (undo, rolling, counts, died) = (Vec::new(), Vec::new(), BTreeMap::new(), Vec::new());
        Faults { disks, cluster, between, world, rng, states, undo, rolling, counts, died }
    }

    /// Flags that the servers need for these faults.
    pub fn flags() -> [&'static str; 2] {
        ["--disk-reserve", RESERVE]
    }

    /// Servers that could answer now.
    pub fn running(&self) -> Vec<usize> {
        (0..self.states.len()).filter(|server| self.states[*server] == State::Runs).collect()
    }

    /// Ends what is due.
    pub fn tick(&mut self) {
        let now = Instant::now();
        while let Some(at) = self.undo.iter().position(|(due, _)| *due <= now) {
            let (_, undo) = self.undo.swap_remove(at);
            self.end(undo);
        }
        if let Some(server) = self.rolling.last().copied()
            && !self.states.contains(&State::Down)
        {
            self.rolling.pop();
            self.stop(server, Duration::from_millis(200));
        }
        for server in self.running() {
            if self.cluster.servers[server].as_mut().is_some_and(|process| !process.is_running()) {
                self.died.push(format!("server {server} ended by itself:\n{}", self.cluster.log(server)));
                self.cluster.servers[server] = None;
                self.start(server);
            }
        }
    }

    /// Begins a fault; `left` is how long the run goes on.
    pub fn begin(&mut self, left: Duration) {
        let weights: Vec<u32> =
            KINDS.iter().map(|(kind, _, weight)| weight * u32::from(self.can(*kind))).collect();
        if weights.iter().all(|weight| *weight == 0) {
            return;
        }
        let (kind, name, _) = KINDS[weighted(&mut self.rng, &weights)];
        *self.counts.entry(name).or_default() += 1;
        let until = Instant::now() + self.span(200, 8_000).min(left);
        let servers = self.states.len();
        match kind {
            Kind::Kill => {
                let running = self.running();
                let server = running[self.rng.usize(0..running.len())];
                self.kill(server, until);
            }
            Kind::KillAll => {
                for server in 0..servers {
                    let until = Instant::now() + self.span(0, 2_000).min(left);
                    if self.states[server] != State::Down {
                        self.kill(server, until);
                    }
                }
            }
            Kind::Restart => {
                let running = self.running();
                let server = running[self.rng.usize(0..running.len())];
                let away = self.span(0, 4_000).min(left);
                self.stop(server, away);
            }
            Kind::Rolling => self.rolling = (0..servers).collect(),
            Kind::Pause => self.pause(left),
            Kind::Full => self.fill(until),
            _ => self.links(kind, until),
        }
    }

    fn can(&self, kind: Kind) -> bool {
        let running = self.running().len();
        let quiet = self.rolling.is_empty() && running == self.states.len();
        match kind {
            Kind::Kill | Kind::Restart | Kind::Pause => running > 3,
            Kind::KillAll | Kind::Rolling => quiet,
            Kind::Reset | Kind::Delay | Kind::Throttle => self.between.shapes(),
            Kind::Full => self.disks.values().any(|(_, full)| !full),
            _ => true,
        }
    }

    fn span(&mut self, low_ms: u64, high_ms: u64) -> Duration {
        Duration::from_millis(span(&mut self.rng, low_ms, high_ms))
    }

    fn links(&mut self, kind: Kind, until: Instant) {
        let servers = self.states.len();
        let a = self.rng.usize(0..servers);
        let b = (a + self.rng.usize(1..servers)) % servers;
        let silent = self.rng.bool();
        let cut = move |direction: &mut Direction| match silent {
            true => direction.silent = true,
            false => direction.cut = true,
        };
        let part: Vec<usize> = (0..servers).filter(|server| *server == a || *server == b).collect();
        let across = |both: bool| {
            let of = |from: &usize, to: &usize| part.contains(from) && !part.contains(to);
            let all = (0..servers).flat_map(move |from| (0..servers).map(move |to| (from, to)));
            all.filter(|(from, to)| of(from, to) || both && of(to, from)).collect::<Vec<_>>()
        };
        let directions = match kind {
            Kind::Reset => {
                self.between.set(a, b, |direction| direction.resets += 1);
                return;
            }
            Kind::OneWay => self.change(&[(a, b)], |direction| direction.silent = true),
            Kind::Pair => self.change(&[(a, b), (b, a)], cut),
            Kind::Split => self.change(&across(true), cut),
            Kind::SplitOneWay => self.change(&across(false), |direction| direction.silent = true),
            Kind::Delay => {
                let delay_us = span(&mut self.rng, 1_000, 300_000);
                let jitter_us = span(&mut self.rng, 0, 100_000);
                let all = self.some_directions(a);
                self.change(&all, |direction| {
                    (direction.delay_us, direction.jitter_us) = (delay_us, jitter_us)
                })
            }
            _ => {
                let bytes_per_s = span(&mut self.rng, 4_000, 200_000);
                let all = self.some_directions(a);
                self.change(&all, |direction| direction.bytes_per_s = bytes_per_s)
            }
        };
        self.undo.push((until, Undo::Directions(directions)));
    }

    /// All directions to and from a server, or some of them.
    fn some_directions(&mut self, server: usize) -> Vec<(usize, usize)> {
        let others = (0..self.states.len()).filter(|other| *other != server);
        let mut all: Vec<(usize, usize)> =
            others.flat_map(|other| [(server, other), (other, server)]).collect();
        if self.rng.bool() {
            self.rng.shuffle(&mut all);
            all.truncate(3);
        }
        all
    }

    fn change(&self, directions: &[(usize, usize)], change: impl Fn(&mut Direction)) -> Vec<(usize, usize)> {
        directions.iter().for_each(|&(from, to)| self.between.set(from, to, &change));
        directions.to_vec()
    }

    fn kill(&mut self, server: usize, until: Instant) {
        self.forget_process(server);
        self.cluster.kill(server);
        self.undo.push((until, Undo::Start(server)));
    }

    /// A clean stop; it may not take long.
    fn stop(&mut self, server: usize, away: Duration) {
        if self.states[server] != State::Runs {
            return;
        }
        self.forget_process(server);
        let process = self.cluster.servers[server].take().expect("it runs");
        if process.terminate() != Some(0) {
            self.died.push(format!("server {server} does not stop cleanly:\n{}", self.cluster.log(server)));
        }
        self.undo.push((Instant::now() + away, Undo::Start(server)));
    }

    fn forget_process(&mut self, server: usize) {
        self.states[server] = State::Down;
        self.undo.retain(|(_, undo)| !matches!(undo, Undo::Continue(at) if *at == server));
    }

    fn start(&mut self, server: usize) {
        self.world.lives[server].fetch_add(1, SeqCst);
        self.cluster.start(server, &[]);
        self.states[server] = State::Runs;
    }

    /// SIGSTOP, from a tenth of a second to a minute, short ones being more frequent.
    fn pause(&mut self, left: Duration) {
        let running = self.running();
        let server = running[self.rng.usize(0..running.len())];
        let most_ms = if chance(&mut self.rng, 200) { 60_000 } else { 5_000 };
        let away = self.span(100, most_ms).min(left);
        self.cluster.process(server).signal("-STOP");
        self.states[server] = State::Stands;
        self.undo.push((Instant::now() + away, Undo::Continue(server)));
    }

    fn fill(&mut self, until: Instant) {
        let free: Vec<usize> =
            self.disks.iter().filter(|(_, (_, full))| !full).map(|(server, _)| *server).collect();
        let server = free[self.rng.usize(0..free.len())];
        let (disk, full) = self.disks.get_mut(&server).expect("it is one of them");
        disk.fill();
        *full = true;
        self.undo.push((until, Undo::Empty(server)));
    }

    fn end(&mut self, undo: Undo) {
        match undo {
            Undo::Start(server) => self.start(server),
            Undo::Continue(server) => {
                self.cluster.process(server).signal("-CONT");
                self.states[server] = State::Runs;
            }
            Undo::Directions(directions) => {
                let whole = |direction: &mut Direction| {
                    *direction = Direction { resets: direction.resets, ..Direction::default() };
                };
                directions.iter().for_each(|&(from, to)| self.between.set(from, to, whole));
            }
            Undo::Empty(server) => {
                let (disk, full) = self.disks.get_mut(&server).expect("it was filled");
                disk.empty();
                *full = false;
            }
        }
    }

    /// Ends all faults.
    pub fn heal(&mut self) {
        self.rolling.clear();
        for (_, undo) in std::mem::take(&mut self.undo) {
            self.end(undo);
        }
        self.between.heal();
    }
}
