//! A lookup in the tables that an engine could not answer from memory. Runs to its end elsewhere and brings
//! the blocks that it read along, for the cache.

use crate::table::{self, Guess, KeyRef, Table, Value};
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
    /// What the cell had flushed when the lookup began.
    pub(crate) flushed: Lsn,
    pub(crate) probe: Probe,
}

pub(crate) struct ReadDone {
    pub(crate) id: JobId,
    pub(crate) slot: Slot,
    pub(crate) key: Bytes,
    pub(crate) flushed: Lsn,
    pub(crate) result: Result<Option<Bytes>, LoadError>,
    pub(crate) probe: Probe,
    /// Table, number and bytes of each block that was read.
    pub(crate) blocks: Vec<(u64, u32, Bytes)>,
    /// Blocks that did not hold the key although the filter let it pass.
    pub(crate) false_blocks: u64,
    /// The table that ended the lookup because it is damaged.
    pub(crate) damaged: Option<u64>,
}

impl ReadJob {
    pub(super) fn run(self) -> ReadDone {
        let ReadJob { id, slot, key, tables, flushed, mut probe } = self;
        let mut blocks = Vec::new();
        let mut false_blocks = 0;
        let wanted = KeyRef { slot, key: &key };
        let hash = table::hash(wanted);
        let mut asked = None;
        let mut look = || -> Result<Option<Bytes>, LoadError> {
            for table in &tables {
                asked = Some(table.owner());
                let block = match table.guess(wanted, hash) {
                    Guess::Absent => {
                        probe.bloom_skips = probe.bloom_skips.saturating_add(1);
                        continue;
                    }
                    Guess::Broken => return Err(LoadError::Damaged),
                    Guess::Block(block) => block,
                };
                probe.tables_read = probe.tables_read.saturating_add(1);
                probe.disk_reads = probe.disk_reads.saturating_add(1);
                let bytes = table.read_block(block)?;
                blocks.push((table.owner(), block, bytes.clone()));
                match Table::find(&bytes, wanted, hash)? {
                    Some(Value::Record(record)) => return Ok(Some(record)),
                    Some(Value::Forgotten) => return Ok(None),
                    None => false_blocks += 1,
                }
            }
            Ok(None)
        };
        let result = look();
        let damaged = asked.filter(|_| result == Err(LoadError::Damaged));
        ReadDone { id, slot, key, flushed, result, probe, blocks, false_blocks, damaged }
    }
}
