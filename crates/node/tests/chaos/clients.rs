//! Clients: each a thread with one operation at a time, a home server that it leaves when that is of no use, and the contexts
//! that it keeps.

use super::{
    answer::{self, Said, ask},
    harness::Pipe,
    recorder::{Recorder, SHARES},
};
use clockwise_core::{ids::MemberNumber, layout::Layout, request::Level, slot::Slot};
use clockwise_sim::{
    history::{Class, End, Key, Operation, What, Writing, value_of, writer_of},
    random::{chance, stream, weighted},
    workload::{Intent, any_level, intent, level, overlapping},
};
use fastrand::Rng;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

/// Owners of a key.
pub const OWNERS: u8 = 3;
/// Contexts that a client keeps for a key.
const CONTEXTS: usize = 4;
/// Keys for which a client keeps contexts.
const KEYS: usize = 200;
/// Longest pause between two operations, in milliseconds.
const THINK_MS: u64 = 40;

/// What all clients know.
#[derive(Debug)]
pub struct World {
    pub recorder: Recorder,
    pub layout: Layout,
    pub servers: Vec<SocketAddr>,
    /// How many processes each server has had.
    pub lives: Vec<AtomicU64>,
    pub stop: AtomicBool,
    pub seed: u64,
}

#[derive(Clone, Debug)]
struct Context {
    token: String,
    direct: Vec<u64>,
}

#[derive(Debug)]
struct Own {
    key: usize,
    info: Key,
    context: Option<Context>,
    has_read: bool,
    levels: (Level, Level),
}

/// What a client does next.
struct Call {
    key: usize,
    name: String,
    class: Class,
    level: Level,
    writing: Option<Writing>,
    token: Option<String>,
    own: bool,
}

#[derive(Debug)]
struct Client {
    world: Arc<World>,
    number: usize,
    rng: Rng,
    home: usize,
    hops_per_mille: u32,
    pipes: BTreeMap<usize, (Pipe, u64)>,
    contexts: BTreeMap<usize, Vec<Context>>,
    own: Option<Own>,
}

/// Starts clients, which run until `stop`.
pub fn start(world: &Arc<World>, clients: usize) -> Vec<thread::JoinHandle<()>> {
    (0..clients)
        .map(|number| {
            let world = Arc::clone(world);
            thread::spawn(move || {
                let mut rng = stream(world.seed, "client", number as u64);
                let home = rng.usize(0..world.servers.len());
                let hops_per_mille = [0, 100, 1000][rng.usize(0..3)];
                let (pipes, contexts) = (BTreeMap::new(), BTreeMap::new());
                let mut client =
                    Client { world, number, rng, home, hops_per_mille, pipes, contexts, own: None };
                while !client.world.stop.load(SeqCst) {
                    client.act();
                    thread::sleep(Duration::from_millis(client.rng.u64(0..THINK_MS)));
                }
            })
        })
        .collect()
}

impl Client {
    fn act(&mut self) {
        let server = match chance(&mut self.rng, self.hops_per_mille) {
            true => self.rng.usize(0..self.world.servers.len()),
            false => self.home,
        };
        let Some((mut pipe, life)) = self.connection(server) else {
            self.home = self.rng.usize(0..self.world.servers.len());
            return;
        };
        let total: u32 = SHARES.shared.iter().sum();
        let call = match weighted(&mut self.rng, &[total, SHARES.own]) {
            0 => self.shared_call(),
            _ => self.own_call(),
        };
        let slot = Slot::of(call.name.as_bytes());
        let me = MemberNumber(server as u32 + 1);
        let number = self.world.recorder.begin(Operation {
            client: self.number,
            key: call.key,
            what: call.writing.clone().map_or(What::Read, What::Write),
            level: call.level,
            server,
            life,
            owner: self.world.layout.owners(slot).contains(&me),
            invoked_us: 0,
            ended_us: u64::MAX,
            end: End::Open,
        });
        let timeout_ms = self.rng.u64(200..1_500);
        let patience = Duration::from_millis(timeout_ms + self.rng.u64(100..500));
        let stock_get = call.writing.is_none()
            && matches!(call.class, Class::Register | Class::Plain)
            && chance(&mut self.rng, 250);
        let commands = self.commands(&call, number, timeout_ms, stock_get);
        let said = match pipe.set_patience(patience) {
            Ok(()) => ask(&mut pipe, &commands),
            Err(_) => Said::Nothing,
        };
        if matches!(said, Said::Nothing | Said::No(_)) {
            self.home = self.rng.usize(0..self.world.servers.len());
        }
        if said != Said::Nothing {
            self.pipes.insert(server, (pipe, life));
        }
        self.finish(call, number, said, stock_get);
    }

    /// A connection to the present process of a server.
    fn connection(&mut self, server: usize) -> Option<(Pipe, u64)> {
        let life = || self.world.lives[server].load(SeqCst);
        if let Some((pipe, of)) = self.pipes.remove(&server).filter(|(_, of)| *of == life()) {
            return Some((pipe, of));
        }
        let before = life();
        let pipe = Pipe::connect(self.world.servers[server]).ok()?;
        (before == life()).then_some((pipe, before))
    }

    fn shared_call(&mut self) -> Call {
        let (key, info) = self.world.recorder.shared_key(&mut self.rng);
        let intent = intent(&info, &mut self.rng);
        let level = level(&info, intent != Intent::Read, OWNERS, false, &mut self.rng);
        let kept = self.contexts.get(&key).map_or(&[][..], |kept| kept);
        let context = match intent {
            Intent::Newest | Intent::CausalDelete => kept.last().cloned(),
            Intent::Stale if !kept.is_empty() => Some(kept[self.rng.usize(0..kept.len())].clone()),
            _ => None,
        };
        let plain = matches!(intent, Intent::Set | Intent::SetExpiring | Intent::Delete);
        let delete = matches!(intent, Intent::Delete | Intent::CausalDelete);
        // Without a context a causal delete would delete nothing.
        let nothing = intent == Intent::Read || (intent == Intent::CausalDelete && context.is_none());
        let (token, direct) =
            context.map_or((None, Vec::new()), |context| (Some(context.token), context.direct));
        let expires = intent == Intent::SetExpiring;
        let writing = (!nothing).then_some(Writing { plain, delete, expires, direct });
        let name = String::from_utf8_lossy(&info.name).into_owned();
        Call { key, name, class: info.class, level, writing, token, own: false }
    }

    fn own_call(&mut self) -> Call {
        if self.own.is_none() || chance(&mut self.rng, 20) {
            let class = if self.rng.bool() { Class::Chain } else { Class::Loner };
            let levels = overlapping(OWNERS, false, true, &mut self.rng);
            let (key, info) = self.world.recorder.own_key(self.number, class, &mut self.rng);
            self.own = Some(Own { key, info, context: None, has_read: false, levels });
        }
        let own = self.own.as_ref().expect("was put there above");
        let class = own.info.class;
        let any = any_level(Class::Chain, OWNERS, false, &mut self.rng);
        let reads = match class {
            Class::Chain => chance(&mut self.rng, 250),
            _ => !own.has_read,
        };
        let level = match (class, reads) {
            (Class::Chain, _) => any,
            (_, true) => own.levels.0,
            (_, false) => own.levels.1,
        };
        let context = own.context.clone().filter(|_| !reads);
        let (token, direct) =
            context.map_or((None, Vec::new()), |context| (Some(context.token), context.direct));
        let writing = (!reads).then_some(Writing { plain: false, delete: false, expires: false, direct });
        let name = String::from_utf8_lossy(&own.info.name).into_owned();
        Call { key: own.key, name, class, level, writing, token, own: true }
    }

    fn commands(&mut self, call: &Call, number: u64, timeout_ms: u64, stock_get: bool) -> Vec<Vec<String>> {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
        let (need, strictness, timeout) =
            (answer::need(call.level), answer::strictness(call.level), timeout_ms.to_string());
        let session =
            || words(&["CW.SESSION", "R", &need, "W", &need, "LEVEL", &strictness, "TIMEOUT", &timeout]);
        let padding = [10, 10, 100, 1_000][self.rng.usize(0..4)];
        let value = value_of(number, padding);
        let value = std::str::from_utf8(&value).expect("digits and dots");
        let Some(writing) = &call.writing else {
            return match stock_get {
                true => vec![session(), words(&["GET", &call.name])],
                false => {
                    vec![words(&["CW.GET", &call.name, "R", &need, &strictness, "TIMEOUT", &timeout])]
                }
            };
        };
        if writing.plain {
            let mut command = match writing.delete {
                true => words(&["DEL", &call.name]),
                false => words(&["SET", &call.name, value]),
            };
            if writing.expires {
                command.extend(words(&["PX", &self.rng.u64(1..3_000).to_string()]));
            }
            return vec![session(), command];
        }
        let mut command = match writing.delete {
            true => words(&["CW.DEL", &call.name]),
            false => words(&["CW.SET", &call.name, value]),
        };
        if let Some(token) = &call.token {
            command.extend(words(&["CONTEXT", token]));
        }
        command.extend(words(&["W", &need, &strictness, "TIMEOUT", &timeout]));
        vec![command]
    }

    fn finish(&mut self, call: Call, number: u64, said: Said, stock_get: bool) {
        let world = Arc::clone(&self.world);
        let recorder = &world.recorder;
        let write = call.writing.is_some();
        let (end, context, code) = match said {
            Said::Done(reply) if stock_get => {
                let value = reply.as_bytes().map(|bytes| writer_of(bytes).unwrap_or(u64::MAX));
                return recorder.got(number, value);
            }
            Said::Done(reply) if write => {
                let context = answer::context(&reply);
                let context = context.map(|token| Context { token, direct: vec![number] });
                (End::Written(None), context, "done".to_owned())
            }
            Said::Done(reply) => match answer::versions(&reply) {
                Some(seen) => {
                    let direct = seen.iter().filter_map(|seen| seen.value).collect();
                    let context = answer::context(&reply).map(|token| Context { token, direct });
                    (End::Read(seen), context, "done".to_owned())
                }
                None => {
                    recorder.wrong(format!("{}: {reply:?}", call.name));
                    (End::Failed, None, "wrong".to_owned())
                }
            },
            Said::No(code) if write => (End::Rejected, None, code),
            Said::No(code) => (End::Failed, None, code),
            Said::Perhaps if write => (End::Unknown, None, "UNKNOWN".to_owned()),
            Said::Wrong(what) => {
                recorder.wrong(what);
                let end = if write { End::Unknown } else { End::Failed };
                (end, None, "wrong".to_owned())
            }
            Said::Nothing | Said::Perhaps => {
                let end = if write { End::Unknown } else { End::Failed };
                (end, None, "no answer".to_owned())
            }
        };
        self.learn(&call, &end, context);
        recorder.end(number, end, code);
    }

    /// What a client keeps of an answer.
    fn learn(&mut self, call: &Call, end: &End, context: Option<Context>) {
        if !call.own {
            let Some(context) = context else { return };
            if self.contexts.len() >= KEYS {
                self.contexts.pop_first();
            }
            let kept = self.contexts.entry(call.key).or_default();
            if kept.len() == CONTEXTS {
                kept.remove(self.rng.usize(0..CONTEXTS));
            }
            return kept.push(context);
        }
        let Some(own) = &mut self.own else { return };
        match (end, call.class) {
            (End::Written(_), class) => {
                own.has_read = class == Class::Loner && chance(&mut self.rng, 500);
                own.context = context;
                if own.context.is_none() {
                    self.own = None;
                }
            }
            (End::Read(_), Class::Loner) => {
                own.has_read = true;
                own.context = context;
            }
            (End::Unknown, _) => self.own = None,
            _ => {}
        }
    }
}
