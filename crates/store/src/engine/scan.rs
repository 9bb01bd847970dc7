//! Ordered reading of a range of a cell, by (slot, key): a snapshot of the instant at which it began, so that flushes
//! and merges in between change nothing. The tables that it reads stay on the disk until it is dropped.
//!
//! The engine gives the [`Scan`]; pages are read off the shard's thread, since they wait for the disk. The key after
//! which a page ended begins another scan, also after a restart.

use super::{
    Engine,
    cell::Frozen,
    memtable::{Entry, Memtable},
};
use crate::{
    damage::SlotRange,
    drops::Drops,
    table::{Entries, KeyRef, Merge, MergeError, Stream, Table, Value},
};
use bytes::Bytes;
use clockwise_core::{
    ids::Lsn,
    slot::Slot,
    storage::{LoadError, PageLimit},
};
use std::{sync::Arc, vec::IntoIter};

/// What to read: slots of one cell, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScanRange {
    /// The first slot.
    pub first: Slot,
    /// The last slot, of the same cell as the first.
    pub last: Slot,
    /// Only keys of the first slot that are greater than this one.
    pub after: Option<Bytes>,
}

/// One key with its record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scanned {
    /// The slot.
    pub slot: Slot,
    /// The key.
    pub key: Bytes,
    /// The encoded record.
    pub record: Bytes,
}

/// An entry of a memtable on its way: stored key and value.
type Head = (Vec<u8>, Value);

/// Where entries come from.
enum Source {
    /// Entries of the active memtable, to be sorted where the scan runs.
    Copied(Vec<Head>),
    /// A closed memtable, to be sorted where the scan runs.
    Closed(Arc<Frozen>),
    /// What either came to.
    Sorted(IntoIter<Head>),
    Table(Box<Stream>),
}

/// What all sources of a scan leave out.
struct Bounds {
    range: ScanRange,
    drops: Drops,
}

/// A source without what is outside of the range or was dropped.
struct Input {
    source: Source,
    /// Its last change: what was dropped after it shows nothing.
    newest: Lsn,
    bounds: Arc<Bounds>,
}

/// A scan under way; see the module.
pub struct Scan {
    state: State,
    /// The names of its tables, which come behind so many memtables.
    tables: Vec<u64>,
    memtables: usize,
}

enum State {
    /// Newest first.
    Waiting(Vec<Input>),
    Going(Merge<Input>),
    /// What stopped it.
    Stopped(MergeError),
}

impl Engine {
    /// Begins a scan of what is visible now. The slots must be of one cell of this shard, the first not behind the last.
    pub fn scan(&mut self, range: ScanRange) -> Scan {
        assert_eq!(range.first.cell(), range.last.cell(), "a scan stays in a cell");
        let at = self.place(range.first);
        // What is small is copied, and a large memtable closed.
        match range.only_slot() {
            Some(slot) => self.freeze_unless_little_of(at, slot),
            None => self.freeze_unless_small(at),
        }
        let cell = &self.cells[at];
        let bounds = Arc::new(Bounds { range, drops: cell.drops() });
        let input = |source, newest| Input { source, newest, bounds: Arc::clone(&bounds) };
        let mut inputs = Vec::with_capacity(1 + cell.frozen.len() + cell.tables.len());
        if cell.active.len() > 0 {
            let heads = copied(&cell.active, &bounds.range);
            inputs.push(input(Source::Copied(heads), cell.active.last()));
        }
        let closed = |frozen: &Arc<Frozen>| input(Source::Closed(Arc::clone(frozen)), frozen.memtable.last());
        inputs.extend(cell.frozen.iter().map(closed));
        let tables = cell.tables.iter().filter(|table| bounds.meets(table));
        let stream = |table: &Arc<Table>| {
            let ScanRange { last, .. } = bounds.range;
            let stream = table.stream_past(&bounds.drops, Some(bounds.range.from()), Some(last));
            input(Source::Table(Box::new(stream)), table.info().newest)
        };
        let memtables = inputs.len();
        inputs.extend(tables.clone().map(stream));
        self.stats.scans += 1;
        Scan { state: State::Waiting(inputs), tables: tables.map(|table| table.owner()).collect(), memtables }
    }
}

impl ScanRange {
    /// All of a slot.
    pub fn slot(slot: Slot) -> ScanRange {
        ScanRange { first: slot, last: slot, after: None }
    }

    /// The slot, if there is only one.
    fn only_slot(&self) -> Option<Slot> {
        (self.first == self.last).then_some(self.first)
    }

    /// No key of the range is before this one.
    fn from(&self) -> KeyRef<'_> {
        KeyRef { slot: self.first, key: self.after.as_deref().unwrap_or_default() }
    }

    fn holds_key(&self, key: KeyRef<'_>) -> bool {
        let after = || self.after.as_ref().is_none_or(|after| key.key > after.as_ref());
        key.slot <= self.last && (key.slot > self.first || key.slot == self.first && after())
    }
}

fn stored(slot: Slot, key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(2 + key.len());
    KeyRef { slot, key }.store(&mut out);
    out
}

/// The entries of a memtable that are in the range, in no order.
fn copied(memtable: &Memtable, range: &ScanRange) -> Vec<Head> {
    let in_range = |entry: &&Entry| range.holds_key(entry.key());
    let head = |entry: &Entry| {
        let key = entry.key();
        (stored(key.slot, key.key), entry.shared_record().map_or(Value::Forgotten, Value::Record))
    };
    match range.only_slot() {
        Some(slot) => memtable.of_slot(slot).into_iter().filter(in_range).map(head).collect(),
        None => memtable.iter().filter(in_range).map(head).collect(),
    }
}

impl Bounds {
    /// Whether a table may hold keys of the range that were not dropped.
    fn meets(&self, table: &Table) -> bool {
        if self.range.from().cmp_stored(&table.info().last).is_gt() {
            return false;
        }
        let slots = table.slots();
        let both =
            SlotRange { first: slots.first.max(self.range.first), last: slots.last.min(self.range.last) };
        both.first <= both.last && !self.drops.hide_all(both, table.info().newest)
    }
}

impl Source {
    /// Sorts what is not sorted yet.
    fn sort(&mut self, range: &ScanRange) {
        let mut heads = match self {
            Source::Copied(heads) => std::mem::take(heads),
            Source::Closed(frozen) => copied(&frozen.memtable, range),
            Source::Sorted(_) | Source::Table(_) => return,
        };
        heads.sort_unstable_by(|left, right| left.0.cmp(&right.0));
        *self = Source::Sorted(heads.into_iter());
    }

    fn next(&mut self, key: &mut Vec<u8>) -> Result<Option<Value>, LoadError> {
        Ok(match self {
            Source::Copied(_) | Source::Closed(_) => None,
            Source::Table(stream) => stream.next(key)?,
            Source::Sorted(heads) => heads.next().map(|(next, value)| {
                *key = next;
                value
            }),
        })
    }
}

impl Entries for Input {
    fn next(&mut self, stored: &mut Vec<u8>) -> Result<Option<Value>, LoadError> {
        let Bounds { range, drops } = &*self.bounds;
        loop {
            let Some(value) = self.source.next(stored)? else { return Ok(None) };
            let Some(key) = KeyRef::parse(stored).filter(|key| key.slot <= range.last) else {
                return Ok(None);
            };
            if range.holds_key(key) && !drops.hides(key.slot, self.newest) {
                return Ok(Some(value));
            }
        }
    }
}

impl Scan {
    /// Appends the next keys with their records, until this many bytes are there or the range ends; false at its end.
    /// Waits for the disk. After an error the scan goes nowhere: what could not be read is not skipped.
    pub fn next_page(&mut self, bytes: usize, page: &mut Vec<Scanned>) -> Result<bool, LoadError> {
        self.next_page_of(PageLimit { records: usize::MAX, bytes }, page)
    }

    /// [`Scan::next_page`], with a bound on the number of records too.
    pub(crate) fn next_page_of(
        &mut self,
        limit: PageLimit,
        page: &mut Vec<Scanned>,
    ) -> Result<bool, LoadError> {
        self.go_on(limit, page).map_err(|stopped| {
            self.state = State::Stopped(stopped);
            stopped.error
        })
    }

    /// The table that stopped it because it is damaged.
    pub(crate) fn damaged_table(&self) -> Option<u64> {
        match self.state {
            State::Stopped(MergeError { input, error: LoadError::Damaged }) => {
                self.tables.get(input.checked_sub(self.memtables)?).copied()
            }
            _ => None,
        }
    }

    fn go_on(&mut self, limit: PageLimit, page: &mut Vec<Scanned>) -> Result<bool, MergeError> {
        let merge = match &mut self.state {
            State::Stopped(stopped) => return Err(*stopped),
            State::Going(merge) => merge,
            State::Waiting(inputs) => {
                let mut inputs = std::mem::take(inputs);
                inputs.iter_mut().for_each(|input| input.source.sort(&input.bounds.range));
                self.state = State::Going(Merge::new(inputs)?);
                return self.go_on(limit, page);
            }
        };
        let mut taken = 0;
        let records = page.len().saturating_add(limit.records);
        while taken < limit.bytes && page.len() < records {
            let Some(next) = merge.next_entry()? else { return Ok(false) };
            if let (Value::Record(record), Some(key)) = (next.value, KeyRef::parse(next.key)) {
                taken += next.key.len() + record.len();
                page.push(Scanned { slot: key.slot, key: Bytes::copy_from_slice(key.key), record });
            }
        }
        Ok(true)
    }
}
