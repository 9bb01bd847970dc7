//! The records of a data folder, looked at without beginning a life: part of `clockwise check`.

use super::{IDENTITY, LAYOUT, WITNESS, format};
use clockwise_core::{identity::Identity, layout::Layout, witness::Witness};
use clockwise_store::{
    Disk, MetaError, SlotRange,
    check::{Report, What},
    meta,
};
use std::io;

/// What is wrong with the records of a folder; an error means that it is no data folder, or that nobody can tell.
pub(crate) fn check(disk: &dyn Disk, report: &mut Report) -> Result<(), String> {
    format::look(disk)?;
    let identity = record(disk, IDENTITY, report, Identity::decode)?;
    let layout = record(disk, LAYOUT, report, Layout::decode)?;
    record(disk, WITNESS, report, Witness::decode)?;
    let engine = disk.list("").map_err(|error| error.to_string())?;
    let begun = layout.is_some() || engine.iter().any(|name| name == "log");
    let Some(identity) = identity else {
        let known = report.damage.iter().any(|finding| finding.path == IDENTITY);
        if begun && !known {
            report.add(IDENTITY, None, What::RecordMissing, all());
        }
        return Ok(());
    };
    match layout {
        Some(layout) if layout.by_node(identity.node).is_none() => {
            report.add(LAYOUT, None, What::Contradiction("it does not contain the folder's node"), all());
        }
        Some(layout) if layout.epoch() < identity.epoch => {
            report.add(LAYOUT, None, What::Contradiction("it is older than the one installed"), all());
        }
        None if identity.epoch.0 > 0 && !report.damage.iter().any(|finding| finding.path == LAYOUT) => {
            report.add(LAYOUT, None, What::RecordMissing, all());
        }
        _ => {}
    }
    Ok(())
}

/// Without one of these the server does not start at all.
fn all() -> Vec<SlotRange> {
    (0..clockwise_core::limits::CELLS).map(SlotRange::cell).collect()
}

/// A decoded record; `None` if it is not there, or damaged and reported.
fn record<T, E>(
    disk: &dyn Disk,
    name: &'static str,
    report: &mut Report,
    decode: impl Fn(bytes::Bytes) -> Result<T, E>,
) -> Result<Option<T>, String> {
    match meta::read(disk, name) {
        Ok(None) => Ok(None),
        Ok(Some(bytes)) => {
            let decoded = decode(bytes).ok();
            if decoded.is_none() {
                report.add(name, None, What::Record, all());
            }
            Ok(decoded)
        }
        Err(MetaError::Damaged) => {
            report.add(name, None, What::Record, all());
            Ok(None)
        }
        Err(MetaError::Io(error)) => Err(unread(name, &error)),
    }
}

pub(super) fn unread(name: &str, error: &io::Error) -> String {
    format!("{name} cannot be read: {error}")
}
