//! Ordered reading of a range of a cell, by (slot, key): a snapshot of the instant at which it began, so that flushes
//! and merges in between change nothing. The tables that it reads stay on the disk until it is dropped.
//!
//! The engine gives the [`Scan`]; pages are read off the shard's thread, since they wait for the disk. The key after
//! which a page ended begins another scan, also after a restart.

use super::{Engine, cell::Frozen};
use crate::table::{KeyRef, Stream, Table, Value};
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

enum Source {
    /// Entries of the active memtable, to be sorted where the scan runs.
    Copied(Vec<Head>),
    /// A closed memtable, to be sorted where the scan runs.
    Closed(Arc<Frozen>),
    /// What either came to.
    Sorted(IntoIter<Head>),
    Table(Box<Stream>),
}

struct Input {
    source: Source,
    /// Its last change: what was dropped after it shows nothing.
    newest: Lsn,
    /// The stored key that it stands at; means nothing at its end.
    key: Vec<u8>,
    /// What it has for the key; `None` at its end.
    value: Option<Value>,
}

/// A scan under way; see the module.
pub struct Scan {
    range: ScanRange,
    /// Newest first.
    inputs: Vec<Input>,
    /// Slots that were dropped, with the position of the drop.
    drops: Vec<(Slot, Lsn)>,
    begun: bool,
}

impl Engine {
    /// Begins a scan of what is visible now. The slots must be of one cell of this shard, the first not behind the last.
    pub fn scan(&mut self, range: ScanRange) -> Scan {
        assert_eq!(range.first.cell(), range.last.cell(), "a scan stays in a cell");
        let at = self.place(range.first);
        // What is small is copied, and a large one closed.
        self.freeze_unless_small(at);
        let cell = &self.cells[at];
        let drops = cell.drops().collect();
        let mut inputs = Vec::with_capacity(1 + cell.frozen.len() + cell.tables.len());
        if cell.active.len() > 0 {
            let heads = copied(cell.active.iter(), &range);
            inputs.push(Input::new(Source::Copied(heads), cell.active.last()));
        }
        let closed =
            |frozen: &Arc<Frozen>| Input::new(Source::Closed(Arc::clone(frozen)), frozen.memtable.last());
        inputs.extend(cell.frozen.iter().map(closed));
        let tables = cell.tables.iter().filter(|table| range.meets(table));
        let stream = |table: &Arc<Table>| {
            Input::new(Source::Table(Box::new(table.stream_from(range.from()))), table.info().newest)
        };
        inputs.extend(tables.map(stream));
        self.stats.scans += 1;
        Scan { range, inputs, drops, begun: false }
    }
}

impl ScanRange {
    /// All of a slot.
    pub fn slot(slot: Slot) -> ScanRange {
        ScanRange { first: slot, last: slot, after: None }
    }

    /// No key of the range is before this one.
    fn from(&self) -> KeyRef<'_> {
        KeyRef { slot: self.first, key: self.after.as_deref().unwrap_or_default() }
    }

    /// Whether a table may hold keys of the range.
    fn meets(&self, table: &Table) -> bool {
        let info = table.info();
        let begins = KeyRef::parse(&info.first).is_none_or(|first| first.slot <= self.last);
        begins && self.from().cmp_stored(&info.last).is_le()
    }

    fn holds(&self, stored: &[u8]) -> bool {
        KeyRef::parse(stored).is_some_and(|key| self.holds_key(key))
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
fn copied<'a>(entries: impl Iterator<Item = &'a super::memtable::Entry>, range: &ScanRange) -> Vec<Head> {
    let head = |entry: &super::memtable::Entry| {
        let key = entry.key();
        (stored(key.slot, key.key), entry.shared_record().map_or(Value::Forgotten, Value::Record))
    };
    entries.filter(|entry| range.holds_key(entry.key())).map(head).collect()
}

impl Input {
    fn new(source: Source, newest: Lsn) -> Input {
        Input { source, newest, key: Vec::new(), value: None }
    }

    /// Goes on to its next entry of the range that was not dropped.
    fn advance(&mut self, range: &ScanRange, drops: &[(Slot, Lsn)]) -> Result<(), LoadError> {
        loop {
            self.value = self.next()?;
            let Some(key) = self.value.as_ref().and_then(|_| KeyRef::parse(&self.key)) else { return Ok(()) };
            if key.slot > range.last {
                self.value = None;
                return Ok(());
            }
            let dropped = drops.iter().any(|&(slot, at)| slot == key.slot && self.newest < at);
            if !dropped && range.holds(&self.key) {
                return Ok(());
            }
        }
    }

    fn next(&mut self) -> Result<Option<Value>, LoadError> {
        Ok(match &mut self.source {
            Source::Copied(_) | Source::Closed(_) => None,
            Source::Table(stream) => stream.next(&mut self.key)?,
            Source::Sorted(heads) => heads.next().map(|(key, value)| {
                self.key = key;
                value
            }),
        })
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
        if !self.begun {
            self.begin()?;
        }
        let mut taken = 0;
        let records = page.len().saturating_add(limit.records);
        while taken < limit.bytes && page.len() < records {
            let Some(at) = self.newest()? else { return Ok(false) };
            let input = &mut self.inputs[at];
            if let (Some(Value::Record(record)), Some(key)) = (input.value.take(), KeyRef::parse(&input.key))
            {
                taken += input.key.len() + record.len();
                page.push(Scanned { slot: key.slot, key: Bytes::copy_from_slice(key.key), record });
            }
            input.advance(&self.range, &self.drops)?;
        }
        Ok(true)
    }

    fn begin(&mut self) -> Result<(), LoadError> {
        for input in &mut self.inputs {
            let unsorted = match &mut input.source {
                Source::Copied(heads) => Some(std::mem::take(heads)),
                Source::Closed(frozen) => Some(copied(frozen.memtable.iter(), &self.range)),
                Source::Sorted(_) | Source::Table(_) => None,
            };
            if let Some(mut heads) = unsorted {
                heads.sort_unstable_by(|left, right| left.0.cmp(&right.0));
                input.source = Source::Sorted(heads.into_iter());
            }
            input.advance(&self.range, &self.drops)?;
        }
        self.begun = true;
        Ok(())
    }

    /// The input that has the newest entry of the next key; older ones are past the key then.
    fn newest(&mut self) -> Result<Option<usize>, LoadError> {
        let mut newest: Option<usize> = None;
        for (at, input) in self.inputs.iter().enumerate() {
            if input.value.is_some() && newest.is_none_or(|newest| input.key < self.inputs[newest].key) {
                newest = Some(at);
            }
        }
        let Some(at) = newest else { return Ok(None) };
        let (front, older) = self.inputs.split_at_mut(at + 1);
        for older in older {
            if older.value.is_some() && older.key == front[at].key {
                older.advance(&self.range, &self.drops)?;
            }
        }
        Ok(Some(at))
    }
}
