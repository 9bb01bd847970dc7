//! Mixes: named ways to be unkind. A mix and a seed make a plan, and a plan makes a run.

use crate::{
    faults::{KINDS, Kind, LASTS_US, LONG_US},
    network::Style,
    random::{chance, stream},
    workload::Shares,
};
use clockwise_core::canary::Canary;
use fastrand::Rng;

/// What a run is mostly about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mix {
    /// Clean restarts, short pauses and reset links.
    Calm,
    /// Cuts, partitions, slow, lossy and doubling links.
    Network,
    /// Kills and power cuts of one, some and all servers, slow disks.
    Crash,
    /// Skewed, drifting and jumping wall clocks over slow links.
    Clock,
    /// A new layout that some servers learn late.
    Layout,
    /// All of it.
    Everything,
    /// All owners of a key down at once, again and again, so that stand-ins take the writes.
    StandIn,
    /// Faults of many seconds, of everything: gossip declares servers down, and takes them back.
    Long,
    /// Keys are deleted and left alone until they are collected, then written again, for more than a minute.
    Deletes,
    /// Bits flip in the files of one server, again and again, while others are killed and cut off.
    Rot,
}

/// Seeds that the tests run of each mix, from 1 on: 790 in all. The second round is needed by few of `clock`: it has most.
pub const TESTED: [(Mix, u64); 10] = [
    (Mix::Calm, 50),
    (Mix::Network, 100),
    (Mix::Crash, 120),
    (Mix::Clock, 160),
    (Mix::Layout, 60),
    (Mix::Everything, 90),
    (Mix::StandIn, 110),
    (Mix::Long, 30),
    (Mix::Deletes, 30),
    (Mix::Rot, 40),
];

impl Mix {
    /// How many of its seeds the tests run.
    pub fn tested(self) -> u64 {
        TESTED.iter().find(|(mix, _)| *mix == self).map_or(0, |(_, seeds)| *seeds)
    }

    /// All mixes.
    pub const ALL: [Mix; 10] = [
        Mix::Calm,
        Mix::Network,
        Mix::Crash,
        Mix::Clock,
        Mix::Layout,
        Mix::Everything,
        Mix::StandIn,
        Mix::Long,
        Mix::Deletes,
        Mix::Rot,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Mix::Calm => "calm",
            Mix::Network => "network",
            Mix::Crash => "crash",
            Mix::Clock => "clock",
            Mix::Layout => "layout",
            Mix::Everything => "everything",
            Mix::StandIn => "stand-in",
            Mix::Long => "long",
            Mix::Rot => "rot",
            Mix::Deletes => "deletes",
        }
    }

    /// The mix with this name.
    pub fn parse(name: &str) -> Option<Mix> {
        Mix::ALL.into_iter().find(|mix| mix.name() == name)
    }

    fn faults(self) -> &'static [(Kind, u32)] {
        match self {
            Mix::Calm => &[(Kind::Restart, 3), (Kind::Pause, 3), (Kind::Reset, 4)],
            Mix::Network | Mix::Layout => &[
                (Kind::Reset, 2),
                (Kind::OneWay, 4),
                (Kind::Pair, 3),
                (Kind::Split, 3),
                (Kind::Slow, 5),
                (Kind::Pause, 1),
                (Kind::Kill, 1),
            ],
            Mix::Crash => &[
                (Kind::Restart, 3),
                (Kind::Kill, 5),
                (Kind::Power, 5),
                (Kind::PowerSome, 3),
                (Kind::PowerAll, 3),
                (Kind::SlowDisk, 3),
                (Kind::OneWay, 1),
                (Kind::Slow, 2),
            ],
            Mix::Clock => &[
                (Kind::Jump, 6),
                (Kind::Drift, 4),
                (Kind::Slow, 6),
                (Kind::OneWay, 2),
                (Kind::Pause, 1),
                (Kind::Kill, 1),
                (Kind::Restart, 1),
            ],
            Mix::Everything => &[
                (Kind::Restart, 2),
                (Kind::Kill, 3),
                (Kind::Power, 3),
                (Kind::PowerSome, 1),
                (Kind::PowerAll, 1),
                (Kind::Pause, 2),
                (Kind::Reset, 2),
                (Kind::OneWay, 3),
                (Kind::Pair, 2),
                (Kind::Split, 2),
                (Kind::Slow, 4),
                (Kind::SlowDisk, 2),
                (Kind::Jump, 2),
                (Kind::Drift, 1),
            ],
            Mix::Long => LONG,
            Mix::Rot => ROT,
            Mix::Deletes => DELETES,
            Mix::StandIn => &[
                (Kind::Owners, 6),
                (Kind::CutOwners, 6),
                (Kind::Full, 2),
                (Kind::Kill, 1),
                (Kind::Power, 1),
                (Kind::Restart, 1),
                (Kind::Pause, 1),
                (Kind::OneWay, 1),
                (Kind::Slow, 2),
                (Kind::SlowDisk, 2),
            ],
        }
    }
}

/// Of everything, each for seconds.
const LONG: &[(Kind, u32)] = &[
    (Kind::Kill, 3),
    (Kind::Power, 3),
    (Kind::Restart, 1),
    (Kind::Pause, 3),
    (Kind::OneWay, 3),
    (Kind::Pair, 2),
    (Kind::Split, 3),
    (Kind::CutOwners, 2),
    (Kind::Slow, 1),
    (Kind::SlowDisk, 1),
    (Kind::Full, 1),
    (Kind::Jump, 1),
];

/// One disk that rots, and what else happens to a cluster.
const ROT: &[(Kind, u32)] = &[
    (Kind::Rot, 10),
    (Kind::Kill, 2),
    (Kind::Power, 2),
    (Kind::Restart, 2),
    (Kind::Pair, 2),
    (Kind::OneWay, 2),
    (Kind::Slow, 2),
    (Kind::SlowDisk, 1),
    (Kind::Pause, 1),
];

/// All faults, those of owners among them.
const DELETES: &[(Kind, u32)] = &[
    (Kind::Owners, 2),
    (Kind::CutOwners, 2),
    (Kind::Restart, 2),
    (Kind::Kill, 3),
    (Kind::Power, 3),
    (Kind::PowerSome, 1),
    (Kind::PowerAll, 1),
    (Kind::Pause, 2),
    (Kind::Reset, 2),
    (Kind::OneWay, 3),
    (Kind::Pair, 2),
    (Kind::Split, 2),
    (Kind::Slow, 4),
    (Kind::SlowDisk, 3),
    (Kind::Jump, 2),
    (Kind::Drift, 1),
];

/// Owners are cut off, and nothing else.
const CUTS: &[(Kind, u32)] = &[(Kind::CutOwners, 8), (Kind::Slow, 1), (Kind::OneWay, 1)];

fn weights(faults: &[(Kind, u32)]) -> [u32; KINDS] {
    let mut weights = [0; KINDS];
    for (kind, weight) in faults {
        weights[*kind as usize] = *weight;
    }
    weights
}

/// What the servers keep their data in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreKind {
    /// The real engine on a simulated disk.
    Files,
    /// A store without files, to tell whose fault it is.
    Memory,
}

/// Everything about a run that is fixed before it begins.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) mix: Mix,
    pub(crate) canary: Canary,
    pub(crate) store: StoreKind,
    /// How many shards the processes of each server have.
    pub(crate) shards: Vec<u16>,
    /// N.
    pub(crate) replicas: u8,
    pub(crate) style: Style,
    pub(crate) clients: usize,
    /// Client operations, at least.
    pub(crate) operations: u64,
    /// Faults, at least.
    pub(crate) faults: u64,
    /// Time that clients take between an answer and the next operation, at most.
    pub(crate) think_us: u64,
    /// Time between faults, at most.
    pub(crate) gap_us: u64,
    /// Time that a fault lasts, at most.
    pub(crate) lasts_us: u64,
    /// Furthest that a wall clock is off, in the normal way of things.
    pub(crate) skew_us: u64,
    /// Jumps in a thousand that go further.
    pub(crate) beyond_per_mille: u32,
    pub(crate) weights: [u32; KINDS],
    pub(crate) shares: Shares,
    /// No level is below a majority: what a minority acknowledged under an old layout, or on a disk that rots, is nobody's
    /// to find.
    pub(crate) majorities: bool,
    /// Causal writes in a thousand that are blind instead.
    pub(crate) blind_per_mille: u32,
    /// Lookups in a thousand that need the disk.
    pub(crate) cold_per_mille: u32,
    /// Whether servers compare their slots all the time.
    pub(crate) exchange: bool,
    /// Whether they collect what is deleted or expired.
    pub(crate) collect: bool,
    /// Keys take turns: each is used for so long, then left alone twice as long; 0: all of them all the time.
    pub(crate) turn_us: u64,
    /// How long a sync of the log takes.
    pub(crate) sync_us: (u64, u64),
}

/// Client operations that make a seed.
pub const OPERATIONS: u64 = 1_000;
/// Faults that make a seed.
pub const FAULTS: u64 = 10;

impl Plan {
    /// The plan of a seed.
    pub(crate) fn new(mix: Mix, seed: u64, canary: Canary, store: StoreKind) -> Plan {
        let mut rng = stream(seed, "plan", 0);
        let servers = match rng.u32(0..10) {
            0..=3 => 3,
            4..=5 => 4,
            6..=8 => 5,
            _ => rng.usize(6..=7),
        };
        let servers = match mix {
            Mix::Layout => 5,
            Mix::StandIn | Mix::Long => 5 + 2 * (seed % 2) as usize,
            // Where nobody stands in, plain writes at sloppy majorities promise more.
            Mix::Clock if !seed.is_multiple_of(3) => 3,
            _ => servers,
        };
        let fixed = matches!(mix, Mix::Layout | Mix::StandIn | Mix::Long);
        let replicas = if servers >= 5 && !fixed && chance(&mut rng, 200) { 5 } else { 3 };
        // In half of its seeds no process ends, so that what a stand-in remembers must do.
        let cuts_only = mix == Mix::StandIn && seed % 4 < 2;
        let (long, deletes) = (mix == Mix::Long, mix == Mix::Deletes);
        let gaps = if long {
            8
        } else if deletes {
            10
        } else if cuts_only {
            3
        } else {
            1
        };
        Plan {
            seed,
            mix,
            canary,
            store,
            shards: (0..servers).map(|_| rng.u16(1..=3)).collect(),
            replicas,
            style: style(mix, seed, &mut rng),
            clients: rng.usize(6..=14),
            operations: if mix == Mix::StandIn { OPERATIONS * 3 / 2 } else { OPERATIONS },
            faults: FAULTS,
            // Long faults want clients that are there for long, and so do keys that are left alone.
            think_us: 1_000
                * rng.u64(5..=60)
                * if long {
                    8
                } else if deletes {
                    30
                } else {
                    1
                },
            gap_us: 1_000 * gaps * rng.u64(150..=450),
            lasts_us: if long { LONG_US } else { LASTS_US },
            // Two clocks are then at most 500 ms apart.
            skew_us: if chance(&mut rng, 700) || mix == Mix::Clock { 250_000 } else { 1_000 },
            beyond_per_mille: if mix == Mix::Clock { 300 } else { 0 },
            weights: weights(if cuts_only { CUTS } else { mix.faults() }),
            shares: shares(mix, seed, &mut rng),
            majorities: matches!(mix, Mix::Layout | Mix::Rot),
            blind_per_mille: if mix == Mix::StandIn { 650 } else { 0 },
            cold_per_mille: [0, 20, 300][rng.usize(0..3)],
            sync_us: [(200, 2_000), (1_000, 20_000)][rng.usize(0..2)],
            // Compared all the time, replicas are seldom so far apart that a plain write is beaten.
            exchange: (rng.bool() || deletes) && (mix != Mix::Clock || seed.is_multiple_of(3)),
            collect: true,
            turn_us: if deletes { 12_000_000 } else { 0 },
        }
    }
}

#[cfg(test)]
impl Plan {
    /// A cluster in which nothing happens by itself: true clocks, quick links and disks, one shard a server.
    pub(crate) fn quiet(servers: usize, canary: Canary) -> Plan {
        let style = Style {
            delay_low_us: 200,
            delay_high_us: 200,
            straggle_per_mille: 0,
            drop_per_mille: 0,
            double_per_mille: 0,
            ordered: true,
            budget: 4_096,
        };
        Plan {
            shards: vec![1; servers],
            replicas: 3,
            style,
            exchange: false,
            collect: false,
            clients: 0,
            skew_us: 0,
            beyond_per_mille: 0,
            sync_us: (300, 300),
            ..Plan::new(Mix::Calm, 1, canary, StoreKind::Files)
        }
    }
}

fn style(mix: Mix, seed: u64, rng: &mut Rng) -> Style {
    let wild = matches!(mix, Mix::Network | Mix::Everything) && chance(rng, 350);
    Style {
        delay_low_us: 50,
        delay_high_us: [500, 3_000, 20_000][rng.usize(0..3)],
        straggle_per_mille: [0, 10, 50][rng.usize(0..3)],
        drop_per_mille: match wild {
            true => rng.u32(0..30),
            // A replica that misses writes is what a slow clock's plain write is beaten over.
            false if mix == Mix::Clock && !seed.is_multiple_of(3) => 60,
            false => 0,
        },
        double_per_mille: if wild { rng.u32(0..100) } else { 0 },
        ordered: !wild,
        budget: if chance(rng, 200) { 16 } else { 512 },
    }
}

fn shares(mix: Mix, seed: u64, rng: &mut Rng) -> Shares {
    match mix {
        Mix::Layout => Shares { shared: [2, 1, 0, 2, 2], own: 1, many_plain: false, deleted: false },
        Mix::Deletes => Shares { shared: [3, 3, 4, 0, 1], own: 1, many_plain: false, deleted: true },
        Mix::Clock => {
            Shares { shared: [1, 6, 1, 9, 1], own: 1, many_plain: !seed.is_multiple_of(3), deleted: false }
        }
        Mix::StandIn => Shares { shared: [8, 1, 2, 1, 2], own: 1, many_plain: false, deleted: false },
        _ => match rng.u32(0..4) {
            0 => Shares { shared: [0, 0, 0, 4, 3], own: 2, many_plain: false, deleted: false },
            1 => Shares { shared: [3, 3, 3, 0, 0], own: 2, many_plain: false, deleted: false },
            _ => Shares { shared: [3, 2, 2, 3, 3], own: 2, many_plain: false, deleted: false },
        },
    }
}
