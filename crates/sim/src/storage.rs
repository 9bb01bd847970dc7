//! What a server's disk is and what its shards keep on it: one seam for the stores that the simulator knows.

use crate::{
    memory::{MemoryDisk, MemoryShard},
    server::Stop,
};
use bytes::Bytes;
use clockwise_core::{
    canary::Canary,
    identity::Identity,
    ids::Lsn,
    layout::Layout,
    slot::Slot,
    storage::{Loaded, Lookup, Mutation, Refusal, Storage},
};
use fastrand::Rng;

/// A disk: what is left when no process runs.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    memory: MemoryDisk,
    identity: Option<Bytes>,
    layout: Option<Bytes>,
    cold_per_mille: u32,
}

/// What one shard keeps.
#[derive(Debug)]
pub(crate) enum ShardStore {
    /// Without files.
    Memory(MemoryShard),
}

impl Disk {
    /// An empty disk of which this many lookups in a thousand must be waited for.
    pub(crate) fn memory(cold_per_mille: u32) -> Disk {
        Disk { cold_per_mille, ..Disk::default() }
    }

    /// Recovery: the stores of a process with this many shards.
    pub(crate) fn open(
        &mut self,
        shards: u16,
        _canary: Canary,
        rng: &mut Rng,
    ) -> Result<Vec<ShardStore>, String> {
        let stores = self.memory.open(shards, self.cold_per_mille, rng);
        Ok(stores.into_iter().map(ShardStore::Memory).collect())
    }

    /// The process is gone.
    pub(crate) fn close(&mut self, stores: Vec<ShardStore>, how: Stop, rng: &mut Rng) {
        for ShardStore::Memory(store) in stores {
            match how {
                Stop::Clean | Stop::Kill => self.memory.keep(&store),
                Stop::Power => self.memory.lose(&store, rng),
            }
        }
    }

    /// Writes what the shards applied to the log, not yet synced. Returns the positions that a sync would make
    /// durable, if any of them is not yet.
    pub(crate) fn write_log<'a>(
        &mut self,
        stores: impl Iterator<Item = &'a mut ShardStore>,
    ) -> Option<Vec<Lsn>> {
        let mut due = false;
        let positions = stores
            .map(|ShardStore::Memory(store)| {
                due |= store.written() > store.durable();
                store.written()
            })
            .collect();
        due.then_some(positions)
    }

    /// A sync up to these positions is through.
    pub(crate) fn synced<'a>(&mut self, stores: impl Iterator<Item = &'a mut ShardStore>, positions: &[Lsn]) {
        for (ShardStore::Memory(store), position) in stores.zip(positions) {
            self.memory.synced(store, *position);
        }
    }

    /// Makes an identity durable.
    pub(crate) fn save_identity(&mut self, identity: &Identity) {
        self.identity = Some(Bytes::from(identity.encode()));
    }

    /// The identity that was made durable last.
    pub(crate) fn load_identity(&self) -> Result<Identity, String> {
        let bytes = self.identity.clone().ok_or("no identity")?;
        Identity::decode(bytes).map_err(|_| "malformed identity".to_owned())
    }

    /// Makes a layout durable.
    pub(crate) fn save_layout(&mut self, layout: Bytes) {
        self.layout = Some(layout);
    }

    /// The layout that was made durable last.
    pub(crate) fn load_layout(&self) -> Result<Layout, String> {
        let bytes = self.layout.clone().ok_or("no layout")?;
        Layout::decode(bytes).map_err(|_| "malformed layout".to_owned())
    }
}

impl ShardStore {
    /// Lookups that went to the disk since the last call.
    pub(crate) fn take_loads(&mut self) -> Vec<Loaded> {
        let ShardStore::Memory(store) = self;
        store.take_jobs()
    }
}

impl Storage for ShardStore {
    fn get(&mut self, slot: Slot, key: &[u8]) -> Lookup {
        let ShardStore::Memory(store) = self;
        store.get(slot, key)
    }

    fn apply(&mut self, slot: Slot, mutations: &[Mutation<'_>]) -> Lsn {
        let ShardStore::Memory(store) = self;
        store.apply(slot, mutations)
    }

    fn lines(&self, slot: Slot) -> Option<Bytes> {
        let ShardStore::Memory(store) = self;
        store.lines(slot)
    }

    fn live(&self, slot: Slot) -> u64 {
        let ShardStore::Memory(store) = self;
        store.live(slot)
    }

    fn admits(&self) -> Result<(), Refusal> {
        let ShardStore::Memory(store) = self;
        store.admits()
    }

    fn durable(&self) -> Lsn {
        let ShardStore::Memory(store) = self;
        store.durable()
    }
}
