//! The end of a run: everything is healed, and every key is read.

use crate::{
    client::Answer,
    clock::WALL_BASE_MS,
    history::{End, Final, Held, Operation, What},
    mix::Mix,
    server::State,
    world::World,
};
use clockwise_core::{
    hlc::Hlc,
    request::{Level, Need, Op, Request},
    slot::Slot,
    storage::Storage,
    tree,
    version::{Record, SlotLines},
};
use std::collections::{BTreeMap, BTreeSet};

/// How long a healed cluster is left alone, in microseconds: longer than any request lives.
const CALM_US: u64 = 3_500_000;
/// How long the delivery of hints may take after that, in microseconds.
const DRAIN_US: u64 = 20_000_000;
/// How often it is looked at.
const DRAIN_STEP_US: u64 = 100_000;
/// How long all servers may take to compare all their slots, in microseconds.
const EXCHANGE_US: u64 = 120_000_000;
/// How long all that is deleted or expired is waited for, in microseconds: longer than the margin and a bucket.
const AGEING_US: u64 = 24_000_000;
/// How long its collection may take then, in microseconds.
const COLLECT_US: u64 = 30_000_000;
/// How long the last reads may take, in microseconds.
const LAST_US: u64 = 4_000_000;
/// What could be collected for so long is collected, in milliseconds: the margin, a look at all slots, a few rounds.
const SETTLED_MS: u64 = 8_000;
/// How often a last read is tried.
const TRIES: usize = 3;

impl World {
    /// Ends all faults: links whole, servers up, clocks right.
    pub(crate) fn heal(&mut self) {
        self.healing = true;
        self.note(|| "heal".to_owned());
        let at_us = self.queue.now_us();
        for (a, b) in self.network.calm(at_us) {
            self.break_link(a, b);
        }
        for server in 0..self.servers.len() {
            let host = &mut self.servers[server];
            host.disk_slowness = 1;
            host.disk.fill(false);
            host.clock.drift(0, at_us);
            host.clock.jump(0, at_us);
            match host.state {
                State::Down => self.start_server(server),
                State::Paused => self.resume(server),
                State::Running => {}
            }
        }
    }

    /// Asks a server on behalf of the run.
    pub(crate) fn ask(&mut self, server: usize, key: usize, op: Op, level: Level) -> u64 {
        let name = self.history.keys[key].name.clone();
        let number = self.begin(Operation {
            client: usize::MAX,
            key,
            what: What::Read,
            level,
            server,
            life: 0,
            owner: false,
            invoked_us: self.queue.now_us(),
            ended_us: u64::MAX,
            end: End::Open,
        });
        self.knock(server, number, Request { key: name, op, level, timeout_ms: 1_500 }, None);
        number
    }

    /// Waits for the answers to these operations.
    fn collect(&mut self, asked: &BTreeSet<u64>) -> BTreeMap<u64, Answer> {
        let until_us = self.queue.now_us() + LAST_US;
        let mut answers = BTreeMap::new();
        while answers.len() < asked.len() && self.queue.now_us() < until_us && self.step() {
            let inbox = std::mem::take(&mut self.inbox);
            answers.extend(inbox.into_iter().filter(|(number, _)| asked.contains(number)));
        }
        answers
    }

    /// Reads every key of the last phase at all owners, then through other servers, then asks each owner what it
    /// holds.
    pub(crate) fn read_all(&mut self) {
        self.run_for(CALM_US);
        self.drain_hints();
        if self.plan.mix == Mix::Rot {
            self.meet_damage();
        }
        self.await_exchange();
        let collected = self.await_collection();
        let phase = self.history.phase;
        let used: BTreeSet<usize> = self.history.operations.iter().map(|operation| operation.key).collect();
        let keys: Vec<usize> =
            used.into_iter().filter(|key| self.history.keys[*key].phase == phase).collect();
        let mut unread = if self.plan.exchange { self.look_everywhere(&keys) } else { BTreeMap::new() };
        let mut reads = BTreeMap::new();
        for _ in 0..TRIES {
            let asked: BTreeMap<u64, usize> = keys
                .iter()
                .copied()
                .filter(|key| !reads.contains_key(key))
                .collect::<Vec<_>>()
                .into_iter()
                .map(|key| (self.ask_any(key, Op::Get, Level { need: Need::All, strict: true }), key))
                .collect();
            for (number, answer) in self.collect(&asked.keys().copied().collect()) {
                if let Answer::Read { seen, .. } = answer {
                    reads.insert(asked[&number], seen);
                }
            }
        }
        let mut others: BTreeMap<u64, usize> = BTreeMap::new();
        for key in &keys {
            for (op, need) in [(Op::Get, Need::One), (Op::Get, Need::Quorum), (Op::Explain, Need::All)] {
                let strict = need != Need::One;
                others.insert(self.ask_any(*key, op, Level { need, strict }), *key);
            }
        }
        let mut answers: BTreeMap<usize, Vec<Answer>> = BTreeMap::new();
        for (number, answer) in self.collect(&others.keys().copied().collect()) {
            answers.entry(others[&number]).or_default().push(answer);
        }
        for key in keys {
            let answers = answers.remove(&key).unwrap_or_default();
            let mut last = self.last_of(key, reads.remove(&key), answers);
            last.unread = unread.remove(&key);
            (last.until, last.collected) = (self.true_time(), collected);
            self.history.finals.push(last);
        }
    }

    /// Waits until every hint is delivered.
    fn drain_hints(&mut self) {
        let until_us = self.queue.now_us() + DRAIN_US;
        let left = |world: &World| world.hints_held() + world.slots_to_fill() > 0 && world.broken.is_none();
        while left(self) && self.queue.now_us() < until_us {
            self.run_for(DRAIN_STEP_US);
        }
        if self.hints_held() > 0 && self.broken.is_none() {
            self.broken = Some(format!("{} hints are left long after healing", self.hints_held()));
        }
        if self.slots_to_fill() > 0 && self.broken.is_none() {
            let stats = self.servers.iter().flat_map(|server| server.stats().map(|stats| stats.fill));
            let left: Vec<_> = stats.filter(|fill| fill.slots_filling + fill.slots_salvaging > 0).collect();
            self.broken = Some(format!("slots are not filled long after healing: {left:?}"));
        }
        let stats = self.servers.iter().flat_map(|server| server.stats());
        self.stats.hints = stats.map(|stats| stats.hints.delivered).sum();
    }

    /// Has every owner look at every key, until nobody meets damage that is not mended yet.
    fn meet_damage(&mut self) {
        let keys: Vec<usize> = (0..self.history.keys.len()).collect();
        for _ in 0..TRIES {
            self.look_everywhere(&keys);
            self.run_for(DRAIN_STEP_US);
            self.drain_hints();
        }
    }

    /// Slots of which an owner's copy is not whole.
    pub(crate) fn slots_to_fill(&self) -> u64 {
        let stats = self.servers.iter().flat_map(|server| server.stats());
        stats.map(|stats| stats.fill.slots_filling + stats.fill.slots_salvaging).sum()
    }

    fn hints_held(&self) -> u64 {
        let stats = self.servers.iter().flat_map(|server| server.stats());
        stats.map(|stats| stats.hints.held).sum()
    }

    /// Waits until every server has compared all its slots with all others since the healing, and found nothing.
    fn await_exchange(&mut self) {
        if !self.plan.exchange {
            return;
        }
        let began_us = self.queue.now_us();
        let settled = |world: &World| {
            let since_ms = (world.queue.now_us() - began_us) / 1_000;
            let mut stats =
                world.servers.iter().flat_map(|server| server.stats()).map(|stats| stats.exchange);
            stats.all(|stats| stats.slots_in_doubt == 0 && stats.round_age_ms < since_ms)
        };
        while !settled(self) && self.broken.is_none() && self.queue.now_us() < began_us + EXCHANGE_US {
            self.run_for(DRAIN_STEP_US);
        }
        if !settled(self) && self.broken.is_none() {
            let stats = self.servers.iter().flat_map(|server| server.stats());
            let doubts: u64 = stats.map(|stats| stats.exchange.slots_in_doubt).sum();
            self.broken = Some(format!("{doubts} slots are in doubt long after healing"));
        }
    }

    /// What the clocks of all servers show after healing.
    fn true_time(&self) -> Hlc {
        Hlc::from_wall_ms(WALL_BASE_MS + self.queue.now_us() / 1_000)
    }

    /// Where keys are left alone: waits until all that can be collected is. Says up to when.
    fn await_collection(&mut self) -> Option<Hlc> {
        let stats = self.servers.iter().flat_map(|server| server.stats()).map(|stats| stats.collect);
        for stats in stats {
            self.stats.collected += stats.collected;
            self.stats.rounds[0] += stats.rounds_done;
            self.stats.rounds[1] += stats.rounds_void;
        }
        if self.plan.turn_us == 0 {
            return None;
        }
        let ended = self.true_time();
        self.run_for(AGEING_US);
        let until_us = self.queue.now_us() + COLLECT_US;
        while self.uncollected() > 0 && self.queue.now_us() < until_us {
            self.run_for(DRAIN_STEP_US);
        }
        if self.broken.is_none() {
            if self.uncollected() > 0 {
                let slots = self.uncollected();
                self.broken = Some(format!("{slots} slots wait for their collection long after healing"));
            } else if let Some(slot) = self.roots_differ() {
                self.broken = Some(format!("the owners of {slot:?} have different roots"));
            }
        }
        Some(ended)
    }

    /// Slots with something that could be collected by now, counted at each owner.
    fn uncollected(&self) -> usize {
        let past = Hlc(self.true_time().0 - Hlc::from_wall_ms(SETTLED_MS).0);
        let mut slots = 0;
        for server in &self.servers {
            let Some(process) = &server.process else { continue };
            let left = |slot: &Slot| {
                let unit = &process.units[server.shard_of(Some(*slot))];
                tree::bucket_ends(unit.store.sums(*slot).unwrap_or_default()).any(|end| end <= past)
            };
            slots += Slot::all().filter(|slot| server.owns(*slot)).filter(left).count();
        }
        slots
    }

    /// A slot whose owners do not compare equal.
    fn roots_differ(&self) -> Option<Slot> {
        Slot::all().find(|slot| {
            let owners = self.layout.owners(*slot).iter().map(|owner| &self.servers[owner.0 as usize - 1]);
            let roots = owners.filter_map(|server| {
                let unit = &server.process.as_ref()?.units[server.shard_of(Some(*slot))];
                let lines = unit.store.lines(*slot).and_then(|bytes| SlotLines::decode(bytes).ok());
                let collect = lines.unwrap_or_default().collect;
                Some(tree::total(unit.store.sums(*slot)?, collect))
            });
            let roots: BTreeSet<u128> = roots.collect();
            roots.len() > 1
        })
    }

    /// Asks each owner of each key what it holds; nobody reads, so that nothing is repaired by reading.
    fn look_everywhere(&mut self, keys: &[usize]) -> BTreeMap<usize, Vec<(u32, Option<Held>)>> {
        let mut holdings = BTreeMap::new();
        for _ in 0..TRIES {
            let level = Level { need: Need::All, strict: true };
            let left = keys.iter().copied().filter(|key| !holdings.contains_key(key)).collect::<Vec<_>>();
            let asked: BTreeMap<u64, usize> =
                left.into_iter().map(|key| (self.ask_any(key, Op::Explain, level), key)).collect();
            for (number, answer) in self.collect(&asked.keys().copied().collect()) {
                if let Answer::Explained(copies) = answer {
                    holdings.insert(asked[&number], held(copies));
                }
            }
        }
        holdings
    }

    fn ask_any(&mut self, key: usize, op: Op, level: Level) -> u64 {
        let server = self.work_rng.usize(0..self.servers.len());
        self.ask(server, key, op, level)
    }

    fn last_of(&self, key: usize, read: Option<Vec<crate::history::Seen>>, answers: Vec<Answer>) -> Final {
        let owners = self.layout.owners(Slot::of(&self.history.keys[key].name)).len();
        let mut last = Final {
            key,
            read,
            others: Vec::new(),
            holdings: Vec::new(),
            unread: None,
            owners,
            until: Hlc::ZERO,
            collected: None,
        };
        for answer in answers {
            match answer {
                Answer::Read { seen, .. } => last.others.push(seen),
                Answer::Explained(copies) => last.holdings = held(copies),
                _ => {}
            }
        }
        last
    }
}

/// What the owners said, for the history.
fn held(copies: Vec<(u32, Option<Record>)>) -> Vec<(u32, Option<Held>)> {
    copies.into_iter().map(|(member, record)| (member, record.map(Held::Record))).collect()
}
