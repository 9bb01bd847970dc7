//! The formats byte by byte: what is written today is what the golden files hold, and what they hold is read.
//! `CLOCKWISE_BLESS=1 cargo test -p clockwise-store golden` writes them anew, which is right only for a new
//! format version.

use crate::harness::{Change, Op, Server, small};
use clockwise_core::{slot::Slot, storage::Storage, tree::Sum};
use clockwise_store::{Disk, SimDisk, meta, table};
use std::{fmt::Write, path::PathBuf, sync::Arc};

fn slot() -> Slot {
    Slot::new(16).expect("below 16384")
}

fn put(key: &str, record: &str) -> Change {
    Change::Put(key.into(), record.into(), 1)
}

/// A small folder with one of everything.
fn folder() -> SimDisk {
    let disk = SimDisk::new(1);
    let mut server = Server::open(Arc::new(disk.clone()), &small(2)).expect("an empty disk opens");
    let repeated = "a record that compresses, ".repeat(12);
    let tables = [
        vec![put("apple", "red"), put("pear", "green"), Change::Lines(b"lines".to_vec())],
        vec![put("long", &repeated), Change::Forget(b"gone".to_vec(), 0)],
    ];
    for changes in tables {
        server.apply(&Op { slot: slot(), changes });
    }
    server.commit().expect("no fault");
    server.engines[0].freeze_all();
    server.settle();
    server.apply(&Op {
        slot: slot(),
        changes: vec![put("plum", "blue"), Change::Forget(b"pear".to_vec(), -1)],
    });
    server.apply(&Op { slot: slot(), changes: vec![Change::Lines(b"newer".to_vec())] });
    server.commit().expect("no fault");
    server.log.close().expect("no fault");
    meta::save(&disk, "identity.meta", b"who I am").expect("no fault");
    disk
}

/// What is written today, by format and version.
const FILES: [(&str, &str); 4] = [
    ("log.v2", "log/0000000000000001.log"),
    ("sstable.v2", "cells/00-000000000001.sst"),
    ("manifest.v3", "cells/00.manifest"),
    ("meta.v1", "identity.meta"),
];

/// Older versions of the same.
const OLDER: [(&str, &str); 4] = [
    ("sstable.v1", "cells/00-000000000001.sst"),
    ("manifest.v1", "cells/00.manifest"),
    ("manifest.v2", "cells/00.manifest"),
    ("log.v1", "log/0000000000000001.log"),
];

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.hex"))
}

/// Lines of an offset and 16 bytes; lines of zeros are left out, and a last line says how long the file is.
fn to_hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (at, line) in bytes.chunks(16).enumerate().filter(|(_, line)| line.iter().any(|&byte| byte != 0)) {
        write!(text, "{:06x}:", at * 16).expect("a string takes everything");
        line.iter().for_each(|byte| write!(text, " {byte:02x}").expect("a string takes everything"));
        text.push('\n');
    }
    writeln!(text, "{:06x}:", bytes.len()).expect("a string takes everything");
    text
}

fn from_hex(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in text.lines() {
        let (at, rest) = line.split_once(':').expect("an offset");
        bytes.resize(usize::from_str_radix(at, 16).expect("hex"), 0);
        bytes.extend(rest.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).expect("hex")));
    }
    bytes
}

#[test]
fn golden_bytes_are_written() {
    let disk = folder();
    for (name, path) in FILES {
        let written = to_hex(&disk.bytes(path).expect("it was written"));
        if std::env::var_os("CLOCKWISE_BLESS").is_some() {
            std::fs::write(golden(name), &written).expect("writable");
        }
        let expected = std::fs::read_to_string(golden(name)).expect("it is in the repository");
        assert!(written == expected, "{name}: what is written has changed:\n{written}");
    }
}

#[test]
fn golden_bytes_are_read() {
    let sums = read_golden(&[]).expect("they were written");
    assert!(!sums.is_empty());
}

#[test]
fn every_older_version_is_read() {
    // What was written without sums has none.
    for older in [&OLDER[..2], &OLDER[2..3], &OLDER[3..]] {
        assert_eq!(read_golden(older), None, "{older:?}");
    }
}

/// Opens the folder of the golden files, some of them replaced by older versions.
fn read_golden(older: &[(&str, &str)]) -> Option<Vec<Sum>> {
    let disk = SimDisk::new(2);
    disk.create_dir("log").expect("no fault");
    disk.create_dir("cells").expect("no fault");
    for (name, path) in FILES.iter().chain(older) {
        disk.put(path, &from_hex(&std::fs::read_to_string(golden(name)).expect("it is in the repository")));
    }
    assert_eq!(meta::load(&disk, "identity.meta").expect("sound").as_deref(), Some(&b"who I am"[..]));
    let mut server = Server::open(Arc::new(disk), &small(1)).expect("every released format opens");
    assert!(
        server.report.clean && server.report.tables == 1 && server.report.replayed == 2,
        "{:?}",
        server.report
    );
    let mut get =
        |key: &str| server.get(slot(), key.as_bytes()).expect("sound").map(|record| record.to_vec());
    assert_eq!(get("apple").as_deref(), Some(&b"red"[..]));
    assert_eq!(get("plum").as_deref(), Some(&b"blue"[..]));
    assert_eq!(get("long").map(|record| record.len()), Some(312));
    assert_eq!((get("pear"), get("gone")), (None, None));
    assert_eq!(server.engines[0].live(slot()), 3);
    assert_eq!(server.engines[0].lines(slot()).as_deref(), Some(&b"newer"[..]));
    server.engines[0].sums(slot()).map(<[Sum]>::to_vec)
}

#[test]
fn a_newer_format_is_named_and_refused() {
    let disk = folder();
    let mut bytes = disk.bytes("cells/00-000000000001.sst").expect("it was written");
    // A header of the next version, with the checksum that it would have.
    bytes[0] = table::VERSION + 1;
    let mut bound = vec![];
    bound.extend_from_slice(&1u64.to_le_bytes());
    bound.extend_from_slice(&0u64.to_le_bytes());
    bound.extend_from_slice(&bytes[..4]);
    let sum = crc32c::crc32c(&bound);
    bytes[4..8].copy_from_slice(&sum.to_le_bytes());
    disk.put("cells/00-000000000001.sst", &bytes);
    let error = Server::open(Arc::new(disk), &small(1)).err().expect("refused");
    let said = format!("format version {}, which is newer", table::VERSION + 1);
    assert!(error.to_string().contains(&said), "{error}");
}
