//! Scenarios with names: what was promised, step by step, and every failure that a seed once found.

mod blind;
mod clocks;
mod collect;
mod disks;
mod dynamo;
mod epochs;
mod exchange;
mod fill;
mod hints;
mod levels;
mod membership;
mod names;
mod power;
mod rounds;

use crate::{
    client::{Answer, Context},
    event::Event,
    history::{Class, End, Key, Operation, Seen, What, value_of},
    mix::Plan,
    network::Cut,
    server::Stop,
    world::World,
};
use bytes::Bytes;
use clockwise_core::{
    canary::Canary,
    request::{Basis, Level, Need, Op, Request},
    version::{Kind, PrintedClock, Token, Value, Version, print_clock},
};

/// The default of both reads and writes.
const QUORUM: Level = Level { need: Need::Quorum, strict: false };
/// A majority of owners, with awaited read repair.
const STRICT: Level = Level { need: Need::Quorum, strict: true };

/// A cluster that does what a test says, and nothing else. Servers are 1, 2, 3.
struct Lab {
    world: World,
    key: usize,
}

impl Lab {
    /// A cluster with all links up, and a key that nobody has used.
    fn new(servers: usize, canary: Canary) -> Lab {
        Lab::planned(Plan::quiet(servers, canary))
    }

    fn planned(plan: Plan) -> Lab {
        let mut lab = Lab { world: World::new(plan, false), key: 0 };
        lab.use_key("cart");
        lab.wait_ms(50);
        lab
    }

    /// From now on every operation is on this key.
    fn use_key(&mut self, name: &str) {
        let name = Bytes::copy_from_slice(name.as_bytes());
        self.world.history.keys.push(Key {
            name,
            class: Class::Mixed,
            phase: 0,
            deletes: true,
            deleted: false,
            all: false,
        });
        self.key = self.world.history.keys.len() - 1;
    }

    fn wait_ms(&mut self, span_ms: u64) {
        self.world.run_for(span_ms * 1_000);
    }

    /// Sends a request and does not wait.
    fn send(&mut self, server: usize, op: Op, level: Level, context: Option<&Context>) -> u64 {
        let name = self.world.history.keys[self.key].name.clone();
        let number = self.world.begin(Operation {
            client: usize::MAX,
            key: self.key,
            what: What::Read,
            level,
            server: server - 1,
            life: 0,
            owner: false,
            invoked_us: self.world.queue.now_us(),
            ended_us: u64::MAX,
            end: End::Open,
        });
        let op = match op {
            Op::Set { basis, expires_ms, .. } => Op::Set { basis, value: value_of(number, 3), expires_ms },
            other => other,
        };
        let request = Request { key: name, op, level, timeout_ms: 500 };
        self.world.knock(server - 1, number, request, context.map(|context| context.sealed.clone()));
        number
    }

    /// The answer to an operation, if it comes within a second.
    fn answer(&mut self, number: u64) -> Option<Answer> {
        let until_us = self.world.queue.now_us() + 1_000_000;
        loop {
            if let Some(at) = self.world.inbox.iter().position(|(answered, _)| *answered == number) {
                return Some(self.world.inbox.swap_remove(at).1);
            }
            if self.world.queue.now_us() >= until_us || !self.world.step() {
                return None;
            }
        }
    }

    fn ask(&mut self, server: usize, op: Op, level: Level, context: Option<&Context>) -> Option<Answer> {
        let number = self.send(server, op, level, context);
        self.answer(number)
    }

    /// `CW.SET`: the number of the value and the context of the reply.
    fn put(&mut self, server: usize, context: Option<&Context>) -> (u64, Context) {
        let number = self.send(server, causal(), QUORUM, context);
        match self.answer(number) {
            Some(Answer::Written { context: Some(sealed), .. }) => {
                (number, Context { sealed, direct: Vec::new() })
            }
            other => panic!("a put through s{server} ends with {other:?}"),
        }
    }

    /// `SET`: the number of the value.
    fn set(&mut self, server: usize, level: Level) -> u64 {
        let number = self.send(server, plain(), level, None);
        match self.answer(number) {
            Some(Answer::Written { .. }) => number,
            other => panic!("a SET through s{server} ends with {other:?}"),
        }
    }

    /// `CW.GET`: the versions, by the number of their value, and their context.
    fn get(&mut self, server: usize, level: Level) -> (Vec<Seen>, Context) {
        match self.ask(server, Op::Get, level, None) {
            Some(Answer::Read { mut seen, context: Some(sealed) }) => {
                seen.sort_by_key(|seen| seen.value);
                (seen, Context { sealed, direct: Vec::new() })
            }
            other => panic!("a read through s{server} ends with {other:?}"),
        }
    }

    /// The numbers of the values that a read gives.
    fn values(&mut self, server: usize, level: Level) -> Vec<u64> {
        self.get(server, level).0.iter().filter_map(|seen| seen.value).collect()
    }

    fn stop(&mut self, server: usize, how: Stop) {
        self.world.stop_server(server - 1, how);
    }

    /// Starts a server and waits until its links are up.
    fn start(&mut self, server: usize) {
        self.world.start_server(server - 1);
        self.wait_ms(400);
    }

    /// Cuts one direction; frames stay under way.
    fn cut(&mut self, from: usize, to: usize) -> u64 {
        self.world.network.cut(from - 1, to - 1, Cut::Stall)
    }

    fn mend(&mut self, from: usize, to: usize, cut: u64) {
        let (from, to) = (from - 1, to - 1);
        self.world.queue.after(0, Event::Mend(crate::event::Mend::Link { from, to, cut }));
    }

    /// Sets how far a wall clock is ahead.
    fn skew_ms(&mut self, server: usize, ahead_ms: i64) {
        let at_us = self.world.queue.now_us();
        self.world.servers[server - 1].clock.jump(ahead_ms * 1_000, at_us);
    }
}

fn causal() -> Op {
    Op::Set { basis: Basis::Causal(Token::EMPTY), value: Bytes::new(), expires_ms: None }
}

fn plain() -> Op {
    Op::Set { basis: Basis::Plain, value: Bytes::new(), expires_ms: None }
}

/// The vector clock of a version as clients see it.
fn clock(seen: &Seen, threshold: usize) -> PrintedClock {
    let version = Version {
        dot: seen.dot,
        ctx: seen.ctx.clone(),
        time: seen.time,
        expires_ms: None,
        kind: if seen.register { Kind::Register } else { Kind::Causal },
        cmark: None,
        value: Value::Freed,
    };
    print_clock(&version, threshold, &|_| false)
}
