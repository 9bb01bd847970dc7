//! What goes wrong, when, and for how long. Every fault that begins is counted, and every one ends.

use crate::{
    event::{Event, Mend},
    network::Cut,
    random::{chance, span, weighted},
    server::{State, Stop},
    world::World,
};
use clockwise_core::{
    ids::Epoch,
    layout::{Layout, LayoutSpec},
    slot::Slot,
};

/// A kind of fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// A server is stopped cleanly and started.
    Restart,
    /// A server's process is killed.
    Kill,
    /// A server loses its power.
    Power,
    /// Some servers lose their power at once.
    PowerSome,
    /// All servers lose their power at once.
    PowerAll,
    /// A process stands still.
    Pause,
    /// A link's session breaks.
    Reset,
    /// One direction of a link is cut.
    OneWay,
    /// A link is cut: with three servers a partition that is not transitive.
    Pair,
    /// The servers fall into two parts.
    Split,
    /// One direction of a link is slow.
    Slow,
    /// A disk is slow.
    SlowDisk,
    /// A wall clock steps.
    Jump,
    /// A wall clock runs fast or slow.
    Drift,
    /// All owners of a key stop at once, each in its own way, and come back one by one.
    Owners,
    /// All owners of a key are cut off from the others, and those from them.
    CutOwners,
    /// A disk is nearly full.
    Full,
    /// Bits flip in files of the server whose disk rots.
    Rot,
}

/// How many kinds there are.
pub(crate) const KINDS: usize = 18;

const ALL: [Kind; KINDS] = [
    Kind::Restart,
    Kind::Kill,
    Kind::Power,
    Kind::PowerSome,
    Kind::PowerAll,
    Kind::Pause,
    Kind::Reset,
    Kind::OneWay,
    Kind::Pair,
    Kind::Split,
    Kind::Slow,
    Kind::SlowDisk,
    Kind::Jump,
    Kind::Drift,
    Kind::Owners,
    Kind::CutOwners,
    Kind::Full,
    Kind::Rot,
];

/// Longest time that a fault lasts in most mixes: shorter than gossip needs to declare anybody down.
pub(crate) const LASTS_US: u64 = 1_500_000;
/// Longest time in the mix that lets gossip do so.
pub(crate) const LONG_US: u64 = 9_000_000;
/// What happens in the middle of rounds.
const IN_ROUNDS: [Kind; 8] = [
    Kind::Restart,
    Kind::Kill,
    Kind::Power,
    Kind::Power,
    Kind::PowerSome,
    Kind::Pause,
    Kind::OneWay,
    Kind::SlowDisk,
];
/// Ticks in the middle of a round in a thousand that something happens in.
const STRIKES_PER_MILLE: u32 = 15;
/// How long servers without power are back before they lose it again, at most.
const BACK_US: u64 = 250_000;
/// How long they are without it then.
const RELAPSE_US: u64 = 20_000;
/// How often that happens after the first time.
const RELAPSES: u8 = 3;
/// Furthest that a clock jumps beyond the bound.
const BEYOND_US: u64 = 2_000_000;

impl World {
    /// Lets the next fault happen.
    pub(crate) fn fault(&mut self) {
        let kind = ALL[weighted(&mut self.fault_rng, &self.plan.weights)];
        let one = self.fault_rng.usize(0..self.servers.len());
        self.inflict(kind, one);
    }

    /// Now and then something happens to a server in the middle of a round.
    pub(crate) fn strike(&mut self, server: usize) {
        if chance(&mut self.fault_rng, STRIKES_PER_MILLE) {
            let kind = IN_ROUNDS[self.fault_rng.usize(0..IN_ROUNDS.len())];
            self.inflict(kind, server);
        }
    }

    fn inflict(&mut self, kind: Kind, one: usize) {
        let servers = self.servers.len();
        let other = (one + self.fault_rng.usize(1..servers)) % servers;
        self.stats.faults += 1;
        self.note(|| format!("fault {kind:?} at s{} (s{})", one + 1, other + 1));
        match kind {
            Kind::Restart => self.halt(one, Stop::Clean),
            Kind::Kill => self.halt(one, Stop::Kill),
            Kind::Power => self.halt(one, Stop::Power),
            Kind::PowerSome => {
                self.halt(one, Stop::Power);
                self.halt(other, Stop::Power);
            }
            Kind::PowerAll => (0..servers).for_each(|server| self.halt(server, Stop::Power)),
            Kind::Pause => self.pause(one),
            Kind::Reset => self.break_link(one, other),
            Kind::OneWay => self.cut_for_a_while(&[(one, other)]),
            Kind::Pair => self.cut_for_a_while(&[(one, other), (other, one)]),
            Kind::Split => self.split(),
            Kind::Slow => {
                let slowness = self.fault_rng.u64(5..=100);
                self.network.slow(one, other, slowness);
                let lasts = self.lasts();
                self.queue.after(lasts, Event::Mend(Mend::Speed { from: one, to: other }));
            }
            Kind::SlowDisk => {
                self.servers[one].disk_slowness = self.fault_rng.u64(5..=60);
                let lasts = self.lasts();
                self.queue.after(lasts, Event::Mend(Mend::Disk { server: one }));
            }
            Kind::Jump => self.jump(one),
            Kind::Drift => {
                let at_us = self.queue.now_us();
                let drift_ppm = self.fault_rng.i64(-20_000..=20_000);
                self.servers[one].clock.drift(drift_ppm, at_us);
            }
            Kind::Owners => self.halt_owners(),
            Kind::Full => {
                self.servers[one].disk.fill(true);
                let lasts = LASTS_US + self.lasts();
                self.queue.after(lasts, Event::Mend(Mend::Room { server: one }));
            }
            Kind::Rot => self.rot(),
            Kind::CutOwners => {
                let owners = self.owners_of_a_key();
                let side: Vec<bool> = (0..servers).map(|server| owners.contains(&server)).collect();
                self.separate(&side);
            }
        }
    }

    /// One disk of the cluster rots, always the same: so whatever a majority has acknowledged is on another.
    fn rot(&mut self) {
        let server = (self.plan.seed % self.servers.len() as u64) as usize;
        let log = chance(&mut self.fault_rng, 300);
        // A log that is cut short by a crash does not tell a bit that flipped in its last piece from one that was never
        // written.
        if log || self.fault_rng.bool() {
            self.halt(server, Stop::Clean);
        }
        let seed = self.fault_rng.u64(..);
        let ending = if log && self.servers[server].state == State::Down { "log" } else { "sst" };
        let flipped = self.servers[server].disk.rot(ending, seed);
        self.note(|| format!("{flipped} bits flip in {ending} files of s{}", server + 1));
    }

    fn halt_owners(&mut self) {
        let owners = self.owners_of_a_key();
        let together = self.fault_rng.bool();
        let common = span(&mut self.fault_rng, 5_000, self.plan.lasts_us);
        for &owner in &owners {
            let how = [Stop::Clean, Stop::Kill, Stop::Power][self.fault_rng.usize(0..3)];
            let lasts = if together { common } else { span(&mut self.fault_rng, 5_000, self.plan.lasts_us) };
            self.halt_for(owner, how, lasts);
        }
        if together {
            // Whatever they were given in the meantime is in their memory, or on its way.
            let back = self.fault_rng.u64(1_000..BACK_US);
            self.queue.after(common + back, Event::Mend(Mend::Relapse { servers: owners, more: RELAPSES }));
        }
    }

    fn relapse(&mut self, servers: Vec<usize>, more: u8) {
        servers.iter().for_each(|&server| self.halt_for(server, Stop::Power, RELAPSE_US));
        if let Some(more) = more.checked_sub(1) {
            let back = self.fault_rng.u64(1_000..BACK_US);
            self.queue.after(RELAPSE_US + back, Event::Mend(Mend::Relapse { servers, more }));
        }
    }

    /// The owners of a key that clients use now.
    fn owners_of_a_key(&mut self) -> Vec<usize> {
        let phase = self.history.phase;
        let keys: Vec<usize> =
            (0..self.history.keys.len()).filter(|key| self.history.keys[*key].phase == phase).collect();
        let key = keys[self.fault_rng.usize(0..keys.len())];
        let owners = self.layout.owners(Slot::of(&self.history.keys[key].name));
        owners.iter().map(|owner| owner.0 as usize - 1).collect()
    }

    fn lasts(&mut self) -> u64 {
        span(&mut self.fault_rng, 1_000, self.plan.lasts_us)
    }

    /// Ends a server's process, and lets another start after a while.
    pub(crate) fn halt(&mut self, server: usize, how: Stop) {
        let lasts = span(&mut self.fault_rng, 5_000, self.plan.lasts_us);
        self.halt_for(server, how, lasts);
    }

    fn halt_for(&mut self, server: usize, how: Stop, lasts: u64) {
        if self.servers[server].state == State::Down {
            return;
        }
        if how == Stop::Clean && self.servers[server].state == State::Paused {
            self.resume(server);
        }
        self.stop_server(server, how);
        let life = self.servers[server].life;
        self.note(|| format!("s{} down ({how:?}) for {lasts} us", server + 1));
        self.queue.after(lasts, Event::Mend(Mend::Start { server, life }));
    }

    fn pause(&mut self, server: usize) {
        if self.servers[server].state != State::Running {
            return;
        }
        self.servers[server].state = State::Paused;
        let lasts = self.lasts();
        let life = self.servers[server].life;
        self.queue.after(lasts, Event::Mend(Mend::Resume { server, life }));
    }

    fn jump(&mut self, server: usize) {
        let at_us = self.queue.now_us();
        let beyond = chance(&mut self.fault_rng, self.plan.beyond_per_mille);
        let bound = if beyond { BEYOND_US } else { self.plan.skew_us } as i64;
        let offset_us = self.fault_rng.i64(-bound..=bound);
        self.servers[server].clock.jump(offset_us, at_us);
    }

    fn split(&mut self) {
        let servers = self.servers.len();
        let sides: Vec<bool> = (0..servers).map(|_| self.fault_rng.bool()).collect();
        self.separate(&sides);
    }

    fn separate(&mut self, sides: &[bool]) {
        let servers = self.servers.len();
        let cuts: Vec<(usize, usize)> = (0..servers)
            .flat_map(|a| (0..servers).map(move |b| (a, b)))
            .filter(|(a, b)| sides[*a] != sides[*b])
            .collect();
        self.cut_for_a_while(&cuts);
    }

    fn cut_for_a_while(&mut self, directions: &[(usize, usize)]) {
        let lasts = self.lasts();
        // Stalling and swallowing show in different ways; a cut that closes connections is known at once.
        let cut = if self.fault_rng.bool() { Cut::Stall } else { Cut::Swallow };
        let closes = chance(&mut self.fault_rng, 400);
        for &(from, to) in directions {
            let number = self.network.cut(from, to, cut);
            self.queue.after(lasts, Event::Mend(Mend::Link { from, to, cut: number }));
            // What a cut swallowed is missing from its session: no link of that session may live on.
            if closes || cut == Cut::Swallow {
                let late = if closes { 0 } else { lasts };
                self.doom_link(from, to, late);
            }
        }
    }

    /// Lets a fault end.
    pub(crate) fn mend(&mut self, mend: Mend) {
        match mend {
            Mend::Room { server } => self.servers[server].disk.fill(false),
            Mend::Relapse { .. } if self.healing => {}
            Mend::Relapse { servers, more } => self.relapse(servers, more),
            Mend::Start { server, life } => {
                if self.servers[server].state == State::Down && self.servers[server].life == life {
                    self.start_server(server);
                }
            }
            Mend::Resume { server, life } => {
                if self.servers[server].state == State::Paused && self.servers[server].life == life {
                    self.resume(server);
                }
            }
            Mend::Link { from, to, cut } => {
                let (session, arrivals) = self.network.mend(from, to, cut, self.queue.now_us());
                for (at_us, bytes) in arrivals {
                    self.queue.at(at_us, Event::Frame { from, to, session, bytes });
                }
            }
            Mend::Break { a, b } => self.break_link(a, b),
            Mend::Speed { from, to } => self.network.slow(from, to, 1),
            Mend::Disk { server } => self.servers[server].disk_slowness = 1,
        }
    }

    /// A new layout with the same members at other places of the ring: every slot moves. It is put on all servers
    /// but one, so that the old one has no quorum left, and clients go on with keys that they never used before.
    pub(crate) fn change_layout(&mut self) {
        let late = self.fault_rng.usize(0..self.servers.len());
        let spec = self.layout.spec();
        let mut members = spec.members.clone();
        for (index, member) in members.iter_mut().enumerate() {
            member.token_seed = self.fault_rng.u64(..);
            // Whoever owns little is asked little, and so learns late.
            member.weight = if index == late { 1 } else { 12 };
        }
        let spec = LayoutSpec { epoch: Epoch(spec.epoch.0 + 1), members, ..spec.clone() };
        let layout = Layout::new(spec).expect("the members are those of a layout that was accepted");
        let bytes = bytes::Bytes::from(layout.encode());
        self.layout = std::sync::Arc::new(layout);
        self.stats.faults += 1;
        self.note(|| format!("fault: new layout on all but s{}", late + 1));
        for server in (0..self.servers.len()).filter(|server| *server != late) {
            if self.servers[server].process.is_some() {
                self.install_layout(server, bytes.clone());
            } else {
                let saved = self.servers[server].disk.save_layout(bytes.clone());
                self.must(server, saved);
            }
        }
        self.begin_phase();
    }
}
