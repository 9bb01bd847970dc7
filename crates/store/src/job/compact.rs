//! Neighbouring tables of a cell become one: of each key the newest entry stays, and forgotten keys go when
//! nothing older is left that they could hide. The inputs stay as they are until the manifest has changed.

use super::{CompactResult, Done};
use crate::{
    disk::{Disk, remove_if_there},
    table::{self, Builder, BuilderOptions, KeyRef, Merge, MergeError, Span, Table, Value},
};
use clockwise_core::{ids::Lsn, slot::Slot};
use std::{io, sync::Arc};

pub(crate) struct CompactJob {
    pub(crate) cell: u16,
    pub(crate) number: u64,
    /// Newest first.
    pub(crate) inputs: Vec<Arc<Table>>,
    /// Whether the oldest table of the cell is among them.
    pub(crate) bottom: bool,
    /// What was written to these slots before these positions is dropped.
    pub(crate) drops: Vec<(Slot, Lsn)>,
    pub(crate) builder: BuilderOptions,
}

/// What stopped a merge.
enum Stopped {
    Reading(MergeError),
    Writing,
}

impl From<MergeError> for Stopped {
    fn from(error: MergeError) -> Stopped {
        Stopped::Reading(error)
    }
}

impl From<io::Error> for Stopped {
    fn from(_: io::Error) -> Stopped {
        Stopped::Writing
    }
}

impl CompactJob {
    pub(super) fn run(self, disk: &dyn Disk) -> Done {
        let result: CompactResult = match self.merge(disk) {
            Ok(table) => Ok(table),
            Err(Stopped::Reading(error)) => Err(Some(error)),
            Err(Stopped::Writing) => Err(None),
        };
        if !matches!(result, Ok(Some(_))) {
            // Best effort: recovery removes what no manifest lists.
            let _garbage_until_recovery = remove_if_there(disk, &table::path(self.cell, self.number));
        }
        Done::Compact { cell: self.cell, inputs: self.inputs, result }
    }

    fn is_dropped(&self, stored: &[u8], input: usize) -> bool {
        if self.drops.is_empty() {
            return false;
        }
        let newest = self.inputs[input].info().newest;
        let Some(key) = KeyRef::parse(stored) else { return false };
        self.drops.iter().any(|&(slot, dropped)| slot == key.slot && newest < dropped)
    }

    fn merge(&self, disk: &dyn Disk) -> Result<Option<Arc<Table>>, Stopped> {
        let most = self.inputs.iter().map(|table| table.info().entries).sum();
        let mut builder = Builder::new(disk, self.cell, self.number, most, self.builder)?;
        let mut merge = Merge::new(&self.inputs)?;
        while let Some((input, (key, value))) = merge.next_from()? {
            match value {
                // What hides the newest entry hides the older ones of the key as well.
                _ if self.is_dropped(key, input) => {}
                Value::Record(record) => builder.add(key, Some(&record))?,
                Value::Forgotten if self.bottom => {}
                Value::Forgotten => builder.add(key, None)?,
            }
        }
        if builder.is_empty() {
            return Ok(None);
        }
        let span = self.inputs.iter().map(|table| table.span()).reduce(Span::join);
        let table = builder.finish(span.unwrap_or_default())?;
        disk.sync_dir(table::DIR)?;
        Ok(Some(Arc::new(table)))
    }
}
