//! Background work: when memtables are closed, what is flushed, merged, installed and removed, and what
//! happens with the results. At most one flush and one merge per shard are under way; manifests
//! are written by one job at a time, which shows all results that have come in. What fails rests until
//! the next tick; a manifest that cannot be made durable fails the engine.

use super::{
    Engine,
    cell::{Cell, Edit, Installing, LeftOut},
    checkpoint::Making,
    compaction::{self, Run},
    memtable::FEW_ENTRIES,
    reclaim,
};
use crate::{
    drops::Drops,
    engine::Flushed,
    job::{CompactDone, CompactJob, CompactPlan, Done, FlushDone, FlushJob, Flushing, FreeJob, Job, Work},
    limits::{COMPACT_RUNS, FLUSH_BYTES, RECLAIM_TABLES, SLOW_RUNS, STALL_RUNS},
    table::Table,
};
use clockwise_core::{
    slot::Slot,
    storage::{LoadError, Loaded},
};
use std::{ops::Range, sync::Arc};

impl Engine {
    /// Closes the memtable that takes most memory.
    pub(super) fn freeze_largest(&mut self) {
        let largest = (0..self.cells.len()).max_by_key(|&at| self.cells[at].active.bytes());
        if let Some(at) = largest {
            self.freeze(at);
        }
    }

    /// Closes memtables whose oldest change is too far back in the log, so that segments can be freed.
    pub(super) fn freeze_oldest_of_long_log(&mut self) {
        let (logged, bound) = (self.stats.logged_bytes, self.settings.log_bytes);
        for at in 0..self.cells.len() {
            let cell = &self.cells[at];
            if !cell.active.is_untouched() && logged.saturating_sub(cell.oldest_mark) > bound {
                self.freeze(at);
            }
        }
    }

    pub(super) fn freeze(&mut self, at: usize) {
        if !self.cells[at].active.is_untouched() {
            let bytes = self.cells[at].freeze();
            self.active_bytes -= bytes;
            self.frozen_bytes += bytes;
            self.work_due = true;
        }
    }

    /// Closes a memtable that is too large to be walked over in one step, or that holds very many drops of the same slots.
    pub(super) fn freeze_unless_small(&mut self, at: usize) {
        self.freeze_if_many(at, self.cells[at].active.len());
    }

    /// Closes a memtable if there is too much of a slot in it to be copied in one step.
    pub(super) fn freeze_unless_little_of(&mut self, at: usize, slot: Slot) {
        self.freeze_if_many(at, self.cells[at].active.count_of(slot));
    }

    fn freeze_if_many(&mut self, at: usize, entries: usize) {
        if entries > FEW_ENTRIES || self.cells[at].earlier_drops() > FEW_ENTRIES {
            self.freeze(at);
        }
    }

    /// Appends the jobs that are due now.
    pub(super) fn plan(&mut self, jobs: &mut Vec<Job>) {
        if std::mem::take(&mut self.space.due) && !self.space.running {
            self.space.running = true;
            jobs.push(Job::of(self.shard, Work::Space));
        }
        self.remove_unused(jobs);
        self.plan_surveys(jobs);
        let runs = self.cells.iter().map(|cell| cell.tables.len()).max().unwrap_or_default();
        let slow = runs.saturating_sub(SLOW_RUNS) * 1_000 / (STALL_RUNS - SLOW_RUNS);
        self.pressure_of_runs = slow.min(1_000) as u32;
        self.plan_install(jobs);
        self.plan_flush(jobs);
        self.plan_checkpoint(jobs);
        if self.compacting.is_none() {
            self.plan_compaction(jobs);
        }
    }

    /// Has what nobody uses any more given back.
    pub(super) fn remove_unused(&mut self, jobs: &mut Vec<Job>) {
        let shard = self.shard;
        // One after the other, so that little is given back between two steps.
        if !self.freeing
            && let Some(frozen) = self.dropped.pop()
        {
            self.freeing = true;
            jobs.push(Job::of(shard, Work::Free(FreeJob::Whole(frozen))));
        }
        // Nobody can get at a table that only this list holds, so its count grows no more.
        let unused = self.gone.extract_if(.., |table| Arc::strong_count(table) == 1);
        jobs.extend(unused.map(|table| Job::of(shard, Work::Remove(table))));
    }

    /// Makes all results that have come in visible, with one job.
    fn plan_install(&mut self, jobs: &mut Vec<Job>) {
        if self.installing || self.failed {
            return;
        }
        let changed = self.cells.iter_mut().filter(|cell| !cell.work.edits.is_empty());
        let manifests: Vec<_> = changed.map(|cell| (cell.number, cell.begin_install())).collect();
        if !manifests.is_empty() {
            self.installing = true;
            jobs.push(Job::of(self.shard, Work::Install(manifests)));
        }
    }

    /// Flushes what waits, the oldest first, so that the log can let go of it.
    fn plan_flush(&mut self, jobs: &mut Vec<Job>) {
        if self.flushing || self.failed {
            return;
        }
        let ready = |cell: &Cell| !cell.work.flushing && !cell.work.resting && cell.tables.len() < STALL_RUNS;
        let waiting = self.cells.iter().enumerate().filter(|(_, cell)| ready(cell));
        let mut oldest: Vec<(u64, usize)> =
            waiting.filter_map(|(at, cell)| Some((cell.frozen.back()?.oldest_mark, at))).collect();
        oldest.sort_unstable();
        let (mut memtables, mut bytes) = (Vec::new(), 0);
        for (_, at) in oldest {
            let cell = &mut self.cells[at];
            let Some(frozen) = cell.frozen.back().map(Arc::clone) else { continue };
            bytes += frozen.memtable.bytes();
            if bytes > FLUSH_BYTES && !memtables.is_empty() {
                break;
            }
            let number = cell.next_number;
            cell.next_number += 1;
            cell.work.flushing = true;
            memtables.push(Flushing { cell: cell.number, number, frozen });
        }
        if !memtables.is_empty() {
            self.flushing = true;
            let job = FlushJob { memtables, builder: self.settings.builder };
            jobs.push(Job::of(self.shard, Work::Flush(job)));
        }
    }

    fn plan_compaction(&mut self, jobs: &mut Vec<Job>) {
        if self.failed {
            return;
        }
        // The cell with most tables gains most.
        let candidates = (0..self.cells.len()).filter_map(|at| {
            let cell = &self.cells[at];
            if cell.tables.len() < COMPACT_RUNS || cell.work.resting {
                return None;
            }
            // Only damage asks for them.
            let drops = match self.damages.is_empty() {
                true => Drops::default(),
                false => cell.durable_drops(Making::drops_until(self.checkpoint.as_ref(), at, self.durable)),
            };
            let run = |table: &Arc<Table>| Run {
                bytes: table.info().file_bytes,
                mergeable: self.damages.is_mergeable(table, &drops),
            };
            let runs: Vec<Run> = cell.tables.iter().map(run).collect();
            let count = compaction::pick(&runs);
            (count > 0).then_some((cell.tables.len(), count, at))
        });
        let Some((_, count, at)) = candidates.max() else { return self.plan_reclaim(jobs) };
        let until = Making::drops_until(self.checkpoint.as_ref(), at, self.durable);
        let drops = self.cells[at].durable_drops(until);
        self.merge(at, 0..count, false, drops, jobs);
    }

    /// Without anything to merge: is there a table with much that is dropped?
    fn plan_reclaim(&mut self, jobs: &mut Vec<Job>) {
        let (mut most, mut tables) = (None, 0);
        for (at, cell) in self.cells.iter_mut().enumerate() {
            if !std::mem::take(&mut cell.work.reclaim_due) || !cell.has_drops() {
                continue;
            }
            if cell.work.resting || tables >= RECLAIM_TABLES {
                // Looked at later.
                cell.work.reclaim_due = true;
                self.work_due |= !cell.work.resting;
                continue;
            }
            tables += cell.tables.len();
            let until = Making::drops_until(self.checkpoint.as_ref(), at, self.durable);
            let drops = cell.durable_drops(until);
            if let Some(waste) = reclaim::most_wasteful(cell, &drops, &self.damages) {
                cell.work.reclaim_due = true;
                most = most.max(Some((waste, at)));
            }
        }
        let Some((waste, at)) = most else { return };
        let until = Making::drops_until(self.checkpoint.as_ref(), at, self.durable);
        let drops = self.cells[at].durable_drops(until);
        self.merge(at, waste.table..waste.table + 1, waste.whole, drops, jobs);
    }

    fn merge(
        &mut self,
        at: usize,
        tables: Range<usize>,
        nothing_left: bool,
        drops: Drops,
        jobs: &mut Vec<Job>,
    ) {
        let cell = &mut self.cells[at];
        let number = cell.next_number;
        cell.next_number += 1;
        let plan = CompactPlan {
            cell: cell.number,
            number,
            bottom: tables.end == cell.tables.len(),
            inputs: cell.tables[tables].to_vec(),
            drops,
            nothing_left,
            filter: self.filter.clone(),
            builder: self.settings.builder,
        };
        self.compacting = Some(at);
        jobs.push(Job::of(self.shard, Work::Compact(Box::new(CompactJob::new(plan)))));
    }

    /// Takes the result of a job.
    pub(super) fn finish(&mut self, done: Done, loaded: &mut Vec<Loaded>) {
        // A lookup or a slice makes no background work, and there are many of them.
        self.work_due |= !matches!(
            done,
            Done::Read(_) | Done::Scan { .. } | Done::Compacting(_) | Done::Freeing { rest: Some(_), .. }
        );
        match done {
            Done::Read(read) => {
                self.read_done(read, loaded);
            }
            Done::Scan { page, damaged } => {
                if page.result == Err(LoadError::Damaged) {
                    self.stats.damaged_reads += 1;
                }
                if let Some(owner) = damaged {
                    self.note_damaged(self.place(page.slot), owner, page.slot);
                }
                loaded.push(Loaded::Page(page));
            }
            Done::Flush(done) => {
                self.flushing = false;
                done.into_iter().for_each(|done| self.flush_done(done));
            }
            Done::Compacting(mut job) => {
                job.urgent = self.pressure() > 0;
                self.slices.push(Job::of(self.shard, Work::Compact(job)));
            }
            Done::Freeing { rest, bytes } => {
                self.frozen_bytes -= bytes;
                match rest {
                    Some(rest) => self.slices.push(Job::of(self.shard, Work::Free(rest))),
                    None => self.freeing = false,
                }
            }
            Done::Compact(done) => self.compact_done(done),
            Done::Install { cells, result } => {
                self.installing = false;
                for cell in cells {
                    let at = usize::from(cell) / self.settings.shards;
                    let next = self.cells[at].work.installing.take().expect("it was being installed");
                    match result {
                        Ok(()) => self.install(at, next),
                        // Either manifest may be found after a restart, so nothing may be built on either.
                        Err(_) => self.fail(),
                    }
                }
                self.fit_cache();
            }
            Done::Checkpoint(result) => self.checkpoint_done(result),
            Done::Survey { owner, damage } => self.survey_done(owner, &damage),
            Done::Remove(result) => self.stats.failed_jobs += u64::from(result.is_err()),
            Done::Space(space) => {
                self.space.running = false;
                if let Ok(space) = space {
                    self.space.free_bytes = space.available_bytes;
                    self.space.nearly_full = self.settings.options.nearly_full(space);
                }
            }
        }
    }

    fn flush_done(&mut self, done: FlushDone) {
        let FlushDone { cell, frozen, result } = done;
        let at = usize::from(cell) / self.settings.shards;
        let work = &mut self.cells[at].work;
        match result {
            Ok(table) => {
                self.stats.flushes += 1;
                self.stats.flushed_bytes += table.as_ref().map_or(0, |table| table.info().file_bytes);
                work.edits.push(Edit::Flushed { frozen, table });
            }
            Err(_) => {
                self.stats.failed_jobs += 1;
                work.flushing = false;
                work.resting = true;
            }
        }
    }

    fn compact_done(&mut self, done: CompactDone) {
        let CompactDone { cell, inputs, drops, result, filtered } = done;
        let at = usize::from(cell) / self.settings.shards;
        self.stats.filtered_entries += filtered;
        match result {
            Ok(table) => {
                self.stats.compactions += 1;
                let bytes = |table: &Arc<Table>| table.info().file_bytes;
                self.stats.compacted_in_bytes += inputs.iter().map(bytes).sum::<u64>();
                self.stats.compacted_out_bytes += table.as_ref().map_or(0, bytes);
                let inputs = inputs.iter().map(|table| table.info().number).collect();
                let left_out = match filtered {
                    _ if !drops.is_empty() => LeftOut::Dropped,
                    0 => LeftOut::Nothing,
                    _ => LeftOut::Filtered,
                };
                self.cells[at].work.edits.push(Edit::Compacted { inputs, table, left_out });
            }
            Err(failure) => {
                self.stats.failed_jobs += 1;
                self.compacting = None;
                match failure {
                    Some(merge) if merge.error == LoadError::Damaged => {
                        self.note_unmergeable(at, &inputs[merge.input], &drops);
                    }
                    _ => self.cells[at].work.resting = true,
                }
            }
        }
    }

    /// The manifest is durable: the cell becomes what it says.
    fn install(&mut self, at: usize, next: Installing) {
        let cell = &mut self.cells[at];
        cell.show(next.tables, next.compaction.as_ref());
        cell.flushed_slots = next.slots;
        if next.flush {
            cell.flushed = next.flushed;
            cell.work.flushing = false;
            let frozen = cell.frozen.pop_back().expect("the memtable stays until its table is visible");
            self.dropped.push(frozen);
            self.flushed.push(Flushed { cell: cell.number, lsn: next.flushed });
        }
        if next.compaction.is_some() {
            self.compacting = None;
            let newest = next.gone.iter().map(|table| table.info().newest).max();
            cell.merged = cell.merged.max(newest.unwrap_or(cell.merged));
            let owners: Vec<u64> = next.gone.iter().map(|table| table.owner()).collect();
            owners.iter().for_each(|owner| self.damages.forget(*owner));
            self.cache.purge(owners);
            self.gone.extend(next.gone);
        }
        cell.forget_drops();
        cell.work.reclaim_due = true;
        self.note_for_checkpoint(at);
    }
}
