//! Ordered reading of a range of a cell, by (slot, key): a snapshot of the instant at which it began, so that flushes
//! and merges in between change nothing. The tables that it reads stay on the disk until it is dropped.
//!
//! The engine gives the [`Scan`]; pages are read off the shard's thread, since they wait for the disk. The key after
//! which a page ended begins another scan, also after a restart.

use super::{Engine, cell::Frozen};
use crate::table::{KeyRef, Stream, Table, Value};
use bytes::Bytes;
use clockwise_core::{ids::Lsn, slot::Slot, storage::LoadError};
use std::{sync::Arc, vec::IntoIter};

/// Entries of the active memtable that a scan copies; of a larger one it makes a closed memtable instead.
const COPIED_ENTRIES: usize = 4_096;

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

/// An entry on its way: stored key, and the record unless the key was forgotten.
type Head = (Bytes, Option<Bytes>);

enum Source {
    /// Sorted entries of the active memtable.
    Copied(IntoIter<Head>),
    /// A closed memtable, to be sorted where the scan runs.
    Closed(Arc<Frozen>),
    Table(Box<Stream>),
}

struct Input {
    source: Source,
    /// Its last change: what was dropped after it shows nothing.
    newest: Lsn,
    head: Option<Head>,
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
        if self.cells[at].active.len() > COPIED_ENTRIES {
            self.freeze(at);
        }
        let cell = &self.cells[at];
        let drops = cell.drops().collect();
        let mut inputs = Vec::with_capacity(1 + cell.frozen.len() + cell.tables.len());
        if cell.active.len() > 0 {
            let heads = copied(cell.active.iter(), &range);
            inputs.push(Input::new(Source::Copied(heads.into_iter()), cell.active.last()));
        }
        let closed =
            |frozen: &Arc<Frozen>| Input::new(Source::Closed(Arc::clone(frozen)), frozen.memtable.last());
        inputs.extend(cell.frozen.iter().map(closed));
        let (low, high) = (range.low(), range.high());
        let tables = cell.tables.iter().filter(|table| {
            let info = table.info();
            info.first.as_ref() <= high.as_slice() && info.last.as_ref() >= low.as_slice()
        });
        let stream = |table: &Arc<Table>| {
            Input::new(Source::Table(Box::new(table.stream_from(&low))), table.info().newest)
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

    /// No stored key of the range is smaller.
    fn low(&self) -> Vec<u8> {
        stored(self.first, self.after.as_deref().unwrap_or_default())
    }

    /// Every stored key of the range is smaller (or it is the last slot's longest key, which none is above).
    fn high(&self) -> Vec<u8> {
        stored(self.last, &[0xff; clockwise_core::limits::KEY_BYTES])
    }

    fn holds(&self, stored: &[u8]) -> bool {
        let Some(key) = KeyRef::parse(stored) else { return false };
        let after = || self.after.as_ref().is_none_or(|after| key.key > after.as_ref());
        key.slot <= self.last && (key.slot > self.first || key.slot == self.first && after())
    }
}

fn stored(slot: Slot, key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(2 + key.len());
    KeyRef { slot, key }.store(&mut out);
    out
}

/// The entries of a memtable that are in the range, in order.
fn copied<'a>(entries: impl Iterator<Item = &'a super::memtable::Entry>, range: &ScanRange) -> Vec<Head> {
    let mut heads: Vec<Head> = entries
        .map(|entry| (stored(entry.key().slot, entry.key().key), entry))
        .filter(|(key, _)| range.holds(key))
        .map(|(key, entry)| (Bytes::from(key), entry.shared_record()))
        .collect();
    heads.sort_unstable_by(|left, right| left.0.cmp(&right.0));
    heads
}

impl Input {
    fn new(source: Source, newest: Lsn) -> Input {
        Input { source, newest, head: None }
    }

    /// Goes on to its next entry that was not dropped; answers the one before.
    fn advance(&mut self, range: &ScanRange, drops: &[(Slot, Lsn)]) -> Result<Option<Head>, LoadError> {
        let before = self.head.take();
        loop {
            self.head = self.next(range)?;
            let Some(slot) = self.head.as_ref().and_then(|(key, _)| KeyRef::parse(key)).map(|key| key.slot)
            else {
                break;
            };
            if !drops.iter().any(|&(dropped, at)| dropped == slot && self.newest < at) {
                break;
            }
        }
        Ok(before)
    }

    fn next(&mut self, range: &ScanRange) -> Result<Option<Head>, LoadError> {
        Ok(match &mut self.source {
            Source::Copied(heads) => heads.next(),
            Source::Closed(_) => None,
            Source::Table(stream) => loop {
                match stream.next()? {
                    None => break None,
                    Some((key, _)) if !range.holds(&key) => {
                        let beyond = KeyRef::parse(&key).is_none_or(|key| key.slot > range.last);
                        if beyond {
                            break None;
                        }
                    }
                    Some((key, Value::Record(record))) => break Some((key, Some(record))),
                    Some((key, Value::Forgotten)) => break Some((key, None)),
                }
            },
        })
    }
}

impl Scan {
    /// Appends the next keys with their records, until this many bytes are there or the range ends; false at its end.
    /// Waits for the disk. After an error the scan goes nowhere: what could not be read is not skipped.
    pub fn next_page(&mut self, bytes: usize, page: &mut Vec<Scanned>) -> Result<bool, LoadError> {
        if !self.begun {
            self.begin()?;
        }
        let mut taken = 0;
        while taken < bytes {
            let Some((stored, record)) = self.next_entry()? else { return Ok(false) };
            let (Some(key), Some(record)) = (KeyRef::parse(&stored), record) else { continue };
            taken += stored.len() + record.len();
            page.push(Scanned { slot: key.slot, key: stored.slice(2..), record });
        }
        Ok(true)
    }

    fn begin(&mut self) -> Result<(), LoadError> {
        for input in &mut self.inputs {
            if let Source::Closed(frozen) = &input.source {
                let heads = copied(frozen.memtable.iter(), &self.range);
                input.source = Source::Copied(heads.into_iter());
            }
            input.advance(&self.range, &self.drops)?;
        }
        self.begun = true;
        Ok(())
    }

    /// The next key with its newest entry.
    fn next_entry(&mut self) -> Result<Option<Head>, LoadError> {
        let mut newest: Option<(usize, &Bytes)> = None;
        for (at, input) in self.inputs.iter().enumerate() {
            if let Some((key, _)) = &input.head
                && newest.is_none_or(|(_, smallest)| key < smallest)
            {
                newest = Some((at, key));
            }
        }
        let Some((at, key)) = newest else { return Ok(None) };
        let key = key.clone();
        for older in &mut self.inputs[at + 1..] {
            if older.head.as_ref().is_some_and(|(other, _)| *other == key) {
                older.advance(&self.range, &self.drops)?;
            }
        }
        self.inputs[at].advance(&self.range, &self.drops)
    }
}
