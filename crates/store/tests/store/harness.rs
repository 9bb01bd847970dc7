//! A server's storage driven by hand: engines, log and the jobs in between, and a history that says what every
//! state on disk must look like.

use bytes::Bytes;
use clockwise_core::{
    ids::Lsn,
    slot::Slot,
    storage::{LoadError, Loaded, LoadedRecord, Lookup, Mutation, Page, Storage},
    tree::Sum,
};
use clockwise_store::{
    Disk, Engine, Job, JobDone, Log, LogError, OpenError, Opened, Options, RecoveryReport, open,
};
use fastrand::Rng;
use std::{collections::BTreeMap, sync::Arc};

/// Everything small, so that a few hundred operations flush, compact and rotate.
pub fn small(shards: usize) -> Options {
    Options {
        shards,
        memtable_bytes: 24 << 10,
        cache_bytes: 32 << 10,
        segment_bytes: 32 << 10,
        first_segment_bytes: 16 << 10,
        log_bytes: 96 << 10,
        block_bytes: 256,
        // The larger of the tables have partitions.
        flat_index_bytes: 256,
        reserve_bytes: 0,
        reserve_percent: 0,
        ..Options::default()
    }
}

pub struct Server {
    pub disk: Arc<dyn Disk>,
    pub engines: Vec<Engine>,
    pub log: Log,
    pub report: RecoveryReport,
    pub jobs: Vec<Job>,
    pub done: Vec<JobDone>,
    pub loaded: Vec<Loaded>,
    /// The shards of what is in `loaded`.
    pub loaded_by: Vec<usize>,
}

impl Server {
    pub fn open(disk: Arc<dyn Disk>, options: &Options) -> Result<Server, OpenError> {
        let Opened { engines, log, report } = open(Arc::clone(&disk), options.clone())?;
        Ok(Server {
            disk,
            engines,
            log,
            report,
            jobs: Vec::new(),
            done: Vec::new(),
            loaded: Vec::new(),
            loaded_by: Vec::new(),
        })
    }

    pub fn engine(&mut self, slot: Slot) -> &mut Engine {
        let shards = self.engines.len();
        &mut self.engines[usize::from(slot.cell()) % shards]
    }

    pub fn apply(&mut self, op: &Op) -> Lsn {
        let sums: Vec<Vec<Sum>> = op.changes.iter().map(Change::sums).collect();
        let changes = op.changes.iter().zip(&sums);
        let mutations: Vec<Mutation<'_>> = changes.map(|(change, sums)| change.mutation(sums)).collect();
        self.engine(op.slot).apply(op.slot, &mutations)
    }

    /// Everything applied goes to the log's memory.
    pub fn append(&mut self) {
        for engine in &mut self.engines {
            if let Some(batch) = engine.take_batch() {
                self.log.append(batch);
            }
        }
    }

    pub fn commit(&mut self) -> Result<(), LogError> {
        self.append();
        let result = self.log.sync();
        for (shard, engine) in self.engines.iter_mut().enumerate() {
            engine.on_durable(self.log.synced(shard));
        }
        result
    }

    pub fn collect(&mut self) {
        let mut flushed = Vec::new();
        for engine in &mut self.engines {
            engine.take_jobs(&mut self.jobs);
            engine.take_flushed(&mut flushed);
        }
        for notice in flushed {
            self.log.on_flushed(notice);
        }
    }

    /// Runs one job or takes one result, chosen at random; false if there is nothing to do.
    pub fn step(&mut self, rng: &mut Rng) -> bool {
        self.collect();
        let choices = self.jobs.len() + self.done.len();
        if choices == 0 {
            return false;
        }
        let choice = rng.usize(..choices);
        if choice < self.jobs.len() {
            let done = self.jobs.swap_remove(choice).run(&*self.disk);
            self.done.push(done);
        } else {
            let done = self.done.swap_remove(choice - self.jobs.len());
            let shard = done.shard();
            self.engines[shard].on_job_done(done, &mut self.loaded);
            self.loaded_by.resize(self.loaded.len(), shard);
        }
        self.collect();
        true
    }

    /// Runs all jobs.
    pub fn settle(&mut self) {
        let mut rng = Rng::with_seed(1);
        while self.step(&mut rng) {}
    }

    /// Answers that came from the disk, with their shards.
    pub fn take_loaded(&mut self) -> Vec<(usize, LoadedRecord)> {
        let loaded = self.loaded_by.drain(..).zip(self.loaded.drain(..));
        loaded.filter_map(|(shard, loaded)| Some((shard, loaded.into_record()?))).collect()
    }

    /// Pages that came from the disk.
    pub fn take_pages(&mut self) -> Vec<Page> {
        self.loaded_by.clear();
        let page = |loaded| if let Loaded::Page(page) = loaded { Some(page) } else { None };
        self.loaded.drain(..).filter_map(page).collect()
    }

    /// A lookup with whatever jobs it takes.
    pub fn get(&mut self, slot: Slot, key: &[u8]) -> Result<Option<Bytes>, LoadError> {
        match self.engine(slot).get(slot, key) {
            Lookup::Hit(found) => Ok(Some(found.record)),
            Lookup::Miss(_) => Ok(None),
            Lookup::Job(id) => {
                self.settle();
                let at = self.loaded.iter().position(|loaded| loaded.job() == id).expect("it is answered");
                let loaded = self.loaded.swap_remove(at);
                self.loaded_by.swap_remove(at);
                let loaded = loaded.into_record().expect("a lookup was asked for");
                loaded.result.map(|found| found.map(|found| found.record))
            }
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Put(Vec<u8>, Vec<u8>, i8),
    Forget(Vec<u8>, i8),
    Lines(Vec<u8>),
    DropSlot,
}

impl Change {
    fn mutation<'a>(&'a self, sums: &'a [Sum]) -> Mutation<'a> {
        match self {
            Change::Put(key, record, live) => Mutation::Put { key, record, live: *live, sums },
            Change::Forget(key, live) => Mutation::Forget { key, live: *live, sums },
            Change::Lines(lines) => Mutation::Lines(lines),
            Change::DropSlot => Mutation::DropSlot,
        }
    }

    /// What the change adds to the sums of its slot: something of its own, for most.
    fn sums(&self) -> Vec<Sum> {
        let (key, text) = match self {
            Change::Put(key, record, _) => (key, record),
            Change::Forget(key, _) => (key, key),
            Change::Lines(_) | Change::DropSlot => return Vec::new(),
        };
        if key.starts_with(b"key ") {
            // Tests that are about the timing of flushes and merges: their log stays as short as it was.
            return Vec::new();
        }
        let value =
            text.iter().fold(1, |sum: u128, &byte| sum.wrapping_mul(0x1_0000_01b3).wrapping_add(byte.into()));
        let leaf = Sum { name: 16 + u64::from(crc32c::crc32c(key) % 16), value };
        match value % 3 {
            0 => Vec::new(),
            1 => vec![leaf],
            _ => vec![leaf, Sum { name: (1 << 20) + (value as u64 % 5), value: value.wrapping_neg() }],
        }
    }
}

/// One `apply`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Op {
    pub slot: Slot,
    pub changes: Vec<Change>,
}

/// What a cell holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct State {
    pub records: BTreeMap<(u16, Vec<u8>), Vec<u8>>,
    pub live: BTreeMap<u16, i64>,
    pub lines: BTreeMap<u16, Vec<u8>>,
    pub sums: BTreeMap<(u16, u64), u128>,
}

impl State {
    pub fn apply(&mut self, op: &Op) {
        let slot = op.slot.number();
        for change in &op.changes {
            for Sum { name, value } in change.sums() {
                let sum = self.sums.entry((slot, name)).or_default();
                *sum = sum.wrapping_add(value);
            }
            let live: i64 = match change {
                Change::Put(key, record, live) => {
                    self.records.insert((slot, key.clone()), record.clone());
                    i64::from(*live)
                }
                Change::Forget(key, live) => {
                    self.records.remove(&(slot, key.clone()));
                    i64::from(*live)
                }
                Change::Lines(lines) => {
                    self.lines.insert(slot, lines.clone());
                    0
                }
                Change::DropSlot => {
                    self.records.retain(|(of, _), _| *of != slot);
                    self.sums.retain(|(of, _), _| *of != slot);
                    -self.live.get(&slot).copied().unwrap_or_default()
                }
            };
            *self.live.entry(slot).or_default() += live;
            if self.live[&slot] == 0 {
                self.live.remove(&slot);
            }
        }
    }
}

pub const KEYS: u32 = 48;

/// The key with this number, always in the same slot; a few slots in each of several cells.
pub fn key(number: u32) -> (Slot, Vec<u8>) {
    let slot = Slot::new((number % 6 + 16 * (number % 3)) as u16).expect("below 16384");
    (slot, format!("key-{number}").into_bytes())
}

/// A random `apply` whose values name its serial number, so that no two are equal.
pub fn random_op(rng: &mut Rng, serial: u64) -> Op {
    let (slot, first) = key(rng.u32(..KEYS));
    let mut changes = Vec::new();
    if rng.u32(..60) == 0 {
        // The lines make this state another one than every state before.
        changes.push(Change::DropSlot);
        changes.push(Change::Lines(format!("dropped {serial}").into_bytes()));
        if rng.bool() {
            return Op { slot, changes };
        }
    }
    for part in 0..rng.usize(1..4) {
        // Other keys of the same slot.
        let key = if part == 0 { first.clone() } else { format!("more-{}", rng.u32(..8)).into_bytes() };
        changes.push(match rng.u32(..10) {
            // Counts never fall, so that each prefix of a history shows another state (none is shown below zero).
            0 | 1 => Change::Forget(key, 0),
            2 => Change::Lines(format!("lines {serial} {part}").into_bytes()),
            _ => {
                let mut record = format!("record {serial} {part} ").into_bytes();
                let filler = if rng.u32(..20) == 0 { 3000 } else { rng.usize(..120) };
                record.extend((0..filler).map(|_| rng.u8(b'a'..b'f')));
                Change::Put(key, record, rng.i8(0..=1))
            }
        });
    }
    Op { slot, changes }
}

/// All keys that random operations use.
pub fn all_keys() -> Vec<(Slot, Vec<u8>)> {
    let mut keys: Vec<_> = (0..KEYS).map(key).collect();
    let mut slots: Vec<Slot> = keys.iter().map(|(slot, _)| *slot).collect();
    slots.sort_unstable();
    slots.dedup();
    for slot in slots {
        keys.extend((0..8).map(|more| (slot, format!("more-{more}").into_bytes())));
    }
    keys
}

/// Reads everything, by cell.
pub fn dump(server: &mut Server) -> Result<BTreeMap<u16, State>, LoadError> {
    let mut states: BTreeMap<u16, State> = BTreeMap::new();
    for (slot, key) in all_keys() {
        let found = server.get(slot, &key)?;
        let state = states.entry(slot.cell()).or_default();
        if let Some(record) = found {
            state.records.insert((slot.number(), key), record.to_vec());
        }
        let engine = server.engine(slot);
        if let Some(lines) = engine.lines(slot) {
            state.lines.insert(slot.number(), lines.to_vec());
        }
        for sum in engine.sums(slot).into_iter().flatten() {
            state.sums.insert((slot.number(), sum.name), sum.value);
        }
        let live = engine.live(slot);
        if live > 0 {
            state.live.insert(slot.number(), live as i64);
        }
    }
    Ok(states)
}

/// What was done, by cell, and how much of it must survive.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub ops: BTreeMap<u16, Vec<Op>>,
    pub acknowledged: BTreeMap<u16, usize>,
}

impl History {
    pub fn push(&mut self, op: Op) {
        self.ops.entry(op.slot.cell()).or_default().push(op);
    }

    pub fn acknowledge_all(&mut self) {
        self.acknowledged = self.ops.iter().map(|(cell, ops)| (*cell, ops.len())).collect();
    }

    /// Whether each cell's state is that after a prefix of its operations, with all acknowledged ones. On
    /// success the history becomes that prefix.
    pub fn matches(&mut self, states: &BTreeMap<u16, State>) -> Result<(), String> {
        for (cell, found) in states {
            let ops = self.ops.entry(*cell).or_default();
            let acknowledged = self.acknowledged.get(cell).copied().unwrap_or(0);
            let mut state = State::default();
            let mut matching = None;
            for length in 0..=ops.len() {
                if length > 0 {
                    state.apply(&ops[length - 1]);
                }
                if length >= acknowledged && visible(&state) == *found {
                    matching = Some(length);
                }
            }
            let Some(length) = matching else {
                return Err(format!(
                    "cell {cell}: no prefix of {acknowledged} to {} operations gives what was found:\n{}\nall:\n{}",
                    ops.len(),
                    show(found),
                    show(&state),
                ));
            };
            ops.truncate(length);
        }
        self.acknowledge_all();
        Ok(())
    }
}

/// Counts below zero are shown as zero.
pub fn visible(state: &State) -> State {
    let mut state = state.clone();
    state.live.retain(|_, live| *live > 0);
    state.sums.retain(|_, sum| *sum != 0);
    state
}

/// A state in few words.
pub fn show(state: &State) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(16)]).into_owned();
    let records =
        state.records.iter().map(|((slot, key), value)| format!("{slot} {}: {}", text(key), text(value)));
    let lines = state.lines.iter().map(|(slot, lines)| format!("{slot} lines: {}", text(lines)));
    let live = state.live.iter().map(|(slot, live)| format!("{slot} live: {live}"));
    let sums = state.sums.iter().map(|((slot, name), sum)| format!("{slot} sum {name}: {sum:x}"));
    records.chain(lines).chain(live).chain(sums).collect::<Vec<_>>().join("\n")
}
