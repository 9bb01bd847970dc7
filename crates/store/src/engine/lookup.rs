//! The read path behind the memtables: tables newest first, each by key range, Bloom filter, index, cached
//! block (of a large table: cached partition of the index, cached block); the first one that is not cached makes the
//! rest of the lookup a job.
//!
//! A job sees the tables of its beginning. When it comes back, whatever was written or flushed since is looked
//! at first, so an answer is never older than the question, whichever order things finish in.

use super::Engine;
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
        for (from, table) in cell.tables.iter().enumerate() {
            if cell.hides(key.slot, table.info().newest) {
                // Older ones are hidden as well.
                break;
            }
            let unread = |block| Unread { from, block };
            let block = match table.guess(key, hash) {
                Guess::Absent => {
                    probe.bloom_skips = probe.bloom_skips.saturating_add(1);
                    self.stats.bloom_skips += 1;
                    continue;
                }
                Guess::Broken => return Search::Disk(unread(None), probe),
                Guess::Block(block) => block,
                Guess::Partition(partition) => {
                    let raw = self.cache.get(table.owner(), partition.number);
                    // What is wrong with a partition the job finds as well, and reports it.
                    let Some(Ok(block)) = raw.map(|raw| table.locate(partition, raw, key)) else {
                        return Search::Disk(unread(None), probe);
                    };
                    block
                }
            };
            let Some(bytes) = self.cache.get(table.owner(), block.number) else {
                return Search::Disk(unread(Some(block)), probe);
            };
            probe.tables_read = probe.tables_read.saturating_add(1);
            match Table::find(bytes, key, hash) {
                Ok(Some(Value::Record(record))) => return Search::Answer(Some(record), probe),
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
            flushed: cell.flushed,
            drops_over: cell.drops_over,
            probe,
        };
        self.reads.push(Job::read(self.shard, job));
    }

    /// A lookup comes back from the disk.
    pub(super) fn read_done(&mut self, done: ReadDone, loaded: &mut Vec<Loaded>) {
        let ReadDone { id, slot, key, flushed, drops_over, result, probe, blocks, false_blocks, damaged } =
            done;
        let place = self.place(slot);
        self.stats.blocks_read += blocks.len() as u64;
        self.stats.bloom_false += false_blocks;
        if let Some(owner) = damaged {
            self.note_damaged(place, owner, slot);
        }
        for (owner, block, bytes) in blocks {
            // A table that was merged away meanwhile is asked no more.
            if self.cells[place].tables.iter().any(|table| table.owner() == owner) {
                self.cache.insert(owner, block, bytes);
            }
        }
        let key = KeyRef { slot, key: &key };
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
