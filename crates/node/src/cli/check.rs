//! `check`: what is wrong with a data folder, where, and which slots it touches. The looking is done in `store`.

use crate::folder;
use clap::Args;
use clockwise_core::slot::Slot;
use clockwise_store::{
    RealDisk, SlotRange,
    check::{Finding, Report, check},
};
use serde_json::{Value, json};
use std::{
    io,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// The folder is damaged.
const DAMAGED: u8 = 1;
/// Nothing can be said of the folder.
const UNKNOWN: u8 = 2;

/// Flags of `check`.
#[derive(Args)]
#[command(
    after_help = "Nothing is changed. Exit codes: 0 the folder is good, 1 it is damaged, 2 it could not be checked."
)]
pub struct Check {
    /// The data folder of a server that does not run
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
}

impl Check {
    /// Reads all of the folder, and prints what is wrong with it.
    pub fn run(self) -> ExitCode {
        let folder = self.folder.display().to_string();
        let report = match look(&self.folder) {
            Ok(report) => report,
            Err(why) => {
                if self.json {
                    println!("{:#}", json!({ "folder": folder, "checked": false, "error": why }));
                } else {
                    eprintln!("clockwise: {folder} cannot be checked: {why}");
                }
                return ExitCode::from(UNKNOWN);
            }
        };
        if self.json {
            println!("{:#}", as_json(&folder, &report));
        } else {
            print!("{}", page(&folder, &report));
        }
        if report.is_good() { ExitCode::SUCCESS } else { ExitCode::from(DAMAGED) }
    }
}

fn look(path: &Path) -> Result<Report, String> {
    let disk = RealDisk::open_to_read(path).map_err(|error| match error.kind() {
        io::ErrorKind::ResourceBusy => "a server runs on it; stop it first".to_owned(),
        io::ErrorKind::NotFound => "there is no such folder".to_owned(),
        _ => error.to_string(),
    })?;
    let mut records = Report::default();
    folder::check(&disk, &mut records)?;
    let mut report = check(&disk).map_err(|error| error.to_string())?;
    report.damage.splice(..0, records.damage);
    Ok(report)
}

fn page(folder: &str, report: &Report) -> String {
    let mut text = String::new();
    for finding in report.damage.iter().chain(&report.notes) {
        text.push_str(&place(finding));
        text.push_str(&format!(": {}", finding.what));
        if !finding.slots.is_empty() {
            text.push_str(&format!("; it touches {}", slots(&finding.slots)));
        }
        text.push('\n');
    }
    let verdict = match report.damage.len() {
        0 => "good".to_owned(),
        1 => "DAMAGED in one place".to_owned(),
        many => format!("DAMAGED in {many} places"),
    };
    text.push_str(&format!(
        "{folder} is {verdict}: {} tables of {} cells with {} entries in {} bytes, {} log segments with {} batches, {}\n",
        report.tables,
        report.cells,
        report.entries,
        report.table_bytes,
        report.segments,
        report.batches,
        if report.clean { "stopped cleanly" } else { "not stopped cleanly" },
    ));
    text
}

fn place(finding: &Finding) -> String {
    match finding.offset {
        Some(offset) => format!("{}, byte {offset}", finding.path),
        None => finding.path.clone(),
    }
}

/// A slot in words.
fn slot(slot: Slot) -> String {
    if slot.keeps_hints() {
        format!("the hints of slot {}", slot.of_keys().number())
    } else {
        format!("slot {}", slot.number())
    }
}

/// Slots in words.
fn slots(ranges: &[SlotRange]) -> String {
    let count: u64 = ranges.iter().map(|range| range.count()).sum();
    if count == u64::from(clockwise_core::limits::STORED_SLOTS) {
        return "all slots".to_owned();
    }
    let one = |range: &SlotRange| {
        let (first, last, cell) = (slot(range.first), slot(range.last), range.first.cell());
        if range.first == range.last {
            first
        } else {
            format!("{} slots of cell {cell}, from {first} to {last}", range.count())
        }
    };
    ranges.iter().map(one).collect::<Vec<_>>().join(", and ")
}

fn as_json(folder: &str, report: &Report) -> Value {
    let finding = |finding: &Finding| {
        let slots: Vec<Value> = finding
            .slots
            .iter()
            .map(|range| {
                json!({
                    "cell": range.first.cell(), "first": range.first.number(), "last": range.last.number(),
                    "count": range.count(),
                })
            })
            .collect();
        json!({
            "path": finding.path, "offset": finding.offset, "what": finding.what.to_string(), "slots": slots,
        })
    };
    json!({
        "folder": folder,
        "checked": true,
        "good": report.is_good(),
        "damage": report.damage.iter().map(finding).collect::<Vec<_>>(),
        "notes": report.notes.iter().map(finding).collect::<Vec<_>>(),
        "cells": report.cells,
        "tables": report.tables,
        "entries": report.entries,
        "table_bytes": report.table_bytes,
        "segments": report.segments,
        "batches": report.batches,
        "clean": report.clean,
    })
}

#[cfg(test)]
mod tests {
    use super::{Slot, page};
    use clockwise_store::{
        SlotRange,
        check::{Report, What},
    };

    #[test]
    fn a_page_says_what_and_where() {
        let mut report = Report { tables: 2, ..Report::default() };
        assert!(page("d", &report).starts_with("d is good: 2 tables"));
        let slot = |number| Slot::new(number).unwrap();
        let range = SlotRange { first: slot(3), last: slot(35) };
        report.add("cells/03-1.sst", Some(16), What::Block, vec![range]);
        report.add("log", None, What::LogMissing, (0..16).map(SlotRange::cell).collect());
        let page = page("d", &report);
        assert!(page.contains(
            "cells/03-1.sst, byte 16: a block is damaged; it touches 3 slots of cell 3, from slot 3 to slot 35\n"
        ));
        assert!(page.contains("log: the commit log is missing; it touches all slots\n"), "{page}");
        assert!(page.contains("d is DAMAGED in 2 places"), "{page}");
    }
}
