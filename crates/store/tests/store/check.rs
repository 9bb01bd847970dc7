//! The check of a folder that nobody serves: it finds every flipped byte that matters, and changes nothing.

use crate::{
    damage::{Outcome, folder, look, two_segments},
    harness::{Change, Op, Server, small},
};
use clockwise_core::slot::Slot;
use clockwise_store::{
    SimDisk, SlotRange,
    check::{Report, What, check},
    disk::Loss,
    meta,
};
use std::sync::Arc;

fn look_through(disk: &SimDisk) -> Report {
    let before = disk.mutation_count();
    let report = check(disk).expect("the disk answers");
    assert_eq!(disk.mutation_count(), before, "nothing is changed");
    report
}

fn names(report: &Report) -> Vec<(&str, What)> {
    report.damage.iter().map(|finding| (&*finding.path, finding.what)).collect()
}

#[test]
fn a_sound_folder_is_good() {
    let empty = look_through(&SimDisk::new(1));
    assert!(empty.is_good() && empty.notes.is_empty() && empty.tables == 0 && !empty.clean, "{empty:?}");
    let (disk, _) = folder();
    let report = look_through(&disk);
    assert!(report.is_good() && report.notes.is_empty(), "{report:?}");
    assert_eq!((report.cells, report.tables, report.entries, report.segments), (1, 2, 10, 1));
    assert!(report.batches == 6 && !report.clean && report.table_bytes > 500, "{report:?}");
    let server = Server::open(Arc::new(disk.clone()), &small(2)).expect("sound");
    server.log.close().expect("no fault");
    let report = look_through(&disk);
    assert!(report.is_good() && report.clean && report.segments == 2, "{report:?}");
}

#[test]
fn every_flipped_byte_that_matters_is_found() {
    let (disk, values) = two_segments();
    assert!(look_through(&disk).is_good());
    let mut found = 0;
    for path in disk.paths() {
        let is_log = path.ends_with(".log");
        for at in 0..disk.bytes(&path).expect("listed").len() {
            if is_log && at > 5_500 && at % 61 != 0 {
                continue;
            }
            let fork = disk.fork(0);
            fork.bit_flip(&path, at as u64, (at % 8) as u8);
            let report = look_through(&fork);
            let what = format!("{path}, byte {at}");
            if !is_log {
                assert!(!report.is_good(), "{what}: {report:?}");
                assert!(report.damage.iter().all(|finding| finding.path == path), "{what}: {report:?}");
                found += 1;
                continue;
            }
            let outcome = look(&fork, &values, &what);
            if outcome != Outcome::Right {
                let torn = report.notes.iter().any(|note| matches!(note.what, What::TornTail(_)));
                assert!(!report.is_good() || torn, "{what}: {outcome:?}, {report:?}");
                found += 1;
            }
        }
    }
    assert!(found > 1_000, "{found}");
}

#[test]
fn it_says_where_and_which_slots() {
    let disk = SimDisk::new(1);
    let mut server = Server::open(Arc::new(disk.clone()), &small(1)).expect("an empty disk opens");
    let slot = |number: u16| Slot::new(number * 16 + 3).expect("a slot");
    for number in 0..60 {
        let changes = vec![Change::Put(b"key".to_vec(), vec![b'v'; 100], 1)];
        server.apply(&Op { slot: slot(number), changes });
    }
    server.commit().expect("no fault");
    server.engines[0].freeze_all();
    server.settle();
    let table = "cells/03-000000000001.sst";
    // The first block, and one in the middle.
    let length = disk.bytes(table).expect("flushed").len() as u64;
    disk.bit_flip(table, 40, 0);
    disk.bit_flip(table, length / 2, 0);
    let report = look_through(&disk);
    assert_eq!(names(&report), [(table, What::Block), (table, What::Block)]);
    assert_eq!((report.damage[0].offset, report.damage[0].slots[0].first), (Some(16), slot(0)));
    let [SlotRange { first, last }] = report.damage[1].slots[..] else { panic!("one range: {report:?}") };
    assert!(
        first > slot(5) && last < slot(55) && last.number() - first.number() < 16 * 8,
        "{first:?} {last:?}"
    );

    disk.truncate(table, 100);
    let report = look_through(&disk);
    assert_eq!(names(&report), [(table, What::Table)]);
    assert_eq!(report.damage[0].slots, [SlotRange { first: slot(0), last: slot(59) }]);

    clockwise_store::Disk::remove(&disk, table).expect("it is there");
    disk.put("cells/03-000000000009.sst", b"left behind");
    disk.put("cells/07.manifest.tmp", b"left behind");
    let report = look_through(&disk);
    assert_eq!(names(&report), [(table, What::TableMissing)]);
    assert!(
        report.notes.len() == 2 && report.notes.iter().all(|note| note.what == What::Orphan),
        "{report:?}"
    );

    disk.put("cells/03.manifest", b"rubbish");
    let report = look_through(&disk);
    assert_eq!(names(&report), [("cells/03.manifest", What::Record)]);
    assert_eq!(report.damage[0].slots, [SlotRange::cell(3)]);
}

#[test]
fn what_is_missing_is_missed() {
    let (disk, _) = two_segments();
    let without = |path: &str| {
        let fork = disk.fork(0);
        clockwise_store::Disk::remove(&fork, path).expect("it is there");
        fork
    };
    assert_eq!(
        names(&look_through(&without("cells/00.manifest")))[0],
        ("cells/00.manifest", What::RecordMissing)
    );
    let fork = without("log/0000000000000001.log");
    clockwise_store::Disk::remove(&fork, "log/0000000000000002.log").expect("it is there");
    assert_eq!(names(&look_through(&fork)), [("log", What::LogMissing)]);
    let fork = disk.fork(0);
    fork.truncate("log/0000000000000002.log", 4500);
    let report = look_through(&fork);
    assert_eq!(names(&report), [("log/0000000000000002.log", What::SegmentCut)]);
    assert_eq!(report.damage[0].slots.iter().map(|range| range.count()).sum::<u64>(), 32_768);
}

#[test]
fn tables_that_contradict_themselves_are_found() {
    let (disk, _) = folder();
    // A manifest from before the second flush: sound, but another than the log remembers and the tables say.
    let record = meta::load(&disk, "cells/00.manifest").expect("sound").expect("there");
    let mut rubbish = record.to_vec();
    let last = rubbish.len() - 1;
    rubbish[last] ^= 1;
    meta::save(&disk, "cells/00.manifest", &rubbish).expect("no fault");
    let _said_or_not_but_no_panic = look_through(&disk);
    meta::save(&disk, "cells/00.manifest", &record[..record.len() / 2]).expect("no fault");
    assert_eq!(names(&look_through(&disk)), [("cells/00.manifest", What::Record)]);
    let mut newer = record.to_vec();
    newer[0] = 200;
    meta::save(&disk, "cells/00.manifest", &newer).expect("no fault");
    assert_eq!(names(&look_through(&disk)), [("cells/00.manifest", What::Newer(200))]);
    meta::save(&disk, "cells/00.manifest", &record).expect("no fault");
    assert!(look_through(&disk).is_good());
}

#[test]
fn a_power_loss_is_no_damage() {
    for seed in 0..60 {
        let (disk, _) = folder();
        let mut server = Server::open(Arc::new(disk.clone()), &small(1)).expect("sound");
        disk.halt_after(seed);
        for number in 0..20 {
            let (slot, key) = crate::harness::key(number);
            server.apply(&Op { slot, changes: vec![Change::Put(key, vec![b'x'; 400], 1)] });
            server.append();
            let _until_the_power_goes = server.log.write();
            server.engines[0].freeze_all();
            server.settle();
        }
        disk.power_loss_as(Loss::ALL[seed as usize % Loss::ALL.len()]);
        let report = look_through(&disk);
        assert!(report.is_good(), "seed {seed}: {report:?}");
    }
}
