//! A checkpoint: everything that a shard had applied at one instant, as a folder of its own that opens like any data
//! folder, while the shard goes on. Memtables are closed at that instant; as soon as a cell has flushed up to there, its
//! tables of that moment are kept. Tables are linked, not copied: a checkpoint costs room only for what is
//! replaced later.
//!
//! Each shard makes its part; [`crate::checkpoint::seal`] makes a folder of all parts.

use super::{Engine, cell::Cell};
use crate::{
    checkpoint::Part,
    job::{CheckpointJob, Job, Work},
    manifest::Manifest,
    table::Table,
};
use clockwise_core::ids::Lsn;
use std::{io, sync::Arc};

/// A checkpoint that is being made.
pub(crate) struct Making {
    dir: String,
    /// Up to where each cell must be flushed; `None` once its tables are noted.
    goals: Vec<Option<Lsn>>,
    noted: Vec<Noted>,
}

impl Making {
    /// Up to where merges of a cell may follow drops of slots that are durable up to here: not beyond the beginning of the
    /// checkpoint before the cell's tables are noted.
    pub(super) fn drops_until(making: Option<&Making>, at: usize, durable: Lsn) -> Lsn {
        let goal = making.and_then(|making| making.goals[at]);
        goal.map_or(durable, |goal| goal.min(durable))
    }
}

/// A cell as it was.
pub(crate) struct Noted {
    pub(crate) cell: u16,
    pub(crate) manifest: Manifest,
    pub(crate) tables: Vec<Arc<Table>>,
}

impl Engine {
    /// Begins a checkpoint of this instant into a folder (a path inside the data folder's disk) that must not have been
    /// used; false if one is being made already or the engine has failed. [`Engine::take_checkpoint`] tells when it is done.
    pub fn checkpoint(&mut self, dir: &str) -> bool {
        if self.checkpoint.is_some() || self.failed {
            return false;
        }
        self.freeze_all();
        let goal = |cell: &Cell| cell.frozen.front().map_or(cell.flushed, |frozen| frozen.memtable.last());
        let goals = self.cells.iter().map(|cell| Some(goal(cell))).collect();
        self.checkpoint = Some(Making { dir: dir.to_owned(), goals, noted: Vec::new() });
        for at in 0..self.cells.len() {
            self.note_for_checkpoint(at);
        }
        self.work_due = true;
        true
    }

    /// The checkpoint that was finished, or what stopped it.
    pub fn take_checkpoint(&mut self) -> Option<io::Result<Part>> {
        self.checkpointed.take()
    }

    /// A cell's manifest is as it is: is that what the checkpoint waits for?
    pub(super) fn note_for_checkpoint(&mut self, at: usize) {
        let Some(making) = &mut self.checkpoint else { return };
        let cell = &self.cells[at];
        // The memtables were closed when it began, so every cell passes through exactly this position.
        if making.goals[at] != Some(cell.flushed) {
            return;
        }
        making.goals[at] = None;
        let manifest = Manifest {
            flushed: cell.flushed,
            next_number: cell.next_number,
            tables: cell.tables.iter().map(|table| table.info().clone()).collect(),
            slots: cell.flushed_slots.to_vec(),
        };
        making.noted.push(Noted { cell: cell.number, manifest, tables: cell.tables.clone() });
    }

    /// The job that makes the folder, once every cell is noted.
    pub(super) fn plan_checkpoint(&mut self, jobs: &mut Vec<Job>) {
        let ready =
            |making: &mut Making| making.goals.iter().all(Option::is_none) && !making.noted.is_empty();
        let Some(making) = self.checkpoint.as_mut().filter(|making| !making.dir.is_empty()) else { return };
        if ready(making) {
            let (dir, cells) = (std::mem::take(&mut making.dir), std::mem::take(&mut making.noted));
            jobs.push(Job::of(self.shard, Work::Checkpoint(CheckpointJob { dir, cells })));
        }
    }

    /// Nothing is flushed any more: a checkpoint that waits for it will not be made.
    pub(super) fn give_checkpoint_up(&mut self) {
        let waits = |making: &Making| making.goals.iter().any(Option::is_some);
        if self.checkpoint.as_ref().is_some_and(waits) {
            self.checkpoint_done(Err(io::Error::other("the engine failed")));
            self.work_due = true;
        }
    }

    pub(super) fn checkpoint_done(&mut self, result: io::Result<Part>) {
        self.checkpoint = None;
        self.checkpointed = Some(result);
    }
}
