//! Flipped bits and cut files: no panic, no wrong data, and what is lost is reported.

use crate::harness::{Change, Op, Server, key, small};
use bytes::Bytes;
use clockwise_core::{slot::Slot, storage::LoadError};
use clockwise_store::{OpenError, SimDisk};
use std::{collections::BTreeMap, sync::Arc};

/// Every value that a key ever had, the newest last.
pub type Values = BTreeMap<(Slot, Vec<u8>), Vec<Vec<u8>>>;

fn put(values: &mut Values, number: u32, text: String) -> Op {
    let (slot, key) = key(number);
    values.entry((slot, key.clone())).or_default().push(text.clone().into_bytes());
    Op { slot, changes: vec![Change::Put(key, text.into_bytes(), 1)] }
}

/// Two tables in one cell and newer values in the log, all synced.
pub fn folder() -> (SimDisk, Values) {
    let disk = SimDisk::new(1);
    let mut values = Values::new();
    let mut server = Server::open(Arc::new(disk.clone()), &small(1)).expect("an empty disk opens");
    for round in 0..2 {
        for number in [0, 6, 12, 18, 24] {
            let filler = "abcd".repeat(30);
            server.apply(&put(&mut values, number, format!("table {round} {number} {filler}")));
        }
        server.commit().expect("no fault");
        server.engines[0].freeze_all();
        server.settle();
    }
    for number in [0, 12, 1, 2] {
        server.apply(&put(&mut values, number, format!("log {number}")));
        server.commit().expect("no fault");
    }
    (disk, values)
}

/// Opens a damaged folder and reads everything.
pub fn look(disk: &SimDisk, values: &Values, what: &str) -> Outcome {
    let mut server = match Server::open(Arc::new(disk.clone()), &small(1)) {
        Ok(server) => server,
        Err(OpenError::Damaged { .. } | OpenError::Newer { .. }) => return Outcome::Refused,
        Err(error) => panic!("{what}: {error}"),
    };
    let mut outcome = Outcome::Right;
    let report = server.report.clone();
    for ((slot, key), written) in values {
        let newest = written.last().expect("every key was written").as_slice();
        match server.get(*slot, key) {
            Ok(found) if found.as_deref() == Some(newest) => {}
            Ok(found) => {
                let older = found.as_deref().is_none_or(|found| written.iter().any(|value| value == found));
                assert!(older, "{what}: {found:?} was never written");
                let reported = report.damaged_slots.binary_search(slot).is_ok() || report.torn_bytes > 0;
                assert!(reported, "{what}: {slot:?} shows {found:?} and nothing is reported: {report:?}");
                outcome = outcome.max(Outcome::Older);
            }
            Err(LoadError::Damaged) => outcome = outcome.max(Outcome::Damaged),
            Err(error) => panic!("{what}: {error:?}"),
        }
    }
    outcome
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Outcome {
    Right,
    Older,
    Damaged,
    Refused,
}

#[test]
fn no_flipped_bit_shows_wrong_data() {
    let (disk, values) = folder();
    assert_eq!(look(&disk.fork(0), &values, "sound"), Outcome::Right);
    let mut outcomes: BTreeMap<(&str, Outcome), u32> = BTreeMap::new();
    for path in disk.paths() {
        let kind = path
            .rsplit('.')
            .next()
            .map_or("", |kind| ["log", "sst", "manifest"].into_iter().find(|k| *k == kind).unwrap_or(""));
        let bytes = disk.bytes(&path).expect("listed");
        for at in 0..bytes.len() {
            let fork = disk.fork(0);
            let bit = (at % 8) as u8;
            assert!(fork.bit_flip(&path, at as u64, bit));
            let outcome = look(&fork, &values, &format!("{path}, byte {at}, bit {bit}"));
            *outcomes.entry((kind, outcome)).or_default() += 1;
        }
    }
    // Each kind of file can hurt in its own way only.
    let count = |kind, outcome| outcomes.get(&(kind, outcome)).copied().unwrap_or(0);
    assert!(count("manifest", Outcome::Refused) > 30 && count("sst", Outcome::Damaged) > 100, "{outcomes:?}");
    assert!(count("log", Outcome::Older) > 100 && count("log", Outcome::Right) > 50, "{outcomes:?}");
    for (kind, outcome) in outcomes.keys() {
        let possible = match *kind {
            "log" => matches!(outcome, Outcome::Right | Outcome::Older),
            "sst" => matches!(outcome, Outcome::Right | Outcome::Damaged),
            _ => matches!(outcome, Outcome::Right | Outcome::Refused),
        };
        assert!(possible, "{outcomes:?}");
    }
}

#[test]
fn no_cut_file_shows_wrong_data() {
    let (disk, values) = folder();
    for path in disk.paths() {
        let length = disk.bytes(&path).expect("listed").len();
        for cut in 0..length {
            let fork = disk.fork(0);
            fork.truncate(&path, cut as u64);
            look(&fork, &values, &format!("{path} cut to {cut}"));
        }
    }
}

/// As [`folder`], with a restart behind it and newer values in a second segment.
pub fn two_segments() -> (SimDisk, Values) {
    let (disk, mut values) = folder();
    let mut server = Server::open(Arc::new(disk.clone()), &small(1)).expect("sound");
    for number in [0, 6, 1, 3] {
        server.apply(&put(&mut values, number, format!("second {number}")));
        server.commit().expect("no fault");
    }
    (disk, values)
}

/// Every offset up to the last frame, and some of the zeros behind.
fn near_and_some(from: usize, length: usize) -> impl Iterator<Item = usize> {
    (from..length).filter(|at| *at < 5_500 || at.is_multiple_of(61))
}

#[test]
fn no_cut_segment_is_taken_for_an_end() {
    let (disk, values) = two_segments();
    assert_eq!(look(&disk.fork(0), &values, "sound"), Outcome::Right);
    for path in ["log/0000000000000001.log", "log/0000000000000002.log"] {
        let length = disk.bytes(path).expect("it is there").len();
        let mut older = 0;
        // Without even a header, the last segment looks as if it had never been begun.
        for cut in near_and_some(48, length) {
            let fork = disk.fork(0);
            fork.truncate(path, cut as u64);
            older += u32::from(look(&fork, &values, &format!("{path} cut to {cut}")) == Outcome::Older);
        }
        assert!(older > 3000, "{path}: {older}");
    }
}

#[test]
fn no_flipped_bit_in_an_earlier_segment_shows_wrong_data() {
    let (disk, values) = two_segments();
    for path in ["log/0000000000000001.log", "log/0000000000000002.log"] {
        for at in near_and_some(0, disk.bytes(path).expect("it is there").len()) {
            let fork = disk.fork(0);
            assert!(fork.bit_flip(path, at as u64, (at % 8) as u8));
            look(&fork, &values, &format!("{path}, byte {at}"));
        }
    }
}

#[test]
fn a_missing_file_is_not_an_empty_one() {
    let (disk, values) = folder();
    for path in disk.paths() {
        let fork = SimDisk::new(0);
        clockwise_store::Disk::create_dir(&fork, "log").expect("no fault");
        clockwise_store::Disk::create_dir(&fork, "cells").expect("no fault");
        for other in disk.paths().iter().filter(|other| **other != path) {
            fork.put(other, &disk.bytes(other).expect("listed"));
        }
        let outcome = look(&fork, &values, &format!("without {path}"));
        match path.rsplit('.').next() {
            // All keys of the older table are in the newer one as well.
            Some("sst") if path.ends_with("000001.sst") => assert_eq!(outcome, Outcome::Right),
            Some("sst") => assert_eq!(outcome, Outcome::Damaged, "{path}"),
            // The cells' manifests are all noted by a segment only once that was begun after their first flush.
            Some("log") => assert_eq!(outcome, Outcome::Refused, "{path}"),
            _ => {}
        }
    }
}

#[test]
fn a_missing_manifest_is_noticed_after_a_restart() {
    let (disk, values) = folder();
    drop(Server::open(Arc::new(disk.clone()), &small(1)).expect("sound"));
    clockwise_store::Disk::remove(&disk, "cells/00.manifest").expect("it is there");
    assert_eq!(look(&disk.fork(0), &values, "no manifest"), Outcome::Refused);
}

/// Three commits in different cells; answers the offset of each frame in the log.
fn three_commits(last_synced: bool) -> (SimDisk, [usize; 3]) {
    let disk = SimDisk::new(1);
    let mut server = Server::open(Arc::new(disk.clone()), &small(1)).expect("an empty disk opens");
    let mut starts = [0; 3];
    for (at, start) in starts.iter_mut().enumerate() {
        *start = 4096 + server.log.stats().bytes as usize;
        server.apply(&put(&mut Values::new(), at as u32, format!("value {at}")));
        if at < 2 || last_synced {
            server.commit().expect("no fault");
        } else {
            server.append();
            server.log.write().expect("no fault");
        }
    }
    disk.kill();
    (disk, starts)
}

fn found(server: &mut Server, number: u32) -> Option<Bytes> {
    let (slot, key) = key(number);
    server.get(slot, &key).expect("readable")
}

#[test]
fn damage_in_the_middle_of_the_log_never_shortens_what_follows() {
    for in_header in [true, false] {
        let (disk, starts) = three_commits(true);
        let path = "log/0000000000000001.log";
        disk.bit_flip(path, starts[1] as u64 + if in_header { 20 } else { 60 }, 3);
        for _ in 0..2 {
            // Recovery is idempotent: the damage is still known after another one.
            let mut server = Server::open(Arc::new(disk.clone()), &small(1)).expect("opens");
            assert!(found(&mut server, 0).is_some() && found(&mut server, 2).is_some());
            assert_eq!(found(&mut server, 1), None);
            assert_eq!((server.report.torn_bytes, server.report.damaged_log_places), (0, 1));
            // A sound header tells which cells the frame changed; without it every slot is suspect.
            let cells = if in_header { 16 } else { 1 };
            assert_eq!(server.report.damaged_slots.len(), cells * 2048);
            assert!(server.report.damaged_slots.contains(&key(1).0));
            assert!(!server.report.clean);
            disk.power_loss_as(clockwise_store::disk::Loss::Everything);
        }
    }
}

#[test]
fn a_torn_tail_is_dropped_and_counted() {
    let (disk, starts) = three_commits(false);
    disk.bit_flip("log/0000000000000001.log", starts[2] as u64 + 50, 0);
    let mut server = Server::open(Arc::new(disk.clone()), &small(1)).expect("opens");
    assert!(found(&mut server, 0).is_some() && found(&mut server, 1).is_some());
    assert_eq!(found(&mut server, 2), None);
    assert!(server.report.torn_bytes > 50, "{:?}", server.report);
    assert_eq!(server.report.damaged_slots.len(), 0);
    // It stays dropped, and is neither counted again nor taken for damage: the next segment says where this ended.
    server.apply(&put(&mut Values::new(), 3, "after".to_owned()));
    server.commit().expect("no fault");
    disk.kill();
    let mut server = Server::open(Arc::new(disk.clone()), &small(1)).expect("opens");
    assert!(found(&mut server, 3).is_some() && found(&mut server, 2).is_none());
    assert_eq!((server.report.torn_bytes, server.report.damaged_slots.len()), (0, 0));
}

#[test]
fn a_damaged_block_does_not_stop_the_cell() {
    let (disk, mut values) = folder();
    let table = disk.paths().into_iter().find(|path| path.ends_with("000001.sst")).expect("flushed");
    disk.bit_flip(&table, 40, 0);
    let mut server = Server::open(Arc::new(disk.clone()), &small(1)).expect("opens");
    // Newer tables pile up in front of it and are merged among themselves.
    for round in 0..40 {
        for number in [0, 6, 12] {
            server.apply(&put(&mut values, number, format!("round {round} {}", "x".repeat(900))));
        }
        server.commit().expect("no fault");
        server.engines[0].freeze_all();
        server.settle();
        server.engines[0].tick();
    }
    let stats = server.engines[0].stats();
    assert!(stats.compactions > 3 && stats.most_tables < 12, "{stats:?}");
    for number in [0, 6, 12] {
        let (slot, key) = key(number);
        let newest = values[&(slot, key.clone())].last().cloned();
        assert_eq!(
            server.get(slot, &key).expect("newer than the damage").map(|bytes| bytes.to_vec()),
            newest
        );
    }
}

/// What the engine reports since the last time, as slots.
pub fn reported(server: &mut Server) -> Vec<Slot> {
    let mut ranges = Vec::new();
    server.engines.iter_mut().for_each(|engine| engine.take_damaged(&mut ranges));
    ranges.iter().flat_map(|range| range.slots()).collect()
}

/// A table with one key in each of many slots of cell 0, a few to a block.
pub fn wide_table() -> (SimDisk, String) {
    let disk = SimDisk::new(1);
    let mut server = Server::open(Arc::new(disk.clone()), &small(1)).expect("an empty disk opens");
    for number in 0..60u16 {
        let changes = vec![Change::Put(b"key".to_vec(), vec![b'v'; 100], 1)];
        server.apply(&Op { slot: Slot::new(number * 16).expect("a slot"), changes });
    }
    server.commit().expect("no fault");
    server.engines[0].freeze_all();
    server.settle();
    let table = disk.paths().into_iter().find(|path| path.ends_with(".sst")).expect("flushed");
    (disk, table)
}

#[test]
fn a_lookup_that_meets_damage_has_all_slots_of_the_table_reported_once() {
    let (disk, table) = wide_table();
    let length = disk.bytes(&table).expect("it is there").len() as u64;
    let options = clockwise_store::Options { compression: clockwise_store::Compression::None, ..small(1) };
    for at in [40, length / 3] {
        disk.bit_flip(&table, at, 1);
    }
    let mut server = Server::open(Arc::new(disk.clone()), &options).expect("blocks are not read at opening");
    assert!(reported(&mut server).is_empty() && server.report.damaged_slots.is_empty());
    let read = |server: &mut Server| -> Vec<Slot> {
        let all = (0..60).map(|number| Slot::new(number * 16).expect("a slot"));
        all.filter(|slot| server.get(*slot, b"key").map(|found| assert!(found.is_some())).is_err()).collect()
    };
    let bad = read(&mut server);
    assert!((2..20).contains(&bad.len()), "{bad:?}");
    let slots = reported(&mut server);
    assert!(
        bad.iter().all(|slot| slots.contains(slot)) && slots.len() <= bad.len() + 4,
        "{slots:?} for {bad:?}"
    );
    assert_eq!(read(&mut server), bad);
    assert_eq!(reported(&mut server), [], "once");
    assert_eq!(server.engines[0].stats().damaged_tables, 1);
    // What rots later is reported later.
    disk.bit_flip(&table, length * 2 / 3, 1);
    let mut server = Server::open(Arc::new(disk), &options).expect("opens");
    assert!(read(&mut server).len() > bad.len());
    assert!(reported(&mut server).len() > slots.len());
}

#[test]
fn a_merge_that_meets_damage_has_it_reported_once() {
    let (disk, table) = wide_table();
    disk.bit_flip(&table, 40, 1);
    let mut server = Server::open(Arc::new(disk), &small(1)).expect("opens");
    let mut rng = fastrand::Rng::with_seed(1);
    for round in 0..12 {
        // Nothing that compresses: the new tables have to outgrow the damaged one.
        let record = (0..3_000).map(|_| rng.u8(..)).collect();
        let changes = vec![Change::Put(format!("more-{round}").into_bytes(), record, 1)];
        server.apply(&Op { slot: Slot::new(0).expect("a slot"), changes });
        server.commit().expect("no fault");
        server.engines[0].freeze_all();
        server.settle();
        server.engines[0].tick();
    }
    assert!(server.engines[0].stats().failed_jobs > 0, "{:?}", server.engines[0].stats());
    let slots = reported(&mut server);
    assert!(slots.contains(&Slot::new(0).expect("a slot")) && slots.len() < 20, "{slots:?}");
    server.settle();
    assert_eq!(reported(&mut server), []);
}

#[test]
fn recovery_reports_what_it_found_to_the_engines_too() {
    let (disk, table) = wide_table();
    disk.truncate(&table, 100);
    for shards in [1, 3] {
        let mut server = Server::open(Arc::new(disk.clone()), &small(shards)).expect("opens");
        let slots = reported(&mut server);
        assert_eq!(slots, (0..60).map(|number| Slot::new(number * 16).expect("a slot")).collect::<Vec<_>>());
        assert_eq!(slots, server.report.damaged_slots);
        assert_eq!(reported(&mut server), []);
        assert_eq!(server.get(slots[3], b"key"), Err(LoadError::Damaged));
        assert_eq!(reported(&mut server), [], "nothing new");
    }
}
