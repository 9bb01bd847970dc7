//! One table: every block, and every entry against the order of keys, the properties and the Bloom filter.

use super::{Report, What};
use crate::{
    damage::SlotRange,
    disk::Disk,
    error::OpenError,
    table::{self, Broken, Guess, KeyRef, Table, TableInfo, Value},
};
use clockwise_core::storage::LoadError;
use std::{io, sync::Arc};

pub(super) fn check(disk: &dyn Disk, cell: u16, info: &TableInfo, report: &mut Report) -> io::Result<()> {
    report.tables += 1;
    report.table_bytes += info.file_bytes;
    let path = table::path(cell, info.number);
    let all = vec![info.slots(cell)];
    let table = match table::open(disk, cell, info.clone()) {
        Ok(table) => Arc::new(table),
        Err(OpenError::Io(error)) => return Err(super::at(&path, &error)),
        Err(OpenError::Newer { version, .. }) => {
            report.add(path, None, What::Newer(version), all);
            return Ok(());
        }
        Err(_) => {
            report.add(path, None, What::Table, all);
            return Ok(());
        }
    };
    if let Some(why) = table.broken_by() {
        let what = match why {
            Broken::Missing => What::TableMissing,
            Broken::Damaged => What::Table,
            Broken::Unreadable => What::TableUnreadable,
        };
        report.add(path, None, what, all);
        return Ok(());
    }
    if !table.has_filter() {
        report.add(&*path, None, What::Filter, Vec::new());
    }
    let damage = table.damage();
    for block in &damage {
        let what = match block.error {
            LoadError::Damaged => What::Block,
            LoadError::Io => What::BlockUnreadable,
        };
        let slots = vec![SlotRange { first: block.first, last: block.last }];
        report.add(&*path, Some(block.offset), what, slots);
    }
    if let Some(what) = entries(&table, cell, damage.is_empty(), report) {
        report.add(path, None, What::Entries(what), all);
    }
    Ok(())
}

/// What is wrong with the entries, up to the first damaged block; `whole`: there is none.
fn entries(table: &Arc<Table>, cell: u16, whole: bool, report: &mut Report) -> Option<&'static str> {
    let info = table.info();
    let (mut entries, mut forgotten, mut raw_bytes) = (0, 0, 0);
    let mut before: Option<Vec<u8>> = None;
    let mut wrong = None;
    let ended = each(table, |stored, value| {
        entries += 1;
        forgotten += u64::from(*value == Value::Forgotten);
        raw_bytes += (stored.len() + if let Value::Record(record) = value { record.len() } else { 0 }) as u64;
        wrong = wrong.or(wrong_with(table, cell, before.as_deref(), stored));
        match &mut before {
            Some(before) => {
                before.clear();
                before.extend_from_slice(stored);
            }
            None => before = Some(stored.to_vec()),
        }
    });
    report.entries += entries;
    if wrong.is_some() || !whole {
        return wrong;
    }
    if ended.is_err() {
        return Some("its entries cannot be read although its blocks can");
    }
    if before.as_deref() != Some(&info.last[..]) {
        return Some("its last key is not the one that its properties name");
    }
    let counted = (entries, forgotten, raw_bytes);
    (counted != (info.entries, info.forgotten, info.raw_bytes))
        .then_some("its entries are not as many or as long as its properties say")
}

/// What is wrong with an entry.
fn wrong_with(table: &Table, cell: u16, before: Option<&[u8]>, stored: &[u8]) -> Option<&'static str> {
    let Some(key) = KeyRef::parse(stored) else { return Some("a key has no slot") };
    if key.slot.cell() != cell {
        return Some("a key belongs to another cell");
    }
    match before {
        None if stored != &table.info().first[..] => {
            return Some("its first key is not the one that its properties name");
        }
        Some(before) if before >= stored => return Some("its keys are not in order"),
        _ => {}
    }
    match table.guess(key, table::hash(key)) {
        Guess::Absent => Some("its filter, its index or its key range excludes a key that it holds"),
        _ => None,
    }
}

/// Calls back with every entry, in order, up to the first block that cannot be read.
fn each(table: &Arc<Table>, mut entry: impl FnMut(&[u8], &Value)) -> Result<(), LoadError> {
    let (mut stream, mut key) = (table.stream(), Vec::new());
    while let Some(value) = stream.next(&mut key)? {
        entry(&key, &value);
    }
    Ok(())
}
