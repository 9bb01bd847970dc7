//! The clients at work: what they do next, what they make of the answer, and the history that it leaves.

use crate::{
    client::{Answer, Context, Own},
    event::Event,
    history::{Class, End, Operation, What, Writing, value_of},
    random::{chance, weighted},
    workload::{Intent, any_level, intent, level, overlapping, own_key, shared_keys},
    world::World,
};
use bytes::Bytes;
use clockwise_core::request::{Basis, Level, Op, Rejected, Request};
use clockwise_core::version::Token;

/// What a client does next.
struct Call {
    key: usize,
    level: Level,
    /// `None`: a read.
    writing: Option<Writing>,
    context: Option<Bytes>,
}

impl World {
    /// From now on clients use keys that were never used before.
    pub(crate) fn begin_phase(&mut self) {
        if !self.history.keys.is_empty() {
            self.history.phase += 1;
        }
        let keys = shared_keys(self.history.phase, &self.plan.shares, &mut self.work_rng);
        self.history.keys.extend(keys);
        for client in &mut self.clients {
            client.own = None;
            client.contexts.clear();
        }
    }

    /// A client does something, unless it waits for an answer or the run comes to its end.
    pub(crate) fn wake(&mut self, client: usize) {
        let idle = self.clients.get(client).is_some_and(|client| client.open.is_none());
        if !idle || self.healing {
            return;
        }
        let total: u32 = self.plan.shares.shared.iter().sum();
        let own = weighted(&mut self.clients[client].rng, &[total, self.plan.shares.own]) == 1;
        let call = if own { self.own_call(client) } else { self.shared_call(client) };
        self.call(client, call);
    }

    fn shared_call(&mut self, client: usize) -> Call {
        let phase = self.history.phase;
        let keys: Vec<usize> = (0..self.history.keys.len())
            .filter(|key| self.history.keys[*key].phase == phase && !self.is_own(*key))
            .filter(|key| self.has_turn(*key))
            .collect();
        let who = &mut self.clients[client];
        let key = keys[who.rng.usize(0..keys.len())];
        let info = &self.history.keys[key];
        let mut intent = intent(info, &mut who.rng);
        let blind_per_mille = self.plan.blind_per_mille;
        if intent == Intent::Newest && blind_per_mille > 0 && chance(&mut who.rng, blind_per_mille) {
            intent = Intent::Blind;
        }
        let write = intent != Intent::Read;
        let level = level(info, write, self.plan.replicas, self.plan.majorities, &mut who.rng);
        let plain = matches!(intent, Intent::Set | Intent::SetExpiring | Intent::Delete);
        let context = match intent {
            Intent::Newest | Intent::CausalDelete => who.newest(key),
            Intent::Stale => who.any(key),
            _ => None,
        };
        let delete = matches!(intent, Intent::Delete | Intent::CausalDelete);
        // Without a context a causal delete would delete nothing.
        let nothing = intent == Intent::Read || (intent == Intent::CausalDelete && context.is_none());
        let (sealed, direct) = match context {
            Some(Context { sealed, direct }) => (Some(sealed), direct),
            None => (None, Vec::new()),
        };
        let expires = intent == Intent::SetExpiring;
        let writing = (!nothing).then_some(Writing { plain, delete, expires, direct });
        Call { key, level, writing, context: sealed }
    }

    /// Whether a shared key is used now.
    fn has_turn(&self, key: usize) -> bool {
        let turn = self.queue.now_us().checked_div(self.plan.turn_us);
        turn.is_none_or(|turn| (key as u64 + turn).is_multiple_of(3))
    }

    fn is_own(&self, key: usize) -> bool {
        matches!(self.history.keys[key].class, Class::Chain | Class::Loner)
    }

    fn own_call(&mut self, client: usize) -> Call {
        let stand_ins = self.servers.len() > usize::from(self.plan.replicas);
        let who = &mut self.clients[client];
        if who.own.is_none() || chance(&mut who.rng, 20) {
            let class = if who.rng.bool() { Class::Chain } else { Class::Loner };
            let (read_level, write_level) =
                overlapping(self.plan.replicas, self.plan.majorities, stand_ins, &mut who.rng);
            let key = self.history.keys.len();
            self.history.keys.push(own_key(self.history.phase, client, class, &mut who.rng));
            who.own = Some(Own { key, class, context: None, has_read: false, read_level, write_level });
        }
        let own = who.own.as_ref().expect("was put there above");
        let any = any_level(Class::Chain, self.plan.replicas, self.plan.majorities, &mut who.rng);
        let reads = match own.class {
            Class::Chain => chance(&mut who.rng, 250),
            _ => !own.has_read,
        };
        let level = match (own.class, reads) {
            (Class::Chain, _) => any,
            (_, true) => own.read_level,
            (_, false) => own.write_level,
        };
        if reads {
            return Call { key: own.key, level, writing: None, context: None };
        }
        let context = own.context.clone();
        let direct = context.as_ref().map(|context| context.direct.clone()).unwrap_or_default();
        let writing = Writing { plain: false, delete: false, expires: false, direct };
        Call { key: own.key, level, writing: Some(writing), context: context.map(|context| context.sealed) }
    }

    fn call(&mut self, client: usize, call: Call) {
        let now_us = self.queue.now_us();
        let who = &mut self.clients[client];
        let timeout_ms = who.rng.u64(200..1_500);
        let patience_us = (timeout_ms + who.rng.u64(100..500)) * 1_000;
        let server = who.server(self.servers.len());
        let padding = [10, 10, 100, 1_000][who.rng.usize(0..4)];
        let ttl_ms = who.rng.u64(1..3_000);
        let number = self.history.operations.len() as u64;
        let op = match &call.writing {
            None => Op::Get,
            Some(writing) => {
                let basis = if writing.plain { Basis::Plain } else { Basis::Causal(Token::EMPTY) };
                if writing.delete {
                    Op::Delete { basis }
                } else {
                    let expires_ms = writing.expires.then_some(ttl_ms);
                    Op::Set { basis, value: value_of(number, padding), expires_ms }
                }
            }
        };
        who.open = Some(number);
        let key = self.history.keys[call.key].name.clone();
        self.begin(Operation {
            client,
            key: call.key,
            what: call.writing.map_or(What::Read, What::Write),
            level: call.level,
            server,
            life: 0,
            owner: false,
            invoked_us: now_us,
            ended_us: u64::MAX,
            end: End::Open,
        });
        self.queue.after(patience_us, Event::Impatience { client, operation: number });
        self.knock(server, number, Request { key, op, level: call.level, timeout_ms }, call.context);
    }

    /// An answer arrives at a client, or at whoever asks on behalf of the run.
    pub(crate) fn answer_arrives(&mut self, client: usize, operation: u64, answer: Answer) {
        if client == usize::MAX {
            self.inbox.push((operation, answer));
        } else if self.clients[client].open == Some(operation) {
            self.finish(client, operation, Some(answer));
        }
    }

    /// A client gives up waiting.
    pub(crate) fn lose_patience(&mut self, client: usize, operation: u64) {
        if self.clients[client].open == Some(operation) {
            self.finish(client, operation, None);
        }
    }

    fn finish(&mut self, client: usize, number: u64, answer: Option<Answer>) {
        let now_us = self.queue.now_us();
        let servers = self.servers.len();
        let who = &mut self.clients[client];
        who.open = None;
        let operation = &mut self.history.operations[number as usize];
        operation.ended_us = now_us;
        // A server that cannot, another may.
        let unable = match &answer {
            None | Some(Answer::Refused | Answer::Broken) => true,
            Some(Answer::Rejected(why)) => !matches!(why, Rejected::TooManySiblings | Rejected::BadRequest),
            Some(_) => false,
        };
        if unable {
            who.home = who.rng.usize(0..servers);
        }
        let write = operation.writing().is_some();
        let mut context = None;
        operation.end = match answer {
            Some(Answer::Read { seen, context: sealed }) => {
                let direct = seen.iter().filter_map(|seen| seen.value).collect();
                context = sealed.map(|sealed| Context { sealed, direct });
                End::Read(seen)
            }
            Some(Answer::Written { time, context: sealed }) => {
                context = sealed.map(|sealed| Context { sealed, direct: vec![number] });
                End::Written(Some(time))
            }
            Some(Answer::Rejected(_)) if write => End::Rejected,
            Some(Answer::Refused) => End::Refused,
            _ if write => End::Unknown,
            _ => End::Failed,
        };
        match operation.end {
            End::Read(_) | End::Written(_) => self.stats.outcomes[0] += 1,
            End::Unknown => self.stats.outcomes[2] += 1,
            End::Rejected | End::Failed | End::Open => self.stats.outcomes[1] += 1,
            End::Refused => {}
        }
        // What nobody took is no operation.
        self.stats.operations += u64::from(!matches!(operation.end, End::Refused));
        let end = format_args!("{:?}", operation.end).to_string();
        self.trace.bytes(end.as_bytes());
        self.learn(client, number, context);
        let think = self.clients[client].rng.u64(0..self.plan.think_us);
        self.queue.after(think, Event::Wake { client });
        self.begin_healing_when_due();
    }

    /// What a client keeps of an answer.
    fn learn(&mut self, client: usize, number: u64, context: Option<Context>) {
        let operation = &self.history.operations[number as usize];
        let who = &mut self.clients[client];
        let key = operation.key;
        let Some(own) = who.own.as_mut().filter(|own| own.key == key) else {
            if let Some(context) = context.filter(|_| self.history.keys[key].phase == self.history.phase) {
                who.keep(key, context);
            }
            return;
        };
        match (&operation.end, own.class) {
            (End::Written(_), class) => {
                own.has_read = class == Class::Loner && chance(&mut who.rng, 500);
                own.context = context;
                if own.context.is_none() {
                    who.own = None;
                }
            }
            (End::Read(_), Class::Loner) => {
                own.has_read = true;
                own.context = context;
            }
            (End::Unknown, _) => who.own = None,
            _ => {}
        }
    }

    fn begin_healing_when_due(&mut self) {
        let done = self.stats.operations >= self.plan.operations && self.stats.faults >= self.plan.faults;
        if done && !self.healing {
            self.heal();
        }
    }
}
