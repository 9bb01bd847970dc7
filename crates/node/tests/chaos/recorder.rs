//! The history of the run as its clients write it, and the keys that they share.
//!
//! A value's time and name are known once anybody has read it with `CW.GET`: acknowledgements do not tell them. So they are
//! filled in at the end, by the latest that was seen.

use clockwise_core::hlc::Hlc;
use clockwise_sim::{
    history::{Class, End, History, Key, Operation, Seen, What},
    random::stream,
    workload::{Shares, shared_keys},
};
use fastrand::Rng;
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// How often each class of keys is used.
pub const SHARES: Shares = Shares { shared: [3, 3, 2, 4, 3], own: 3, many_plain: false, deleted: false };
/// After how many operations a shared key is left alone for good: what was written last must then stay.
const USES: [u64; 4] = [40, 120, 120, 500];

/// See the module.
#[derive(Debug)]
pub struct Recorder {
    began: Instant,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    history: History,
    /// Shared keys in use, with the operations that are left to each.
    active: Vec<(usize, u64)>,
    rng: Rng,
    /// `GET`s that were answered, with the value.
    gets: Vec<(u64, Option<u64>)>,
    /// How operations ended, by code.
    codes: BTreeMap<String, u64>,
    /// What no correct server says.
    wrong: Vec<String>,
}

/// What became of a run's operations.
#[derive(Debug)]
pub struct Recorded {
    pub history: History,
    pub codes: BTreeMap<String, u64>,
    pub wrong: Vec<String>,
    /// `GET`s whose value nobody saw by name, so that they say nothing.
    pub unnamed: usize,
}

impl Recorder {
    /// Begins a history of keys with this many owners, among more servers than that.
    pub fn new(seed: u64, owners: usize) -> Recorder {
        let mut rng = stream(seed, "keys", 0);
        let mut keys = shared_keys(0, &SHARES, &mut rng);
        keys.extend(shared_keys(0, &SHARES, &mut rng));
        let active = (0..keys.len()).map(|key| (key, USES[rng.usize(0..USES.len())])).collect();
        let history = History { keys, owners, stand_ins: true, ..History::default() };
        let inner =
            Inner { history, active, rng, gets: Vec::new(), codes: BTreeMap::new(), wrong: Vec::new() };
        Recorder { began: Instant::now(), inner: Mutex::new(inner) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_us(&self) -> u64 {
        self.began.elapsed().as_micros() as u64
    }

    /// A shared key to be used once.
    pub fn shared_key(&self, rng: &mut Rng) -> (usize, Key) {
        let mut inner = self.inner();
        let weights = |class| match class {
            Class::Causal => SHARES.shared[0],
            Class::Plain => SHARES.shared[1],
            Class::Mixed => SHARES.shared[2],
            Class::Register => SHARES.shared[3],
            _ => SHARES.shared[4],
        };
        let weighed: Vec<u32> =
            inner.active.iter().map(|(key, _)| weights(inner.history.keys[*key].class)).collect();
        let at = clockwise_sim::random::weighted(rng, &weighed);
        let (key, left) = inner.active[at];
        let info = inner.history.keys[key].clone();
        if left > 1 {
            inner.active[at].1 -= 1;
        } else {
            let tag = inner.rng.u32(..);
            let name = format!("{:?}-{}-{tag:x}", info.class, inner.history.keys.len()).to_lowercase();
            let next = Key { name: name.into(), ..info.clone() };
            let uses = USES[inner.rng.usize(0..USES.len())];
            inner.active[at] = (inner.history.keys.len(), uses);
            inner.history.keys.push(next);
        }
        (key, info)
    }

    /// A key of one client alone.
    pub fn own_key(&self, client: usize, class: Class, rng: &mut Rng) -> (usize, Key) {
        let key = clockwise_sim::workload::own_key(0, client, class, rng);
        let mut inner = self.inner();
        inner.history.keys.push(key.clone());
        (inner.history.keys.len() - 1, key)
    }

    /// An operation begins now. Returns its number, which is the name of what it writes.
    pub fn begin(&self, mut operation: Operation) -> u64 {
        let mut inner = self.inner();
        operation.invoked_us = self.now_us();
        inner.history.operations.push(operation);
        inner.history.operations.len() as u64 - 1
    }

    /// An operation has ended.
    pub fn end(&self, number: u64, end: End, code: String) {
        let mut inner = self.inner();
        let ended_us = self.now_us();
        *inner.codes.entry(code).or_default() += 1;
        let operation = &mut inner.history.operations[number as usize];
        (operation.ended_us, operation.end) = (ended_us, end);
    }

    /// A `GET` was answered with the value of an operation, or with nothing.
    pub fn got(&self, number: u64, value: Option<u64>) {
        self.inner().gets.push((number, value));
        self.end(number, End::Failed, "done".to_owned());
    }

    /// Something was said that is wrong whatever happened.
    pub fn wrong(&self, what: String) {
        let mut inner = self.inner();
        if inner.wrong.len() < 100 {
            inner.wrong.push(what);
        }
    }

    /// The history, with the times and names that became known.
    pub fn finish(&self, finals: Vec<clockwise_sim::history::Final>) -> Recorded {
        let inner = &mut *self.inner();
        inner.history.finals = finals;
        let names = names(&inner.history);
        let history = &mut inner.history;
        let mut unnamed = 0;
        for (number, value) in &inner.gets {
            let seen = value.map(|value| names.get(&value).filter(|names| names.len() == 1));
            history.operations[*number as usize].end = match seen {
                None => End::Read(Vec::new()),
                Some(Some(names)) => End::Read(names.values().cloned().collect()),
                Some(None) => {
                    unnamed += 1;
                    continue;
                }
            };
        }
        for (number, operation) in (0u64..).zip(&mut history.operations) {
            if let End::Written(time) = &mut operation.end {
                *time = names.get(&number).and_then(|names| names.keys().next_back().copied());
            }
        }
        Recorded { history: history.clone(), codes: inner.codes.clone(), wrong: inner.wrong.clone(), unnamed }
    }

    /// The names of keys that were used.
    pub fn used_keys(&self) -> Vec<(usize, Key)> {
        let inner = self.inner();
        let mut used: Vec<usize> = inner.history.operations.iter().map(|operation| operation.key).collect();
        used.sort_unstable();
        used.dedup();
        used.into_iter().map(|key| (key, inner.history.keys[key].clone())).collect()
    }
}

/// Under which names each value was read, by time.
fn names(history: &History) -> BTreeMap<u64, BTreeMap<Hlc, Seen>> {
    let mut names: BTreeMap<u64, BTreeMap<Hlc, Seen>> = BTreeMap::new();
    let reads = history.operations.iter().filter(|operation| matches!(operation.what, What::Read));
    let during = reads.filter_map(Operation::versions).flatten();
    let last = history.finals.iter().flat_map(|last| last.read.iter().chain(&last.others).flatten());
    for seen in during.chain(last) {
        if let Some(value) = seen.value {
            names.entry(value).or_default().insert(seen.time, seen.clone());
        }
    }
    names
}
