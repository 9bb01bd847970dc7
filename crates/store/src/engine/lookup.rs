//! The read path behind the memtables: tables newest first, each by key range, Bloom filter, index, cached
//! block; the first block that is not cached makes the rest of the lookup a job.
//!
//! A job sees the tables of its beginning. When it comes back, whatever was written or flushed since is looked
//! at first, so an answer is never older than the question, whichever order things finish in.

use super::Engine;
use crate::{
    job::{Job, ReadDone, ReadJob},
    table::{self, Guess, KeyRef, Table, Value},
};
use bytes::Bytes;
use clockwise_core::{
    ids::Lsn,
    storage::{Found, JobId, LoadError, Loaded, Lookup, Probe},
};

/// What the tables in memory say.
enum Search {
    Answer(Option<Bytes>, Probe),
    /// The tables from this one on must be asked.
    Disk(usize, Probe),
}

impl Engine {
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
            Search::Disk(from, probe) => {
                let id = JobId(self.next_job);
                self.next_job += 1;
                self.stats.cold_reads += 1;
                self.read_on_disk(id, place, key, from, probe);
                Lookup::Job(id)
            }
        }
    }

    fn search(&mut self, place: usize, key: KeyRef<'_>) -> Search {
        let mut probe = Probe::default();
        let tables = &self.cells[place].tables;
        if tables.is_empty() {
            return Search::Answer(None, probe);
        }
        let hash = table::hash(key);
        for (at, table) in tables.iter().enumerate() {
            match table.guess(key, hash) {
                Guess::Absent => {
                    probe.bloom_skips = probe.bloom_skips.saturating_add(1);
                    self.stats.bloom_skips += 1;
                }
                Guess::Broken => return Search::Disk(at, probe),
                Guess::Block(block) => {
                    let Some(bytes) = self.cache.get(table.owner(), block) else {
                        return Search::Disk(at, probe);
                    };
                    probe.tables_read = probe.tables_read.saturating_add(1);
                    match Table::find(bytes, key, hash) {
                        Ok(Some(Value::Record(record))) => return Search::Answer(Some(record), probe),
                        Ok(Some(Value::Forgotten)) => return Search::Answer(None, probe),
                        Ok(None) => self.stats.bloom_false += 1,
                        // The job finds the same and reports it.
                        Err(_) => return Search::Disk(at, probe),
                    }
                }
            }
        }
        Search::Answer(None, probe)
    }

    fn read_on_disk(&mut self, id: JobId, place: usize, key: KeyRef<'_>, from: usize, probe: Probe) {
        let cell = &self.cells[place];
        let job = ReadJob {
            id,
            slot: key.slot,
            key: Bytes::copy_from_slice(key.key),
            tables: cell.tables[from..].to_vec(),
            flushed: cell.flushed,
            probe,
        };
        self.reads.push(Job::read(self.shard, job));
    }

    /// A lookup comes back from the disk.
    pub(super) fn read_done(&mut self, done: ReadDone, loaded: &mut Vec<Loaded>) {
        let ReadDone { id, slot, key, flushed, result, probe, blocks, false_blocks, damaged } = done;
        let place = self.place(slot);
        self.stats.blocks_read += blocks.len() as u64;
        self.stats.bloom_false += false_blocks;
        if let Some(owner) = damaged {
            self.note_damaged(place, owner, Some(slot));
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
        } else if cell.flushed > flushed && self.may_be_newer(place, key, flushed) {
            match self.search(place, key) {
                Search::Answer(record, probe) => {
                    (Ok(record.map(|record| Found { record, lsn: Lsn(0), probe })), probe)
                }
                Search::Disk(from, probe) => return self.read_on_disk(id, place, key, from, probe),
            }
        } else {
            (result.map(|record| record.map(|record| Found { record, lsn: Lsn(0), probe })), probe)
        };
        match result {
            Err(LoadError::Damaged) => self.stats.damaged_reads += 1,
            Err(LoadError::Io) => self.stats.failed_reads += 1,
            Ok(_) => {}
        }
        loaded.push(Loaded { job: id, result, probe });
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
