//! A few shards that talk to each other directly: no delay, no loss, and a disk only when a test asks for one. For
//! tests of single rules; the simulator has the rest.
//!
//! What always holds, in every test: a ticket is answered once at most.

mod memory;

pub use memory::Memory;

use bytes::Bytes;
use clockwise_core::{
    canary::Canary,
    hints::HintBudget,
    hlc::{Hlc, Now},
    ids::{Epoch, MemberNumber, NodeId},
    layout::{Addresses, Layout, LayoutSpec, Member},
    message::{Body, Message},
    outbox::{Action, Event, Outbox},
    request::{Basis, Level, Need, Op, Outcome, ReadAnswer, Request, Ticket, WriteAnswer},
    shard::{Durability, LinkState, Shard, ShardConfig},
    version::{DigestKey, Token, TokenKey},
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

/// A message under way: from, to.
pub type Sent = (MemberNumber, MemberNumber, Message);

type Input = dyn FnOnce(&mut Shard, Now, &mut Memory, &mut Outbox);

/// One server with one shard.
pub struct Server {
    pub shard: Shard,
    pub store: Memory,
    pub up: bool,
    /// Added to the common wall clock, in milliseconds.
    pub skew_ms: i64,
}

/// All servers and the messages between them.
pub struct Cluster {
    pub servers: Vec<Server>,
    pub mono_ms: u64,
    pub queue: VecDeque<Sent>,
    pub replies: BTreeMap<Ticket, Outcome>,
    pub events: Vec<(MemberNumber, Event)>,
    /// Links that lose everything, as (from, to).
    pub cut: Vec<(u32, u32)>,
    /// What the network loses, wherever it goes.
    pub lost: Option<fn(MemberNumber, &Body) -> bool>,
    /// All tickets that ever had an answer.
    answered: BTreeSet<Ticket>,
    next: u64,
}

pub fn layout(epoch: u64, numbers: &[u32], replicas: u8) -> Arc<Layout> {
    let member = |&number: &u32| Member {
        number: MemberNumber(number),
        node: NodeId([number as u8; 20]),
        token_seed: u64::from(number),
        weight: 1,
        dc: "dc".into(),
        rack: "rack".into(),
        addresses: Addresses::default(),
    };
    let spec = LayoutSpec {
        cluster: [7; 16],
        epoch: Epoch(epoch),
        replicas,
        token_key: TokenKey([1; 16]),
        digest_key: DigestKey([2; 16]),
        members: numbers.iter().map(member).collect(),
    };
    Arc::new(Layout::new(spec).expect("valid"))
}

fn config(number: u32, canary: Canary) -> ShardConfig {
    ShardConfig {
        me: MemberNumber(number),
        incarnation: 1,
        starts: 1,
        shard: 0,
        shards: 1,
        durability: Durability::Sync,
        clock_floor: Hlc::ZERO,
        clock_reserved: Hlc(u64::MAX),
        confirmed: true,
        hints: HintBudget::default(),
        exchange: false,
        collect: false,
        canary,
    }
}

impl Cluster {
    /// `count` servers under one layout, all linked.
    pub fn new(count: u32, replicas: u8, canary: Canary) -> Cluster {
        let numbers: Vec<u32> = (1..=count).collect();
        let layout = layout(1, &numbers, replicas);
        let server = |&number: &u32| Server {
            shard: Shard::new(config(number, canary), layout.clone()),
            store: Memory::new(),
            up: true,
            skew_ms: 0,
        };
        let mut cluster = Cluster {
            servers: numbers.iter().map(server).collect(),
            mono_ms: 0,
            queue: VecDeque::new(),
            replies: BTreeMap::new(),
            events: Vec::new(),
            cut: Vec::new(),
            lost: None,
            answered: BTreeSet::new(),
            next: 0,
        };
        for a in 1..=count {
            for b in (1..=count).filter(|&b| b != a) {
                cluster.link(a, b, LinkState::Up);
            }
        }
        cluster
    }

    fn now(&self, number: u32) -> Now {
        let skew_ms = self.servers[number as usize - 1].skew_ms;
        Now { mono_ms: self.mono_ms, wall_ms: (1_000_000 + self.mono_ms).saturating_add_signed(skew_ms) }
    }

    /// One input to one server.
    pub fn with<T>(
        &mut self,
        number: u32,
        input: impl FnOnce(&mut Shard, Now, &mut Memory, &mut Outbox) -> T,
    ) -> T {
        let now = self.now(number);
        let server = &mut self.servers[number as usize - 1];
        let mut out = Outbox::default();
        let result = input(&mut server.shard, now, &mut server.store, &mut out);
        let from = MemberNumber(number);
        let mut installs = Vec::new();
        for send in out.sends {
            for to in send.to {
                self.queue.push_back((from, to, send.message.clone()));
            }
        }
        for (ticket, outcome) in out.replies {
            assert!(self.answered.insert(ticket), "{ticket:?} is answered twice, now with {outcome:?}");
            self.replies.insert(ticket, outcome);
        }
        self.events.extend(out.events.into_iter().map(|event| (from, event)));
        for action in out.actions {
            match action {
                Action::TakeIncarnation(incarnation) => server.shard.on_incarnation(incarnation),
                Action::ReserveHlc(reserved) => server.shard.on_hlc_reserved(reserved),
                Action::InstallLayout(bytes) => {
                    installs.push(Arc::new(Layout::decode(bytes).expect("sent by a peer")))
                }
            }
        }
        for layout in installs {
            self.install(number, layout);
        }
        result
    }

    /// A server has made a layout durable.
    pub fn install(&mut self, number: u32, layout: Arc<Layout>) {
        let input: Box<Input> =
            Box::new(move |shard, now, store, out| shard.on_layout(layout, now, store, out));
        self.with(number, input);
    }

    pub fn link(&mut self, at: u32, peer: u32, state: LinkState) {
        self.with(at, |shard, now, store, out| shard.on_link(MemberNumber(peer), state, now, store, out));
    }

    /// Begins a server's process anew on the same store.
    fn begin_anew(&mut self, number: u32, config: ShardConfig) {
        let server = &mut self.servers[number as usize - 1];
        let layout = server.shard.layout().clone();
        server.shard = Shard::new(config, layout);
        for peer in 1..=self.servers.len() as u32 {
            if peer != number && self.servers[peer as usize - 1].up {
                self.link(number, peer, LinkState::Up);
            }
        }
    }

    /// A clean restart.
    pub fn restart(&mut self, number: u32) {
        let config = ShardConfig { starts: 2, ..config(number, Canary::None) };
        self.begin_anew(number, config);
    }

    /// Servers compare their slots from now on.
    pub fn exchange(&mut self, canary: Canary) {
        for number in 1..=self.servers.len() as u32 {
            self.begin_anew(number, ShardConfig { exchange: true, ..config(number, canary) });
        }
    }

    /// Servers compare their slots and collect from now on.
    pub fn collect(&mut self, canary: Canary) {
        for number in 1..=self.servers.len() as u32 {
            self.begin_anew(number, ShardConfig { exchange: true, collect: true, ..config(number, canary) });
        }
    }

    /// As [`Cluster::pass`], and all disks answer whatever they are asked.
    pub fn pass_with_disks(&mut self, ms: u64) {
        for _ in 0..ms / 10 {
            self.pass(10);
            while (1..=self.servers.len() as u32).any(|number| self.load(number)) {
                self.settle();
            }
        }
    }

    /// A server that has done nothing yet gets another budget for hints.
    pub fn budget(&mut self, number: u32, hints: HintBudget) {
        let config = ShardConfig { hints, ..config(number, Canary::None) };
        self.begin_anew(number, config);
    }

    /// Stops a server: its links go down everywhere.
    pub fn stop(&mut self, number: u32) {
        self.servers[number as usize - 1].up = false;
        for at in 1..=self.servers.len() as u32 {
            if at != number {
                self.link(at, number, LinkState::Down);
            }
        }
    }

    /// Delivers everything that is under way.
    pub fn settle(&mut self) {
        while let Some((from, to, message)) = self.queue.pop_front() {
            let reachable = self.servers[to.0 as usize - 1].up && self.servers[from.0 as usize - 1].up;
            let reachable = reachable && !self.lost.is_some_and(|lost| lost(to, &message.body));
            if reachable && !self.cut.contains(&(from.0, to.0)) {
                self.with(to.0, |shard, now, store, out| shard.on_message(from, message, now, store, out));
            }
        }
    }

    /// Takes messages that are under way out of the queue, for a test to deliver later or never.
    pub fn hold(&mut self, wanted: impl Fn(&Body) -> bool) -> Vec<Sent> {
        let sent = self.queue.drain(..);
        let (held, rest): (VecDeque<_>, VecDeque<_>) = sent.partition(|(.., message)| wanted(&message.body));
        self.queue = rest;
        held.into()
    }

    /// The disk of a server answers the oldest lookup that it owes; whether it owed one.
    pub fn load(&mut self, number: u32) -> bool {
        let Some(loaded) = self.servers[number as usize - 1].store.jobs.pop_front() else { return false };
        self.with(number, |shard, now, store, out| shard.on_loaded(loaded, now, store, out));
        true
    }

    /// As [`Cluster::settle`], and the disk of one server answers whatever it is asked.
    pub fn settle_with_disk(&mut self, number: u32) {
        self.settle();
        while self.load(number) {
            self.settle();
        }
    }

    /// Time passes everywhere, in steps of 10 ms.
    pub fn pass(&mut self, ms: u64) {
        for _ in 0..ms / 10 {
            self.mono_ms += 10;
            for number in 1..=self.servers.len() as u32 {
                if self.servers[number as usize - 1].up {
                    self.with(number, |shard, now, store, out| shard.on_tick(now, store, out));
                }
            }
            self.settle();
        }
    }

    /// Starts a request.
    pub fn begin(&mut self, at: u32, key: &str, op: Op, level: Level) -> Ticket {
        self.next += 1;
        let ticket = Ticket(self.next);
        let request = Request { key: Bytes::copy_from_slice(key.as_bytes()), op, level, timeout_ms: 5_000 };
        self.with(at, |shard, now, store, out| shard.on_request(ticket, request, now, store, out));
        ticket
    }

    /// A request from its start to its end.
    pub fn run(&mut self, at: u32, key: &str, op: Op, level: Level) -> Outcome {
        let ticket = self.begin(at, key, op, level);
        self.settle();
        if !self.replies.contains_key(&ticket) {
            self.pass(6_000);
        }
        self.replies.remove(&ticket).expect("every request ends")
    }

    pub fn set(&mut self, at: u32, key: &str, value: &str, basis: Basis, level: Level) -> WriteAnswer {
        let value = Bytes::copy_from_slice(value.as_bytes());
        match self.run(at, key, Op::Set { basis, value, expires_ms: None }, level) {
            Outcome::Written(answer) => answer,
            other => panic!("{other:?}"),
        }
    }

    pub fn get(&mut self, at: u32, key: &str, level: Level) -> ReadAnswer {
        match self.run(at, key, Op::Get, level) {
            Outcome::Read(answer) => answer,
            other => panic!("{other:?}"),
        }
    }

    /// The plain value.
    pub fn value(&mut self, at: u32, key: &str, level: Level) -> Option<String> {
        let record = self.get(at, key, level).record;
        let version = record.plain(u64::MAX / 2)?;
        match &version.value {
            clockwise_core::version::Value::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            clockwise_core::version::Value::Freed => None,
        }
    }
}

pub const fn level(count: u8, strict: bool) -> Level {
    Level { need: Need::Count(count), strict }
}

pub const BLIND: Basis = Basis::Causal(Token::EMPTY);
