//! Frozen memtables of several cells become a table each. Files and names are durable when the job is done; the
//! manifests do not show them yet. Whatever waited while the job before this one ran goes together, so that the busier an
//! engine is the fewer syncs its flushes cost.

use super::Done;
use crate::{
    disk::{Disk, remove_if_there},
    engine::cell::Frozen,
    table::{self, Builder, BuilderOptions, Span, Table},
};
use std::{io, sync::Arc};

pub(crate) struct FlushJob {
    pub(crate) memtables: Vec<Flushing>,
    pub(crate) builder: BuilderOptions,
}

/// One cell's memtable and the table that it becomes.
pub(crate) struct Flushing {
    pub(crate) cell: u16,
    pub(crate) number: u64,
    pub(crate) frozen: Arc<Frozen>,
}

/// What became of one: the table, or `None` if there was no entry.
pub(crate) struct FlushDone {
    pub(crate) cell: u16,
    pub(crate) frozen: Arc<Frozen>,
    pub(crate) result: io::Result<Option<Arc<Table>>>,
}

impl FlushJob {
    pub(super) fn run(self, disk: &dyn Disk) -> Done {
        let mut done: Vec<FlushDone> = Vec::with_capacity(self.memtables.len());
        for Flushing { cell, number, frozen } in self.memtables {
            let result = build(disk, cell, number, &frozen, self.builder);
            if result.is_err() {
                // Best effort: recovery removes what no manifest lists.
                let _garbage_until_recovery = remove_if_there(disk, &table::path(cell, number));
            }
            done.push(FlushDone { cell, frozen, result });
        }
        if done.iter().any(|one| matches!(one.result, Ok(Some(_))))
            && let Err(error) = disk.sync_dir(table::DIR)
        {
            let kind = error.kind();
            done.iter_mut().for_each(|one| one.result = Err(kind.into()));
        }
        Done::Flush(done)
    }
}

fn build(
    disk: &dyn Disk,
    cell: u16,
    number: u64,
    frozen: &Frozen,
    options: BuilderOptions,
) -> io::Result<Option<Arc<Table>>> {
    let memtable = &frozen.memtable;
    if memtable.len() == 0 {
        return Ok(None);
    }
    let mut builder = Builder::new(disk, cell, number, memtable.len() as u64, options)?;
    let mut key = Vec::new();
    let mut oldest = memtable.last();
    for entry in memtable.sorted() {
        key.clear();
        entry.key().store(&mut key);
        builder.add(&key, entry.record())?;
        oldest = oldest.min(entry.lsn());
    }
    let table = builder.finish(Span { oldest, newest: memtable.last(), times: None })?;
    Ok(Some(Arc::new(table)))
}
