//! Neighbouring tables of a cell become one: of each key the newest entry stays, what is dropped or may go by the
//! caller's rule goes, and so do forgotten keys when nothing older is left that they could hide. The inputs stay as
//! they are until the manifest has changed.
//!
//! A merge runs in slices, each a job of a few milliseconds, so that whoever runs them decides how much of a
//! processor they get and what goes in between.

use super::Done;
use crate::{
    disk::{Disk, remove_if_there},
    drops::Drops,
    limits::SLICE_BYTES,
    table::{self, Builder, BuilderOptions, KeyRef, Merge, MergeError, Merged, Span, Stream, Table, Value},
};
use clockwise_core::slot::Slot;
use std::{io, sync::Arc};

/// Decides during merges which records need not be kept.
pub trait CompactionFilter: Send + Sync {
    /// Whether a key's record may go as if it had been forgotten. Asked off the shard's thread, about the newest record
    /// among the tables that are merged; newer ones may be in memory or in newer tables, and stay.
    fn may_forget(&self, slot: Slot, key: &[u8], record: &[u8]) -> bool;
}

/// What a merge is to do.
pub(crate) struct CompactPlan {
    pub(crate) cell: u16,
    pub(crate) number: u64,
    /// Newest first.
    pub(crate) inputs: Vec<Arc<Table>>,
    /// Whether the oldest table of the cell is among them.
    pub(crate) bottom: bool,
    /// Durable ones: what they hide is left out, and where nothing else is it is not even read.
    pub(crate) drops: Drops,
    /// Everything in the inputs is dropped, so that none of them has to be read.
    pub(crate) nothing_left: bool,
    pub(crate) filter: Option<Arc<dyn CompactionFilter>>,
    pub(crate) builder: BuilderOptions,
}

/// A merged table (`None` if nothing is left), or what stopped the merge: an input, or else a write.
pub(crate) type CompactResult = Result<Option<Arc<Table>>, Option<MergeError>>;

/// A merge between two slices.
pub(crate) struct CompactJob {
    plan: CompactPlan,
    begun: Option<(Merge<Stream>, Builder)>,
    pub(crate) filtered: u64,
    /// Writers are slowed down already.
    pub(crate) urgent: bool,
}

/// What became of a merge.
pub(crate) struct CompactDone {
    pub(crate) cell: u16,
    /// Newest first.
    pub(crate) inputs: Vec<Arc<Table>>,
    /// What was left out.
    pub(crate) drops: Drops,
    pub(crate) result: CompactResult,
    /// Records that the caller's rule left out.
    pub(crate) filtered: u64,
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
    pub(crate) fn new(plan: CompactPlan) -> CompactJob {
        CompactJob { plan, begun: None, filtered: 0, urgent: false }
    }

    pub(super) fn run(mut self, disk: &dyn Disk) -> Done {
        let result: CompactResult = match self.slice(disk) {
            Ok(false) => return Done::Compacting(Box::new(self)),
            Ok(true) => self.finish(disk),
            Err(stopped) => Err(stopped),
        }
        .map_err(|stopped| match stopped {
            Stopped::Reading(error) => Some(error),
            Stopped::Writing => None,
        });
        let CompactPlan { cell, number, inputs, drops, .. } = self.plan;
        if !matches!(result, Ok(Some(_))) {
            // Best effort: recovery removes what no manifest lists.
            let _garbage_until_recovery = remove_if_there(disk, &table::path(cell, number));
        }
        Done::Compact(CompactDone { cell, inputs, drops, result, filtered: self.filtered })
    }

    /// Merges for a while; true at the end.
    fn slice(&mut self, disk: &dyn Disk) -> Result<bool, Stopped> {
        if self.plan.nothing_left {
            return Ok(true);
        }
        let plan = &self.plan;
        if self.begun.is_none() {
            let most = plan.inputs.iter().map(|table| table.info().entries).sum();
            let builder = Builder::new(disk, plan.cell, plan.number, most, plan.builder)?;
            let streams = plan.inputs.iter().map(|table| table.stream_past(&plan.drops, None, None));
            self.begun = Some((Merge::new(streams)?, builder));
        }
        let Some((merge, builder)) = &mut self.begun else { return Ok(true) };
        let mut done = 0;
        while done < SLICE_BYTES {
            let Some(Merged { input, key: stored, value }) = merge.next_entry()? else { return Ok(true) };
            let Some(key) = KeyRef::parse(stored) else { continue };
            // What hides the newest entry hides the older ones of the key as well.
            if plan.drops.hides(key.slot, plan.inputs[input].info().newest) {
                done += stored.len();
                continue;
            }
            let record = match &value {
                Value::Forgotten => None,
                Value::Record(record) => {
                    let filter = plan.filter.as_ref();
                    let goes = filter.is_some_and(|filter| filter.may_forget(key.slot, key.key, record));
                    self.filtered += u64::from(goes);
                    (!goes).then_some(record)
                }
            };
            done += stored.len() + record.map_or(0, |record| record.len());
            if record.is_some() || !plan.bottom {
                builder.add(stored, record.map(|record| &record[..]))?;
            }
        }
        Ok(false)
    }

    fn finish(&mut self, disk: &dyn Disk) -> Result<Option<Arc<Table>>, Stopped> {
        let Some((_, builder)) = self.begun.take().filter(|(_, builder)| !builder.is_empty()) else {
            return Ok(None);
        };
        let span = self.plan.inputs.iter().map(|table| table.span()).reduce(Span::join);
        let table = builder.finish(span.unwrap_or_default())?;
        disk.sync_dir(table::DIR)?;
        Ok(Some(Arc::new(table)))
    }
}
