//! Membership by gossip, and the verdict who is down. The algorithm is told in `docs/gossip.md`.
//!
//! One machine a server. Each server writes only its own [`Entry`] and adds one to its heartbeat counter each round;
//! what it knows of all it exchanges with a few random members (digest, news, entries: [`message`]). A heartbeat that
//! stands still for too long makes a *suspect*; a suspect is *down* only if another live server has seen no more
//! either and the suspect does not answer this server ([`judge`]).
//!
//! What always holds: a verdict never changes who owns a slot nor how many answers are a quorum. Nothing that a peer
//! says can make a message longer than [`GOSSIP_BYTES`](crate::limits::GOSSIP_BYTES), add a member that is not in the
//! layout, or take a heartbeat or generation back.
//!
//! Not here: pings and links (`liveness` is told the machine as "does it answer me?"), layouts themselves (the machine
//! only says from whom to pull a newer one), and what verdicts are good for.

mod exchange;
mod judge;
mod known;
pub mod message;
mod random;
mod view;

pub use judge::Verdict;
pub use message::{Beat, Contents, Entry, GossipMessage, Mark, Suspicion};
pub use view::{MemberState, MemberView};

use crate::{
    ids::{Epoch, MemberNumber},
    layout::{Addresses, Layout},
    limits::{GOSSIP_LOAD_MS, GOSSIP_LOADS, GOSSIP_STALL_MS, HEARTBEATS},
};
use alloc::vec::Vec;
use known::Known;
use random::Random;
use smallvec::SmallVec;

/// Members that one round contacts.
pub const FANOUT: usize = 3;

/// How far behind the last one a member of a sorted list is looked for.
const NEAR: usize = 8;

/// What the machine is told at its start.
#[derive(Clone, Debug)]
pub struct GossipConfig {
    /// This server's number in the layout.
    pub me: MemberNumber,
    /// How many processes have started on this server's folder, this one included.
    pub starts: u32,
    /// Milliseconds between two rounds.
    pub interval_ms: u64,
    /// A heartbeat that stands still for this long is stale, in milliseconds; for longer if it usually comes seldom.
    pub down_after_ms: u64,
    /// Where this server is reached.
    pub addresses: Addresses,
    /// Seeds the choice of partners.
    pub seed: u64,
}

/// Who belongs to the cluster, as far as gossip cares.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Membership {
    /// The layout's number.
    pub epoch: Epoch,
    /// Differs between two layouts of the same number, which must never be.
    pub digest: u64,
    /// The members' numbers, ascending.
    pub numbers: Vec<MemberNumber>,
}

impl Membership {
    /// Of a layout.
    pub fn of(layout: &Layout) -> Membership {
        Membership {
            epoch: layout.epoch(),
            digest: siphasher::sip::SipHasher24::new_with_keys(0, 0).hash(&layout.encode()),
            numbers: layout.spec().members.iter().map(|member| member.number).collect(),
        }
    }
}

/// What the machine wants done.
#[derive(Debug, Default)]
pub struct GossipOut {
    /// Messages, each to some members.
    pub sends: Vec<(SmallVec<[MemberNumber; 4]>, GossipMessage)>,
    /// Changed verdicts, for every shard of this server.
    pub verdicts: Vec<(MemberNumber, Verdict)>,
    /// Who has a newer layout: ask them for it.
    pub pulls: Vec<MemberNumber>,
    /// A member has another layout of the same number.
    pub conflicts: Vec<MemberNumber>,
    /// Somebody knows a later process of this server than this one: its folder was copied or set back.
    pub outlived: bool,
    /// Members whose entry is news, for whoever shows or uses what they say of themselves.
    pub changed: Vec<MemberNumber>,
}

/// See the module.
#[derive(Debug)]
pub struct Gossip {
    config: GossipConfig,
    epoch: Epoch,
    digest: u64,
    /// All members with this server, by number.
    members: Vec<Known>,
    /// This server's load, as it was last told.
    load: SmallVec<[u64; GOSSIP_LOADS]>,
    load_due_ms: u64,
    pull_due_ms: u64,
    random: Random,
    /// Where the next digest begins.
    cursor: usize,
    next_round_ms: u64,
    awake_ms: Option<u64>,
    /// It was said that this process was outlived.
    outlived: bool,
    stalls: u64,
}

impl Gossip {
    /// A machine that knows nothing but the members. `now_ms` is monotonic.
    pub fn new(config: GossipConfig, membership: &Membership, now_ms: u64) -> Gossip {
        let mut gossip = Gossip {
            random: Random::new(config.seed),
            epoch: Epoch(0),
            digest: 0,
            members: Vec::new(),
            load: SmallVec::new(),
            load_due_ms: 0,
            pull_due_ms: 0,
            cursor: 0,
            next_round_ms: now_ms,
            awake_ms: None,
            outlived: false,
            stalls: 0,
            config,
        };
        gossip.cursor = gossip.random.below(membership.numbers.len());
        gossip.on_layout(membership, now_ms);
        gossip
    }

    /// A layout holds: members that it lacks are forgotten, new ones are unknown.
    pub fn on_layout(&mut self, membership: &Membership, now_ms: u64) {
        (self.epoch, self.digest) = (membership.epoch, membership.digest);
        let mut before = core::mem::take(&mut self.members).into_iter().peekable();
        let interval_ms = self.config.interval_ms;
        for &number in &membership.numbers {
            while before.peek().is_some_and(|known| known.member < number) {
                before.next();
            }
            let known = before.next_if(|known| known.member == number);
            self.members.push(known.unwrap_or_else(|| Known::new(number, interval_ms, now_ms)));
        }
        self.cursor = self.cursor.min(self.members.len().saturating_sub(1));
    }

    /// This server's load: bytes kept, bytes free on the disk, and what else a later version adds behind them.
    pub fn set_load(&mut self, load: &[u64]) {
        self.load = load.iter().copied().take(GOSSIP_LOADS).collect();
    }

    /// Time passed; to be called about every 10 ms. `answers` says whether a member answers this server's pings.
    pub fn on_tick(&mut self, now_ms: u64, answers: &dyn Fn(MemberNumber) -> bool, out: &mut GossipOut) {
        self.wake(now_ms);
        if now_ms >= self.next_round_ms {
            // Servers that started together do not stay in step.
            let interval_ms = self.config.interval_ms;
            let spread = usize::try_from(interval_ms / 4).unwrap_or(0);
            self.next_round_ms = now_ms + interval_ms - interval_ms / 8 + self.random.below(spread) as u64;
            self.beat(now_ms);
            self.begin_round(now_ms, answers, out);
        }
        self.judge(now_ms, answers, out);
    }

    /// A member said something.
    pub fn on_message(
        &mut self,
        from: MemberNumber,
        message: GossipMessage,
        now_ms: u64,
        out: &mut GossipOut,
    ) {
        self.wake(now_ms);
        if from == self.config.me || self.place(from, 0).is_none() {
            return;
        }
        self.take(from, message, now_ms, out);
    }

    /// Windows that ran while this server did not are void.
    fn wake(&mut self, now_ms: u64) {
        let before_ms = self.awake_ms.replace(now_ms).unwrap_or(now_ms);
        if now_ms.saturating_sub(before_ms) <= GOSSIP_STALL_MS {
            return;
        }
        self.stalls += 1;
        self.members.iter_mut().for_each(|known| known.restart_window(now_ms));
    }

    /// The own entry: one more heartbeat, and what changed since the last one.
    fn beat(&mut self, now_ms: u64) {
        let suspects = self.suspicions(now_ms);
        let starts = self.config.starts;
        let Some(own) = self.place(self.config.me, 0) else { return };
        let load_due = now_ms >= self.load_due_ms && self.members[own].contents.load != self.load;
        let fresh = self.members[own].written.generation != starts;
        let own = &mut self.members[own];
        if own.beat.generation != starts {
            own.beat = Beat { generation: starts, heartbeat: 0 };
        }
        own.beat.heartbeat = (own.beat.heartbeat + 1).min(HEARTBEATS);
        own.increased_ms = now_ms;
        let changed = fresh
            || load_due
            || own.contents.epoch != self.epoch
            || own.contents.layout != self.digest
            || own.contents.suspects != suspects;
        if !changed {
            return;
        }
        if load_due || fresh {
            self.load_due_ms = now_ms + GOSSIP_LOAD_MS;
            own.contents.load = self.load.clone();
        }
        own.contents.epoch = self.epoch;
        own.contents.layout = self.digest;
        own.contents.suspects = suspects;
        if fresh {
            own.contents.addresses = self.config.addresses.clone();
        }
        own.written = own.beat;
    }

    /// Where a member stands in the list. Lists of marks are sorted like it, with gaps: it is looked for at `hint` and
    /// shortly behind, and only then everywhere.
    fn place(&self, member: MemberNumber, hint: usize) -> Option<usize> {
        let near = self.members.iter().enumerate().skip(hint).take(NEAR);
        let found = near.take_while(|(_, known)| known.member <= member).last();
        match found {
            Some((at, known)) if known.member == member => Some(at),
            _ => self.members.binary_search_by_key(&member, |known| known.member).ok(),
        }
    }
}
