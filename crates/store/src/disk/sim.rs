//! A disk in memory that forgets like a real one. Same seed, same calls: same bytes.
//!
//! Owns the names, the faults and the power switch; [`mod@file`] owns the bytes. A write is durable after the
//! file's sync, a name after its folder's sync; at a power loss each unsynced sector and each unsynced name
//! operation survives or not on its own. Clones share the disk.

use super::{Disk, DiskFile, Space};
use file::Contents;
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

mod file;
mod handle;

/// What a power loss takes of everything that was not synced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Loss {
    /// Each sector and each name operation at random; some sectors are torn.
    Random,
    /// All of it.
    Everything,
    /// Nothing: the power went just after the disk had written all.
    Nothing,
    /// Of each file the sectors up to one place are there, that one is torn; so are the first of the name operations.
    Prefix,
    /// As `Random`, but files have their full length and some sectors read as zeros where something new was written.
    Zeros,
    /// The same with random bytes in place of the zeros, and ends of files cut off anywhere.
    Garbage,
}

/// A simulated disk.
#[derive(Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Clone)]
struct State {
    random: Random,
    files: BTreeMap<u64, Contents>,
    names: BTreeMap<String, u64>,
    durable: BTreeMap<String, u64>,
    dirs: BTreeSet<String>,
    durable_dirs: BTreeSet<String>,
    unsynced: Vec<NameChange>,
    next_file: u64,
    /// Grows at every power loss or kill; handles of an older life fail.
    life: u64,
    ops: u64,
    mutations: u64,
    fail_at: Option<u64>,
    syncs: u64,
    fail_sync_at: Option<u64>,
    halt_at: Option<u64>,
    full: bool,
    total_bytes: u64,
}

/// One name operation that no folder sync has covered yet.
#[derive(Clone)]
enum NameChange {
    Dir(String),
    Names(Vec<(String, Option<u64>)>),
}

impl Loss {
    /// Every kind.
    pub const ALL: [Loss; 6] =
        [Loss::Random, Loss::Everything, Loss::Nothing, Loss::Prefix, Loss::Zeros, Loss::Garbage];
}

impl SimDisk {
    /// An empty disk of 1 TiB.
    pub fn new(seed: u64) -> SimDisk {
        let root = BTreeSet::from([String::new()]);
        let state = State {
            random: Random(seed),
            files: BTreeMap::new(),
            names: BTreeMap::new(),
            durable: BTreeMap::new(),
            dirs: root.clone(),
            durable_dirs: root,
            unsynced: Vec::new(),
            next_file: 1,
            life: 1,
            ops: 0,
            mutations: 0,
            fail_at: None,
            syncs: 0,
            fail_sync_at: None,
            halt_at: None,
            full: false,
            total_bytes: 1 << 40,
        };
        SimDisk { state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A test that panicked while it held the lock has failed already; the others may go on.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The power goes and comes back: unsynced writes and names survive or not by [`Loss::Random`], open files
    /// are dead, a halt is over.
    pub fn power_loss(&self) {
        self.power_loss_as(Loss::Random);
    }

    /// The same with a chosen loss.
    pub fn power_loss_as(&self, loss: Loss) {
        let mut state = self.state();
        state.reboot();
        state.lose(loss);
    }

    /// The process dies: everything written stays, open files are dead, a halt is over.
    pub fn kill(&self) {
        self.state().reboot();
    }

    /// The `n`-th operation from now (0 is the next one) fails once, without effect.
    pub fn fail_after(&self, n: u64) {
        let mut state = self.state();
        state.fail_at = Some(state.ops + n);
    }

    /// The `n`-th sync of a file or folder from now (0 is the next one) fails once. What it should have synced
    /// will not survive a power loss, even if a later sync of the same file succeeds.
    pub fn fail_sync_after(&self, n: u64) {
        let mut state = self.state();
        state.fail_sync_at = Some(state.syncs + n);
    }

    /// After `n` more changes of any kind everything fails until [`SimDisk::power_loss`] or [`SimDisk::kill`].
    pub fn halt_after(&self, n: u64) {
        let mut state = self.state();
        state.halt_at = Some(state.mutations + n);
    }

    /// Whether the disk pretends to have no room for another byte.
    pub fn full(&self, full: bool) {
        self.state().full = full;
    }

    /// The size of the disk, in bytes.
    pub fn set_space(&self, total_bytes: u64) {
        self.state().total_bytes = total_bytes;
    }

    /// Flips one bit of a file, as bit rot does: durable and unnoticed. `offset` in bytes, `bit` 0 to 7. False
    /// if there is no such byte.
    pub fn bit_flip(&self, path: &str, offset: u64, bit: u8) -> bool {
        let mut state = self.state();
        let Some(&id) = state.names.get(path) else { return false };
        state.files.get_mut(&id).is_some_and(|file| file.flip(offset, bit))
    }

    /// Cuts a file durably, as an operator's mistake would.
    pub fn truncate(&self, path: &str, length: u64) {
        let mut state = self.state();
        if let Some(&id) = state.names.get(path)
            && let Some(file) = state.files.get_mut(&id)
        {
            file.truncate_durably(length);
        }
    }

    /// A file's bytes as a reader sees them.
    pub fn bytes(&self, path: &str) -> Option<Vec<u8>> {
        let state = self.state();
        let id = state.names.get(path)?;
        state.files.get(id).map(|file| file.bytes().to_vec())
    }

    /// Puts a file there, durably, replacing one of that name. The folder must exist.
    pub fn put(&self, path: &str, bytes: &[u8]) {
        let mut state = self.state();
        let id = state.next_file;
        state.next_file += 1;
        state.files.insert(id, Contents::durable(bytes));
        state.names.insert(path.to_owned(), id);
        state.durable.insert(path.to_owned(), id);
    }

    /// A copy of the disk as it is now, without anything unsynced, faults or open files. For tests that start
    /// many runs from one state.
    pub fn fork(&self, seed: u64) -> SimDisk {
        let fork = SimDisk::new(seed);
        {
            let state = self.state();
            let mut copy = fork.state();
            copy.dirs = state.dirs.clone();
            copy.durable_dirs = state.dirs.clone();
            for (path, id) in &state.names {
                let number = copy.next_file;
                copy.next_file += 1;
                let bytes = state.files.get(id).map_or(&[][..], Contents::bytes);
                copy.files.insert(number, Contents::durable(bytes));
                copy.names.insert(path.clone(), number);
                copy.durable.insert(path.clone(), number);
            }
            copy.total_bytes = state.total_bytes;
        }
        fork
    }

    /// A copy of the disk with all that is not synced, but without faults and open files: from one moment of one run,
    /// many power losses.
    pub fn snapshot(&self, seed: u64) -> SimDisk {
        let mut state = self.state().clone();
        state.random = Random(seed);
        state.reboot();
        (state.ops, state.mutations, state.syncs) = (0, 0, 0);
        SimDisk { state: Arc::new(Mutex::new(state)) }
    }

    /// The paths of all files, in order.
    pub fn paths(&self) -> Vec<String> {
        self.state().names.keys().cloned().collect()
    }

    /// Operations so far, reads included.
    pub fn op_count(&self) -> u64 {
        self.state().ops
    }

    /// Operations so far that change something.
    pub fn mutation_count(&self) -> u64 {
        self.state().mutations
    }

    /// Syncs of files and folders so far.
    pub fn sync_count(&self) -> u64 {
        self.state().syncs
    }
}

/// What kind of operation is counted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Op {
    Read,
    Change,
    Sync,
}

impl State {
    /// Counts an operation and decides whether it fails.
    fn step(&mut self, op: Op) -> io::Result<()> {
        if op != Op::Read && self.halt_at.is_some_and(|at| self.mutations >= at) {
            return Err(io::Error::other("the simulated power is out"));
        }
        let number = self.ops;
        self.ops += 1;
        if op != Op::Read {
            self.mutations += 1;
        }
        if self.fail_at == Some(number) {
            return Err(io::Error::other("a simulated I/O error"));
        }
        Ok(())
    }

    /// Whether this sync is the one that fails.
    fn sync_fails(&mut self) -> bool {
        let number = self.syncs;
        self.syncs += 1;
        self.fail_sync_at == Some(number)
    }

    fn reboot(&mut self) {
        self.life += 1;
        self.halt_at = None;
        self.fail_at = None;
        self.fail_sync_at = None;
    }

    fn lose(&mut self, loss: Loss) {
        let unsynced = std::mem::take(&mut self.unsynced);
        let surviving = if loss == Loss::Prefix { self.random.below(unsynced.len() as u64 + 1) } else { 0 };
        for (at, change) in (0..).zip(unsynced) {
            let survives = match loss {
                Loss::Random | Loss::Zeros | Loss::Garbage => self.random.below(2) == 0,
                Loss::Everything => false,
                Loss::Nothing => true,
                Loss::Prefix => at < surviving,
            };
            if survives {
                self.make_durable(change);
            }
        }
        let dirs = &self.durable_dirs;
        self.durable.retain(|path, _| dirs.contains(parent(path)));
        self.names = self.durable.clone();
        self.dirs = self.durable_dirs.clone();
        self.collect();
        for file in self.files.values_mut() {
            file.lose(loss, &mut self.random);
        }
    }

    fn make_durable(&mut self, change: NameChange) {
        match change {
            NameChange::Dir(path) => {
                self.durable_dirs.insert(path);
            }
            NameChange::Names(sets) => {
                for (path, id) in sets {
                    match id {
                        Some(id) => self.durable.insert(path, id),
                        None => self.durable.remove(&path),
                    };
                }
            }
        }
    }

    /// Forgets files that no name can lead to any more.
    fn collect(&mut self) {
        let mut used: BTreeSet<u64> = self.names.values().chain(self.durable.values()).copied().collect();
        for change in &self.unsynced {
            if let NameChange::Names(sets) = change {
                used.extend(sets.iter().filter_map(|(_, id)| *id));
            }
        }
        self.files.retain(|id, _| used.contains(id));
    }

    fn used_bytes(&self) -> u64 {
        self.names.values().filter_map(|id| self.files.get(id)).map(|file| file.bytes().len() as u64).sum()
    }

    fn room_for(&self, growth: u64) -> io::Result<()> {
        if growth > 0 && (self.full || self.used_bytes().saturating_add(growth) > self.total_bytes) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

impl Disk for SimDisk {
    fn create(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.step(Op::Change)?;
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if !state.dirs.contains(parent(path)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let id = state.next_file;
        state.next_file += 1;
        state.files.insert(id, Contents::default());
        state.names.insert(path.to_owned(), id);
        state.unsynced.push(NameChange::Names(vec![(path.to_owned(), Some(id))]));
        Ok(handle::boxed(self, id, state.life))
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.step(Op::Read)?;
        let id = *state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(handle::boxed(self, id, state.life))
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.step(Op::Read)?;
        if !state.dirs.contains(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let inside = |path: &&String| !path.is_empty() && parent(path) == dir;
        let names: BTreeSet<&String> = state.names.keys().chain(&state.dirs).filter(inside).collect();
        Ok(names.into_iter().map(|path| path[dir.len()..].trim_start_matches('/').to_owned()).collect())
    }

    fn create_dir(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        state.step(Op::Change)?;
        if state.dirs.insert(path.to_owned()) {
            state.unsynced.push(NameChange::Dir(path.to_owned()));
        }
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        state.step(Op::Change)?;
        let id = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), id);
        state.unsynced.push(NameChange::Names(vec![(from.to_owned(), None), (to.to_owned(), Some(id))]));
        state.collect();
        Ok(())
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        state.step(Op::Change)?;
        let id = *state.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        if state.names.contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.names.insert(to.to_owned(), id);
        state.unsynced.push(NameChange::Names(vec![(to.to_owned(), Some(id))]));
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        state.step(Op::Change)?;
        state.names.remove(path).ok_or(io::ErrorKind::NotFound)?;
        state.unsynced.push(NameChange::Names(vec![(path.to_owned(), None)]));
        state.collect();
        Ok(())
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        let mut state = self.state();
        state.step(Op::Sync)?;
        if state.sync_fails() {
            return Err(io::Error::other("a simulated failing sync"));
        }
        let touches = |change: &NameChange| match change {
            NameChange::Dir(path) => parent(path) == dir,
            NameChange::Names(sets) => sets.iter().any(|(path, _)| parent(path) == dir),
        };
        for change in std::mem::take(&mut state.unsynced) {
            if touches(&change) {
                state.make_durable(change);
            } else {
                state.unsynced.push(change);
            }
        }
        state.collect();
        Ok(())
    }

    fn space(&self) -> io::Result<Space> {
        let mut state = self.state();
        state.step(Op::Read)?;
        let left = state.total_bytes.saturating_sub(state.used_bytes());
        Ok(Space { total_bytes: state.total_bytes, available_bytes: if state.full { 0 } else { left } })
    }
}

fn parent(path: &str) -> &str {
    path.rfind('/').map_or("", |at| &path[..at])
}

/// SplitMix64: small, and the same for ever.
#[derive(Clone)]
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}
