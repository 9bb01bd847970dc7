//! The world: replicas of one key, and everything that ever left one of them.

use clockwise_core::{
    hlc::Hlc,
    ids::{Actor, Dot, MemberNumber},
    version::{DotRange, DotSet, Mark, Record, SlotLines, Token, Write},
};
use std::collections::{BTreeSet, HashMap};

/// A set of writes, by their index.
pub type Ghost = u128;

/// Writes of one run; below the limit of siblings and the bits of a ghost.
pub const MAX_WRITES: usize = 60;

/// A record and what it stands for.
#[derive(Clone, Default)]
pub struct Known {
    pub record: Record,
    /// The writes that were joined into it. Their contexts stand for more: see [`World::ghost`].
    pub joined: Ghost,
    /// Those whose bytes were freed.
    pub freed: Ghost,
}

impl Known {
    pub fn join(&mut self, other: &Known) {
        self.record.join(&other.record);
        self.joined |= other.joined;
        self.freed |= other.freed;
    }
}

/// A minted write and the writes that its context stands for.
pub struct Minted {
    pub write: Write,
    pub covers: Ghost,
}

pub struct Replica {
    pub me: Actor,
    pub known: Known,
    pub lines: SlotLines,
    /// States of this life that a crash may bring back.
    pub history: Vec<Known>,
    /// How far its wall clock is ahead.
    pub skew_ms: u64,
}

/// A record on its way, with its sender's lines when it was read.
pub struct Frame {
    pub refuse: Hlc,
    pub collect: Hlc,
    pub known: Known,
}

/// A token and the writes that it stands for.
#[derive(Clone)]
pub struct Given {
    pub token: Token,
    pub ghost: Ghost,
}

pub struct World {
    pub rng: fastrand::Rng,
    pub replicas: Vec<Replica>,
    pub writes: Vec<Minted>,
    pub frames: Vec<Frame>,
    pub tokens: Vec<Given>,
    pub wall_ms: u64,
    /// Writes in some collected record: a fill may claim these, and no others.
    pub buried: Ghost,
    /// Every record that ever was, by its (seen, mark).
    pub by_identity: HashMap<(DotSet, Mark), Record>,
}

impl World {
    pub fn new(seed: u64, replicas: u32) -> World {
        let mut rng = fastrand::Rng::with_seed(seed);
        let max_skew_ms = *rng.choice(&[0, 5, 40]).expect("three to choose from");
        let replica = |member| Replica {
            me: Actor { member: MemberNumber(member), incarnation: 1 },
            known: Known::default(),
            lines: SlotLines::default(),
            history: vec![Known::default()],
            skew_ms: rng.u64(0..=max_skew_ms),
        };
        let replicas = (1..=replicas).map(replica).collect();
        World {
            rng,
            replicas,
            writes: Vec::new(),
            frames: Vec::new(),
            tokens: vec![Given { token: Token::EMPTY, ghost: 0 }],
            wall_ms: 1,
            buried: 0,
            by_identity: HashMap::new(),
        }
    }

    /// All writes that a record stands for: those in it, and what they replaced.
    pub fn ghost(&self, known: &Known) -> Ghost {
        each(known.joined).fold(known.joined, |all, index| all | self.writes[index].covers)
    }

    /// The replica's state has changed: check it, remember it, and let it leave.
    pub fn changed(&mut self, at: usize) {
        let Replica { known, lines, .. } = &self.replicas[at];
        let (known, refuse, collect) = (known.clone(), lines.refuse, lines.collect);
        let ghost = self.ghost(&known);
        self.check(&known);
        self.replicas[at].history.push(known.clone());
        self.tokens.push(Given { token: known.record.token(), ghost });
        self.frames.push(Frame { refuse, collect, known });
    }

    /// What is at the replica now survives a crash.
    pub fn synced(&mut self, at: usize) {
        let replica = &mut self.replicas[at];
        replica.history = vec![replica.known.clone()];
    }
}

/// Each dot by itself.
pub fn expand(ranges: &[DotRange]) -> BTreeSet<Dot> {
    let each = |range: &DotRange| {
        let actor = range.actor;
        (range.lo..=range.hi).map(move |counter| Dot { actor, counter })
    };
    ranges.iter().flat_map(each).collect()
}

/// The writes of a ghost.
pub fn each(ghost: Ghost) -> impl Iterator<Item = usize> {
    (0..MAX_WRITES).filter(move |index| ghost >> index & 1 == 1)
}
