//! One recorded life of a folder: the disk after each of its changes, and what recovery may and must find there.

use crate::{
    harness::{Op, Server, State, dump, random_op, show, visible},
    tap::{Op as DiskOp, Tap, Tapped},
};
use clockwise_core::storage::Storage;
use clockwise_store::{Options, SimDisk};
use fastrand::Rng;
use std::{
    collections::{BTreeMap, HashMap},
    hash::{Hash, Hasher},
    sync::{Arc, Mutex},
};

/// The disk after each change.
struct Recorder {
    disk: SimDisk,
    snapshots: Mutex<Vec<SimDisk>>,
}

impl Recorder {
    fn changes(&self) -> usize {
        self.snapshots.lock().expect("nobody panics").len() - 1
    }
}

impl Tap for Recorder {
    fn after(&self, op: DiskOp) {
        if op.changes() {
            self.snapshots.lock().expect("nobody panics").push(self.disk.snapshot(0));
        }
    }
}

/// What one cell did.
#[derive(Clone, Default)]
struct CellLife {
    ops: Vec<Op>,
    /// How many changes the disk had seen when the operation was applied.
    applied_at: Vec<usize>,
    /// After how many operations the cell looks like this.
    prefixes: HashMap<u64, Vec<usize>>,
}

/// What is known of a folder before a life begins.
#[derive(Clone, Default)]
pub struct Past {
    /// The operations of each cell that can be seen.
    pub ops: BTreeMap<u16, Vec<Op>>,
    /// How many of them were acknowledged; the others were written by a process that was killed, and may vanish until
    /// the folder is open again.
    pub acknowledged: BTreeMap<u16, usize>,
}

pub struct Life {
    snapshots: Vec<SimDisk>,
    cells: BTreeMap<u16, CellLife>,
    /// From so many changes on, so many operations of each cell are acknowledged.
    acknowledged: Vec<(usize, BTreeMap<u16, usize>)>,
    pub flushes: u64,
    pub merges: u64,
    /// Log segments that were begun in the file of an older one.
    pub recycled: u64,
}

/// What a recovery found.
pub struct Recovered {
    pub states: BTreeMap<u16, State>,
    /// How many operations of each cell.
    pub lengths: BTreeMap<u16, usize>,
}

fn fingerprint(state: &State) -> u64 {
    let mut hasher = xxhash_rust::xxh3::Xxh3Default::new();
    state.hash(&mut hasher);
    hasher.finish()
}

impl Life {
    /// Opens a folder, works, and records both.
    pub fn live(disk: &SimDisk, past: &Past, options: &Options, operations: u64, rng: &mut Rng) -> Life {
        let recorder =
            Arc::new(Recorder { disk: disk.clone(), snapshots: Mutex::new(vec![disk.snapshot(0)]) });
        let mut life = Life {
            snapshots: Vec::new(),
            cells: BTreeMap::new(),
            acknowledged: vec![(0, past.acknowledged.clone())],
            flushes: 0,
            merges: 0,
            recycled: 0,
        };
        for (cell, ops) in &past.ops {
            let applied_at = vec![0; ops.len()];
            life.cells.insert(*cell, CellLife { ops: ops.clone(), applied_at, ..CellLife::default() });
        }
        let tapped = Tapped::new(disk.clone(), Arc::clone(&recorder) as Arc<dyn Tap>);
        let mut server = Server::open(Arc::new(tapped), options).expect("recovers");
        let seen = past.ops.iter().map(|(cell, ops)| (*cell, ops.len())).collect();
        life.acknowledged.push((recorder.changes(), seen));
        let mut serial = past.ops.values().map(|ops| ops.len() as u64).sum::<u64>() << 8;
        life.work(&mut server, &recorder, operations, &mut serial, rng);
        for stats in server.engines.iter().map(|engine| engine.stats()) {
            life.flushes += stats.flushes;
            life.merges += stats.compactions;
        }
        life.recycled = server.log.stats().segments_recycled;
        if rng.u32(..4) == 0 {
            server.log.close().expect("no fault");
        }
        life.snapshots = std::mem::take(&mut *recorder.snapshots.lock().expect("nobody panics"));
        for cell in life.cells.values_mut() {
            let mut state = State::default();
            for length in 0..=cell.ops.len() {
                if length > 0 {
                    state.apply(&cell.ops[length - 1]);
                }
                cell.prefixes.entry(fingerprint(&visible(&state))).or_default().push(length);
            }
        }
        life
    }

    fn work(
        &mut self,
        server: &mut Server,
        recorder: &Recorder,
        operations: u64,
        serial: &mut u64,
        rng: &mut Rng,
    ) {
        for _ in 0..operations {
            let op = random_op(rng, *serial);
            *serial += 1;
            while server.engine(op.slot).admits().is_err() {
                assert!(server.step(rng), "only a backlog refuses, and there is work to end it");
            }
            server.apply(&op);
            let cell = self.cells.entry(op.slot.cell()).or_default();
            cell.ops.push(op);
            cell.applied_at.push(recorder.changes());
            match rng.u32(..10) {
                // Periodic durability writes without a sync.
                0 | 1 => {
                    server.append();
                    server.log.write().expect("no fault");
                }
                2..4 => {
                    server.commit().expect("no fault");
                    let all = self.cells.iter().map(|(cell, life)| (*cell, life.ops.len()));
                    self.acknowledged.push((recorder.changes(), all.collect()));
                }
                4..8 => {
                    server.step(rng);
                }
                8 if rng.u32(..8) == 0 => {
                    // Many small tables, so that they are merged.
                    server.engines.iter_mut().for_each(|engine| engine.freeze_all());
                    server.step(rng);
                }
                _ => {
                    for _ in 0..rng.usize(..8) {
                        server.step(rng);
                    }
                }
            }
        }
    }

    /// How many changes the disk saw.
    pub fn changes(&self) -> usize {
        self.snapshots.len() - 1
    }

    /// The disk after this many changes, with nothing lost yet.
    pub fn disk_after(&self, changes: usize, seed: u64) -> SimDisk {
        self.snapshots[changes].snapshot(seed)
    }

    /// Opens a folder that was cut off after this many changes of this life, and checks all that is promised.
    pub fn recover(&self, cut: usize, disk: &SimDisk, options: &Options) -> Result<Recovered, String> {
        let mut server = Server::open(Arc::new(disk.clone()), options).map_err(|error| error.to_string())?;
        if !server.report.damaged_slots.is_empty() || server.report.damaged_log_places > 0 {
            return Err(format!("a power loss looks like damage: {:?}", server.report));
        }
        let paths = disk.paths();
        let files = paths.iter().filter(|path| path.ends_with(".sst")).count() as u64;
        let tables: u64 = server.engines.iter().map(|engine| engine.stats().tables).sum();
        if files != tables {
            return Err(format!("{files} files for {tables} tables"));
        }
        let states = dump(&mut server).map_err(|error| format!("{error:?}"))?;
        let lengths = self.lengths(cut, &states)?;
        Ok(Recovered { states, lengths })
    }

    fn acknowledged_at(&self, cut: usize) -> &BTreeMap<u16, usize> {
        &self.acknowledged[self.acknowledged.partition_point(|(at, _)| *at <= cut) - 1].1
    }

    /// How many operations of each cell a state shows.
    fn lengths(&self, cut: usize, states: &BTreeMap<u16, State>) -> Result<BTreeMap<u16, usize>, String> {
        let acknowledged = self.acknowledged_at(cut);
        let mut lengths = BTreeMap::new();
        for (cell, state) in states {
            let Some(life) = self.cells.get(cell) else {
                if *state != State::default() {
                    return Err(format!("cell {cell} was never written and holds {}", show(state)));
                }
                continue;
            };
            let least = acknowledged.get(cell).copied().unwrap_or(0);
            // What was applied when the disk had seen all these changes is in none of them.
            let most = life.applied_at.partition_point(|at| *at == 0 || *at < cut).max(least);
            let fitting = life.prefixes.get(&fingerprint(state)).into_iter().flatten();
            let found = fitting.copied().filter(|length| (least..=most).contains(length)).max();
            let Some(length) = found else {
                return Err(format!(
                    "cell {cell}: no prefix of {least} to {most} operations (of {}) gives this, but {:?} would:\n{}",
                    life.ops.len(),
                    life.prefixes.get(&fingerprint(state)),
                    show(state),
                ));
            };
            lengths.insert(*cell, length);
        }
        Ok(lengths)
    }

    /// What the next life builds on, after a cut and a recovery that saw so much.
    pub fn past(&self, cut: usize, lengths: &BTreeMap<u16, usize>) -> Past {
        let kept = |(cell, length): (&u16, &usize)| (*cell, self.cells[cell].ops[..*length].to_vec());
        Past { ops: lengths.iter().map(kept).collect(), acknowledged: self.acknowledged_at(cut).clone() }
    }
}
