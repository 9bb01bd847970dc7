//! The read path behind the memtables: tables newest first, each by key range, Bloom filter, cached record, index, cached
//! block (of a large table: cached partition of the index, cached block); the first one that is not cached makes the
//! rest of the lookup a job.
//!
//! **When a cached record may be answered.** A cell's tables change in stages ([`Cell::show`]). A table's stage is the one
//! at which it, or a table behind it, began to say something else: by a flush, or by a merge that left records out by the
//! caller's rule. A merge that only joins what its inputs say takes the newest stage of theirs. A cached record tells
//! what the tables said at a stage `seen`: that at which its lookup began. It is answered in the place of the first table
//! that could hold the key, if that table's stage is not above `seen`; the newer tables do not hold the key, so it has
//! seen the present stage as well from then on. So
//! - a newer write, or a note that the key is forgotten, is in a memtable, which is asked first, and then in a table of a
//!   later stage, or in what that was merged into: it is read;
//! - a record that a merge left out is not answered any more, since that table, or all that are left, have its stage;
//! - the drop of a slot hides all tables from before, and every other one is of a later stage than what was read before;
//!   when a merge may have left the slot out, so that the drop will be forgotten, all tables get the stage of that merge;
//! - a merge of tables that the record had seen changes nothing. One that takes in a table which the record has not seen
//!   costs a read of the disk.
//!
//! A job sees the tables of its beginning. When it comes back, whatever was written or flushed since is looked
//! at first, so an answer is never older than the question, whichever order things finish in.

#[cfg(doc)]
use super::cell::Cell;
use super::{Engine, memtable};
use crate::{
    job::{Job, ReadDone, ReadJob},
    table::{self, Guess, KeyRef, Place, Table, Value},
};
use bytes::Bytes;
use clockwise_core::{
    ids::Lsn,
    storage::{Found, JobId, LoadError, Loaded, LoadedRecord, Lookup, Probe},
};

/// What the tables in memory say.
enum Search {
    /// The record lay in memory by itself.
    Record(Bytes, Probe),
    Answer(Option<Bytes>, Probe),
    /// The disk must be asked.
    Disk(Unread, Probe),
}

/// Where a search in memory came to its end.
#[derive(Clone, Copy)]
struct Unread {
    /// The tables from this one on must be asked.
    from: usize,
    /// The block of the first of them, if a cached partition told it.
    block: Option<Place>,
}

impl Engine {
    /// Changes what blocks, indexes and filters may take together, in bytes; much that is too much falls out over the next
    /// calls of [`Engine::take_jobs`].
    pub fn set_cache_bytes(&mut self, budget_bytes: usize) {
        if self.settings.cache_bytes != budget_bytes {
            self.settings.cache_bytes = budget_bytes;
            self.fit_cache();
        }
    }

    /// Indexes and filters are always in memory: blocks get what they leave, but at least an eighth.
    pub(super) fn fit_cache(&mut self) {
        let tables = self.cells.iter().flat_map(|cell| &cell.tables);
        let fixed: usize = tables.map(|table| table.memory_bytes()).sum();
        let budget = self.settings.cache_bytes;
        self.cache.set_budget(budget.saturating_sub(fixed).max(budget / 8));
    }

    /// Looks a key up that no memtable has.
    pub(super) fn look_in_tables(&mut self, place: usize, key: KeyRef<'_>) -> Lookup {
        match self.search(place, key) {
            Search::Record(record, probe) => {
                self.stats.record_hits += 1;
                Lookup::Hit(Found { record, lsn: Lsn(0), probe })
            }
            Search::Answer(record, probe) => {
                *(if probe.tables_read > 0 {
                    &mut self.stats.cache_hits
                } else {
                    &mut self.stats.filtered
                }) += 1;
                match record {
                    Some(record) => Lookup::Hit(Found { record, lsn: Lsn(0), probe }),
                    None => Lookup::Miss(probe),
                }
            }
            Search::Disk(unread, probe) => {
                let id = JobId(self.next_job);
                self.next_job += 1;
                self.stats.cold_reads += 1;
                self.read_on_disk(id, place, key, unread, probe);
                Lookup::Job(id)
            }
        }
    }

    fn search(&mut self, place: usize, key: KeyRef<'_>) -> Search {
        let mut probe = Probe::default();
        let cell = &self.cells[place];
        if cell.tables.is_empty() {
            return Search::Answer(None, probe);
        }
        let hash = table::hash(key);
        let record_hash = memtable::hash(self.settings.hash_seed, key);
        for (from, table) in cell.tables.iter().enumerate() {
            if cell.hides(key.slot, table.info().newest) {
                // Older ones are hidden as well.
                break;
            }
            let unread = |block| Unread { from, block };
            if table.excludes(key, hash) {
                probe.bloom_skips = probe.bloom_skips.saturating_add(1);
                self.stats.bloom_skips += 1;
                continue;
            }
            if let Some(record) = self.cache.record(record_hash, key, cell.stages[from], cell.stage) {
                return Search::Record(record, probe);
            }
            let block = match table.guess_place(key) {
                Guess::Absent | Guess::Broken => return Search::Disk(unread(None), probe),
                Guess::Block(block) => block,
                Guess::Partition(partition) => {
                    let raw = self.cache.block(table.owner(), partition.number);
                    // What is wrong with a partition the job finds as well, and reports it.
                    let Some(Ok(block)) = raw.map(|raw| table.locate(partition, raw, key)) else {
                        return Search::Disk(unread(None), probe);
                    };
                    block
                }
            };
            let Some(bytes) = self.cache.block(table.owner(), block.number) else {
                return Search::Disk(unread(Some(block)), probe);
            };
            probe.tables_read = probe.tables_read.saturating_add(1);
            let block_bytes = bytes.len();
            match Table::find(bytes, key, hash) {
                Ok(Some(Value::Record(record))) => {
                    if self.cache.takes_record(key, &record, block_bytes) {
                        self.cache.insert_record(record_hash, key, &record, cell.stage);
                    }
                    return Search::Answer(Some(record), probe);
                }
                Ok(Some(Value::Forgotten)) => return Search::Answer(None, probe),
                Ok(None) => self.stats.bloom_false += 1,
                // The job finds the same and reports it.
                Err(_) => return Search::Disk(unread(Some(block)), probe),
            }
        }
        Search::Answer(None, probe)
    }

    fn read_on_disk(&mut self, id: JobId, place: usize, key: KeyRef<'_>, unread: Unread, probe: Probe) {
        let cell = &self.cells[place];
        let shown =
            cell.tables[unread.from..].iter().filter(|table| !cell.hides(key.slot, table.info().newest));
        let job = ReadJob {
            id,
            slot: key.slot,
            key: Bytes::copy_from_slice(key.key),
            tables: shown.cloned().collect(),
            block: unread.block,
            stage: cell.stage,
            flushed: cell.flushed,
            drops_over: cell.drops_over,
            probe,
        };
        self.reads.push(Job::read(self.shard, job));
    }

    /// A lookup comes back from the disk.
    pub(super) fn read_done(&mut self, done: ReadDone, loaded: &mut Vec<Loaded>) {
        let ReadDone {
            id,
            slot,
            key,
            stage,
            flushed,
            drops_over,
            result,
            probe,
            blocks,
            false_blocks,
            damaged,
        } = done;
        let place = self.place(slot);
        self.stats.blocks_read += blocks.len() as u64;
        self.stats.bloom_false += false_blocks;
        if let Some(owner) = damaged {
            self.note_damaged(place, owner, slot);
        }
        let key = KeyRef { slot, key: &key };
        let large = self.keep_record(key, stage, &result, &blocks);
        self.keep_blocks(place, blocks, large);
        let cell = &self.cells[place];
        let (result, probe) = if let Some((record, lsn)) = cell.in_memory(self.settings.hash_seed, key) {
            // Written since the lookup began: newer than anything on disk.
            let probe = Probe { memtable: true, ..probe };
            (Ok(record.map(|record| Found { record, lsn, probe })), probe)
        } else if cell.hides(slot, flushed)
            || cell.drops_over > drops_over
            || cell.flushed > flushed && self.may_be_newer(place, key, flushed)
        {
            // Dropped since, or perhaps in a table that was not there.
            match self.search(place, key) {
                Search::Record(record, probe) => (Ok(Some(Found { record, lsn: Lsn(0), probe })), probe),
                Search::Answer(record, probe) => {
                    (Ok(record.map(|record| Found { record, lsn: Lsn(0), probe })), probe)
                }
                Search::Disk(unread, probe) => return self.read_on_disk(id, place, key, unread, probe),
            }
        } else {
            (result.map(|record| record.map(|record| Found { record, lsn: Lsn(0), probe })), probe)
        };
        match result {
            Err(LoadError::Damaged) => self.stats.damaged_reads += 1,
            Err(LoadError::Io) => self.stats.failed_reads += 1,
            Ok(_) => {}
        }
        loaded.push(Loaded::Record(LoadedRecord { job: id, result, probe }));
    }

    /// Keeps what a lookup found, as of the stage at which it began; true if that is too long to be kept apart from its
    /// block.
    fn keep_record(
        &mut self,
        key: KeyRef<'_>,
        stage: u64,
        result: &Result<Option<Bytes>, LoadError>,
        blocks: &[(u64, u32, Bytes)],
    ) -> bool {
        let (Ok(Some(record)), Some((_, _, block))) = (result, blocks.last()) else { return false };
        let apart = self.cache.takes_record(key, record, block.len());
        if apart {
            let hash = memtable::hash(self.settings.hash_seed, key);
            self.cache.insert_record(hash, key, record, stage);
        }
        !apart
    }

    /// Keeps partitions, and the blocks that are likely to be asked for again. `large`: the last one holds a
    /// record that could not be kept without it.
    fn keep_blocks(&mut self, place: usize, blocks: Vec<(u64, u32, Bytes)>, large: bool) {
        let last = blocks.len().saturating_sub(1);
        for (at, (owner, block, bytes)) in blocks.into_iter().enumerate() {
            let is_asked_for = block & Place::PARTITION != 0 || at == last && large;
            // A table that was merged away meanwhile is asked no more.
            if (is_asked_for || self.cache.wants(owner, block))
                && self.cells[place].tables.iter().any(|table| table.owner() == owner)
            {
                self.cache.insert_block(owner, block, bytes);
            }
        }
    }

    /// Whether what was flushed after a position could say something of the key.
    fn may_be_newer(&self, place: usize, key: KeyRef<'_>, flushed: Lsn) -> bool {
        if self.cells[place].merged > flushed {
            // What it said may have been that the key is forgotten, and a merge leaves nothing of that.
            return true;
        }
        let hash = table::hash(key);
        let newer = self.cells[place].tables.iter().filter(|table| table.info().newest > flushed);
        newer.into_iter().any(|table| table.guess(key, hash) != Guess::Absent)
    }
}
