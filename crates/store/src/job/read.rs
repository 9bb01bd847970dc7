//! A lookup in the tables that an engine could not answer from memory. Runs to its end elsewhere and brings
//! the blocks that it read along, for the cache.

use crate::table::{self, Guess, KeyRef, Place, Table, Value};
use bytes::Bytes;
use clockwise_core::{
    ids::Lsn,
    slot::Slot,
    storage::{JobId, LoadError, Probe},
};
use std::sync::Arc;

pub(crate) struct ReadJob {
    pub(crate) id: JobId,
    pub(crate) slot: Slot,
    pub(crate) key: Bytes,
    /// The tables to ask, newest first.
    pub(crate) tables: Vec<Arc<Table>>,
    /// Which block of the first of them to look at, if the engine knows it from a partition of the index.
    pub(crate) block: Option<Place>,
    /// The stage of the cell's tables when the lookup began.
    pub(crate) stage: u64,
    /// What the cell had flushed when the lookup began.
    pub(crate) flushed: Lsn,
    /// How many drops the cell had forgotten by then.
    pub(crate) drops_over: u64,
    pub(crate) probe: Probe,
}

pub(crate) struct ReadDone {
    pub(crate) id: JobId,
    pub(crate) slot: Slot,
    pub(crate) key: Bytes,
    pub(crate) stage: u64,
    pub(crate) flushed: Lsn,
    pub(crate) drops_over: u64,
    pub(crate) result: Result<Option<Bytes>, LoadError>,
    pub(crate) probe: Probe,
    /// Table, number and bytes of each block or partition that was read.
    pub(crate) blocks: Vec<(u64, u32, Bytes)>,
    /// Blocks that did not hold the key although the filter let it pass.
    pub(crate) false_blocks: u64,
    /// The table that ended the lookup because it is damaged.
    pub(crate) damaged: Option<u64>,
}

impl ReadJob {
    /// Has the disk begin with what is read first.
    pub(super) fn announce(&self) {
        let Some(table) = self.tables.first() else { return };
        let key = KeyRef { slot: self.slot, key: &self.key };
        match self.block.map_or_else(|| table.guess_place(key), Guess::Block) {
            Guess::Block(place) | Guess::Partition(place) => table.will_read(place),
            Guess::Absent | Guess::Broken => {}
        }
    }

    pub(super) fn run(mut self) -> ReadDone {
        let mut reading = Reading { probe: self.probe, blocks: Vec::new(), false_blocks: 0, asked: None };
        let result =
            reading.look(&self.tables, self.block.take(), KeyRef { slot: self.slot, key: &self.key });
        let Reading { probe, blocks, false_blocks, asked } = reading;
        let damaged = asked.filter(|_| result == Err(LoadError::Damaged));
        let ReadJob { id, slot, key, stage, flushed, drops_over, .. } = self;
        ReadDone { id, slot, key, stage, flushed, drops_over, result, probe, blocks, false_blocks, damaged }
    }
}

struct Reading {
    probe: Probe,
    blocks: Vec<(u64, u32, Bytes)>,
    false_blocks: u64,
    /// The table that was asked last.
    asked: Option<u64>,
}

impl Reading {
    fn look(
        &mut self,
        tables: &[Arc<Table>],
        mut known: Option<Place>,
        key: KeyRef<'_>,
    ) -> Result<Option<Bytes>, LoadError> {
        let hash = table::hash(key);
        for table in tables {
            self.asked = Some(table.owner());
            let place = match (known.take(), table.guess(key, hash)) {
                (_, Guess::Absent) => {
                    self.probe.bloom_skips = self.probe.bloom_skips.saturating_add(1);
                    continue;
                }
                (_, Guess::Broken) => return Err(LoadError::Damaged),
                (Some(place), _) | (None, Guess::Block(place)) => place,
                (None, Guess::Partition(partition)) => {
                    let raw = self.read(table, partition)?;
                    table.locate(partition, &raw, key)?
                }
            };
            self.probe.tables_read = self.probe.tables_read.saturating_add(1);
            let block = self.read(table, place)?;
            match Table::find(&block, key, hash)? {
                Some(Value::Record(record)) => return Ok(Some(record)),
                Some(Value::Forgotten) => return Ok(None),
                None => self.false_blocks += 1,
            }
        }
        Ok(None)
    }

    fn read(&mut self, table: &Table, place: Place) -> Result<Bytes, LoadError> {
        self.probe.disk_reads = self.probe.disk_reads.saturating_add(1);
        let bytes = table.read_block(place)?;
        self.blocks.push((table.owner(), place.number, bytes.clone()));
        Ok(bytes)
    }
}
