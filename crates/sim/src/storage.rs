//! What a server's disk is and what its shards keep on it: one seam for the stores that the simulator knows.

use crate::{
    files::Files,
    memory::{MemoryDisk, MemoryShard},
    mix::StoreKind,
    server::Stop,
};
use bytes::Bytes;
use clockwise_core::{
    canary::Canary,
    identity::Identity,
    ids::Lsn,
    layout::Layout,
    slot::Slot,
    storage::{JobId, Loaded, Lookup, Mutation, PageLimit, Refusal, Storage},
    tree::Sum,
};
use clockwise_store::{Engine, Job};
use fastrand::Rng;
use std::collections::BTreeMap;

const IDENTITY: &str = "identity";
const LAYOUT: &str = "layout";

/// What is left when no process runs.
enum Medium {
    Memory { disk: MemoryDisk, records: BTreeMap<&'static str, Bytes>, cold_per_mille: u32 },
    Files(Box<Files>),
}

/// A server's disk.
pub(crate) struct Disk {
    medium: Medium,
    rng: Rng,
}

/// What one shard keeps.
pub(crate) enum ShardStore {
    /// Without files.
    Memory(MemoryShard),
    /// The real engine.
    Engine(Box<Engine>),
}

/// Work for the disk that a shard waits for, or that nobody waits for.
pub(crate) enum Work {
    /// A lookup of the store without files; its answer is known already.
    Loaded(Loaded),
    /// A job of the engine.
    Job(Job),
}

impl Disk {
    /// An empty disk; where there are no files, this many lookups in a thousand must be waited for.
    pub(crate) fn new(kind: StoreKind, cold_per_mille: u32, mut rng: Rng) -> Disk {
        let medium = match kind {
            StoreKind::Memory => {
                Medium::Memory { disk: MemoryDisk::default(), records: BTreeMap::new(), cold_per_mille }
            }
            StoreKind::Files => Medium::Files(Box::new(Files::new(rng.u64(..)))),
        };
        Disk { medium, rng }
    }

    /// Recovery: the stores of a process with this many shards.
    pub(crate) fn open(&mut self, shards: u16, canary: Canary) -> Result<Vec<ShardStore>, String> {
        match &mut self.medium {
            Medium::Memory { disk, cold_per_mille, .. } => {
                let stores = disk.open(shards, *cold_per_mille, &mut self.rng);
                Ok(stores.into_iter().map(ShardStore::Memory).collect())
            }
            Medium::Files(files) => {
                let engines = files.open(shards, self.rng.u64(..), canary)?;
                Ok(engines.into_iter().map(|engine| ShardStore::Engine(Box::new(engine))).collect())
            }
        }
    }

    /// The process is gone.
    pub(crate) fn close(&mut self, stores: Vec<ShardStore>, how: Stop) -> Result<(), String> {
        let mut engines = Vec::new();
        for store in stores {
            match (store, &mut self.medium) {
                (ShardStore::Memory(store), Medium::Memory { disk, .. }) => match how {
                    Stop::Clean | Stop::Kill => disk.keep(&store),
                    Stop::Power => disk.lose(&store, &mut self.rng),
                },
                (ShardStore::Engine(engine), _) => engines.push(*engine),
                (ShardStore::Memory(_), Medium::Files(_)) => {}
            }
        }
        match &mut self.medium {
            Medium::Memory { .. } => Ok(()),
            Medium::Files(files) => files.close(engines, how),
        }
    }

    /// Writes what the shards applied to the log, not yet synced. Returns the positions that a sync would make
    /// durable (of the engine: none, the log knows), if there is anything to sync.
    pub(crate) fn write_log<'a>(
        &mut self,
        stores: impl Iterator<Item = &'a mut ShardStore>,
    ) -> Result<Option<Vec<Lsn>>, String> {
        let mut due = false;
        let mut positions = Vec::new();
        for store in stores {
            match (store, &mut self.medium) {
                (ShardStore::Memory(store), _) => {
                    due |= store.written() > store.durable();
                    positions.push(store.written());
                }
                (ShardStore::Engine(engine), Medium::Files(files)) => due |= files.write(engine),
                (ShardStore::Engine(_), Medium::Memory { .. }) => {}
            }
        }
        if let (true, Medium::Files(files)) = (due, &mut self.medium) {
            files.flush()?;
        }
        Ok(due.then_some(positions))
    }

    /// A sync is through.
    pub(crate) fn synced<'a>(
        &mut self,
        stores: impl Iterator<Item = &'a mut ShardStore>,
        positions: &[Lsn],
    ) -> Result<(), String> {
        if let Medium::Files(files) = &mut self.medium {
            files.sync()?;
        }
        for (shard, store) in stores.enumerate() {
            match (store, &mut self.medium) {
                (ShardStore::Memory(store), Medium::Memory { disk, .. }) => {
                    disk.synced(store, positions[shard]);
                }
                (ShardStore::Engine(engine), Medium::Files(files)) => engine.on_durable(files.synced(shard)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Time passed.
    pub(crate) fn tick<'a>(&mut self, stores: impl Iterator<Item = &'a mut ShardStore>) {
        let Medium::Files(files) = &mut self.medium else { return };
        if files.tick() {
            for store in stores {
                if let ShardStore::Engine(engine) = store {
                    engine.tick();
                }
            }
        }
    }

    /// Does a piece of work. Returns lookups that are answered by it.
    pub(crate) fn run(&mut self, work: Work, store: &mut ShardStore) -> Vec<Loaded> {
        match (work, store, &mut self.medium) {
            (Work::Loaded(loaded), ..) => vec![loaded],
            (Work::Job(job), ShardStore::Engine(engine), Medium::Files(files)) => files.run(job, engine),
            (Work::Job(_), ..) => Vec::new(),
        }
    }

    fn save(&mut self, name: &'static str, bytes: Bytes) -> Result<(), String> {
        match &mut self.medium {
            Medium::Memory { records, .. } => {
                records.insert(name, bytes);
                Ok(())
            }
            Medium::Files(files) => files.save(name, &bytes),
        }
    }

    fn load(&self, name: &'static str) -> Result<Bytes, String> {
        let found = match &self.medium {
            Medium::Memory { records, .. } => records.get(name).cloned(),
            Medium::Files(files) => files.load(name)?,
        };
        found.ok_or(format!("there is no {name}"))
    }

    /// Makes an identity durable.
    pub(crate) fn save_identity(&mut self, identity: &Identity) -> Result<(), String> {
        self.save(IDENTITY, Bytes::from(identity.encode()))
    }

    /// The identity that was made durable last.
    pub(crate) fn load_identity(&self) -> Result<Identity, String> {
        Identity::decode(self.load(IDENTITY)?).map_err(|_| "malformed identity".to_owned())
    }

    /// Makes a layout durable.
    pub(crate) fn save_layout(&mut self, layout: Bytes) -> Result<(), String> {
        self.save(LAYOUT, layout)
    }

    /// The layout that was made durable last.
    pub(crate) fn load_layout(&self) -> Result<Layout, String> {
        Layout::decode(self.load(LAYOUT)?).map_err(|_| "malformed layout".to_owned())
    }

    /// Flips a bit in the first block of every table. How many there are.
    #[cfg(test)]
    pub(crate) fn damage_tables(&self) -> usize {
        match &self.medium {
            Medium::Memory { .. } => 0,
            Medium::Files(files) => files.damage_tables(),
        }
    }

    /// Flips a bit in some of the files whose name ends so. How many there are.
    pub(crate) fn rot(&mut self, ending: &str, seed: u64) -> usize {
        match &mut self.medium {
            Medium::Memory { .. } => 0,
            Medium::Files(files) => files.rot_some(ending, seed),
        }
    }

    /// The disk is nearly full from now on, or has room again.
    pub(crate) fn fill(&self, full: bool) {
        if let Medium::Files(files) = &self.medium {
            files.fill(full);
        }
    }

    /// The files themselves, for a scenario to spoil.
    #[cfg(test)]
    pub(crate) fn files(&mut self) -> Option<&mut Files> {
        match &mut self.medium {
            Medium::Files(files) => Some(files),
            Medium::Memory { .. } => None,
        }
    }

    /// A number that differs if the disk went another way.
    pub(crate) fn changes(&self) -> u64 {
        match &self.medium {
            Medium::Memory { .. } => 0,
            Medium::Files(files) => files.changes(),
        }
    }
}

impl ShardStore {
    /// Slots that damage may have hit, since the last call.
    pub(crate) fn take_damaged(&mut self) -> Vec<Slot> {
        let mut ranges = Vec::new();
        if let ShardStore::Engine(engine) = self {
            engine.take_damaged(&mut ranges);
        }
        ranges.iter().flat_map(|range| range.slots()).collect()
    }

    /// Work for the disk that came up since the last call.
    pub(crate) fn take_work(&mut self) -> Vec<Work> {
        match self {
            ShardStore::Memory(store) => store.take_jobs().into_iter().map(Work::Loaded).collect(),
            ShardStore::Engine(engine) => {
                let mut jobs = Vec::new();
                engine.take_jobs(&mut jobs);
                jobs.into_iter().map(Work::Job).collect()
            }
        }
    }
}

impl Storage for ShardStore {
    fn get(&mut self, slot: Slot, key: &[u8]) -> Lookup {
        match self {
            ShardStore::Memory(store) => store.get(slot, key),
            ShardStore::Engine(engine) => engine.get(slot, key),
        }
    }

    fn page(&mut self, slot: Slot, after: Option<Bytes>, limit: PageLimit) -> JobId {
        match self {
            ShardStore::Memory(store) => store.page(slot, after, limit),
            ShardStore::Engine(engine) => engine.page(slot, after, limit),
        }
    }

    fn apply(&mut self, slot: Slot, mutations: &[Mutation<'_>]) -> Lsn {
        match self {
            ShardStore::Memory(store) => store.apply(slot, mutations),
            ShardStore::Engine(engine) => engine.apply(slot, mutations),
        }
    }

    fn lines(&self, slot: Slot) -> Option<Bytes> {
        match self {
            ShardStore::Memory(store) => store.lines(slot),
            ShardStore::Engine(engine) => engine.lines(slot),
        }
    }

    fn live(&self, slot: Slot) -> u64 {
        match self {
            ShardStore::Memory(store) => store.live(slot),
            ShardStore::Engine(engine) => engine.live(slot),
        }
    }

    fn sums(&self, slot: Slot) -> Option<&[Sum]> {
        match self {
            ShardStore::Memory(store) => store.sums(slot),
            ShardStore::Engine(engine) => engine.sums(slot),
        }
    }

    fn tree_depth(&self, slot: Slot) -> Option<u8> {
        match self {
            ShardStore::Memory(store) => store.tree_depth(slot),
            ShardStore::Engine(engine) => engine.tree_depth(slot),
        }
    }

    fn admits(&self) -> Result<(), Refusal> {
        match self {
            ShardStore::Memory(store) => store.admits(),
            ShardStore::Engine(engine) => engine.admits(),
        }
    }

    fn durable(&self) -> Lsn {
        match self {
            ShardStore::Memory(store) => store.durable(),
            ShardStore::Engine(engine) => engine.durable(),
        }
    }
}
