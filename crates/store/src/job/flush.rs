//! A frozen memtable becomes a table. The file and its name are durable when the job is done; the manifest
//! does not show it yet.

use super::Done;
use crate::{
    disk::{Disk, remove_if_there},
    engine::cell::Frozen,
    table::{self, Builder, BuilderOptions, Span, Table},
};
use std::{io, sync::Arc};

pub(crate) struct FlushJob {
    pub(crate) cell: u16,
    pub(crate) number: u64,
    pub(crate) frozen: Arc<Frozen>,
    pub(crate) builder: BuilderOptions,
}

impl FlushJob {
    pub(super) fn run(self, disk: &dyn Disk) -> Done {
        let result = self.build(disk);
        if result.is_err() {
            // Best effort: recovery removes what no manifest lists.
            let _garbage_until_recovery = remove_if_there(disk, &table::path(self.cell, self.number));
        }
        Done::Flush { cell: self.cell, frozen: self.frozen, result }
    }

    fn build(&self, disk: &dyn Disk) -> io::Result<Option<Arc<Table>>> {
        let memtable = &self.frozen.memtable;
        if memtable.len() == 0 {
            return Ok(None);
        }
        let mut builder = Builder::new(disk, self.cell, self.number, memtable.len() as u64, self.builder)?;
        let mut key = Vec::new();
        let mut oldest = memtable.last();
        for entry in memtable.sorted() {
            key.clear();
            entry.key().store(&mut key);
            builder.add(&key, entry.record())?;
            oldest = oldest.min(entry.lsn());
        }
        let table = builder.finish(Span { oldest, newest: memtable.last(), times: None })?;
        disk.sync_dir(table::DIR)?;
        Ok(Some(Arc::new(table)))
    }
}
