//! What goes for good: dropped slots give their space back, and the caller's rule thins out merges.

use crate::harness::{Change, Op, Server, small};
use clockwise_core::{
    slot::Slot,
    storage::{Loaded, LoadedRecord, Lookup, Storage},
};
use clockwise_store::{CompactionFilter, SimDisk};
use std::sync::Arc;

fn slot(number: u16) -> Slot {
    Slot::new(number).expect("below 16384")
}

fn put(slot: Slot, number: u32, record: &str) -> Op {
    Op { slot, changes: vec![Change::Put(format!("{number:05}").into_bytes(), record.into(), 1)] }
}

fn settle(server: &mut Server) {
    server.commit().expect("no fault");
    server.settle();
}

/// One flushed table with three quarters of its bytes in slots that are dropped below.
fn filled(disk: &SimDisk) -> Server {
    let mut server = Server::open(Arc::new(disk.clone()), &small(1)).expect("an empty disk opens");
    for number in 0..600 {
        for of in [0, 16, 32, 48] {
            server.apply(&put(
                slot(of),
                number,
                &format!("{of} {number} {:x}", number.wrapping_mul(2_654_435_761)),
            ));
        }
    }
    server.engine(slot(0)).freeze_all();
    settle(&mut server);
    server
}

#[test]
fn a_dropped_slot_gives_its_space_back() {
    let disk = SimDisk::new(1);
    let mut server = filled(&disk);
    let before = server.engine(slot(0)).stats();
    for of in [16, 32, 48] {
        server.apply(&Op { slot: slot(of), changes: vec![Change::DropSlot] });
    }
    server.settle();
    let unsynced = server.engine(slot(0)).stats();
    assert_eq!(unsynced.table_bytes, before.table_bytes, "a drop that could be lost takes nothing away");
    settle(&mut server);
    let after = server.engine(slot(0)).stats();
    assert!(after.table_bytes < before.table_bytes / 3, "{before:?} {after:?}");
    assert_eq!(after.table_entries, 600);
    server.apply(&Op { slot: slot(0), changes: vec![Change::DropSlot] });
    settle(&mut server);
    let empty = server.engine(slot(0)).stats();
    assert_eq!((empty.tables, empty.table_bytes), (0, 0), "what is dropped whole goes without being read");
    assert_eq!(empty.compacted_out_bytes, after.compacted_out_bytes);
    disk.power_loss();
    let mut server = Server::open(Arc::new(disk), &small(2)).expect("recovers");
    assert_eq!(server.get(slot(0), b"00007").expect("no fault"), None);
    assert_eq!(server.engine(slot(0)).live(slot(0)), 0);
}

/// The slots of which cell 0's manifest remembers that they were dropped.
fn remembered(disk: &SimDisk) -> Vec<Slot> {
    let manifest = clockwise_store::manifest::load(disk, 0).expect("sound");
    manifest.slots.iter().filter(|info| info.dropped.0 > 0).map(|info| info.slot).collect()
}

#[test]
fn a_drop_is_forgotten_when_nothing_is_left_to_hide() {
    let disk = SimDisk::new(1);
    let mut server = filled(&disk);
    // Slots in the middle of the key range, and one of the cell that was never written.
    for of in [16, 32, 64] {
        server.apply(&Op { slot: slot(of), changes: vec![Change::DropSlot] });
    }
    server.engine(slot(0)).freeze_all();
    settle(&mut server);
    assert_eq!(server.engine(slot(0)).stats().table_entries, 1_200, "rewritten");
    // As of the flush that brought the drops; what is remembered now is written by the next.
    assert_eq!(remembered(&disk), [slot(16), slot(32), slot(64)]);
    server.apply(&put(slot(48), 1, "next"));
    server.engine(slot(0)).freeze_all();
    settle(&mut server);
    assert_eq!(remembered(&disk), []);
    assert_eq!(server.get(slot(32), b"00007").expect("no fault"), None);
    assert!(server.get(slot(48), b"00007").expect("no fault").is_some());
}

#[test]
fn a_durable_drop_gives_space_back_though_others_follow() {
    let disk = SimDisk::new(1);
    let mut server = filled(&disk);
    let before = server.engine(slot(0)).stats();
    server.apply(&Op { slot: slot(16), changes: vec![Change::DropSlot] });
    server.append();
    server.log.sync().expect("no fault");
    // There is always a newer one that is not durable yet.
    server.apply(&Op { slot: slot(32), changes: vec![Change::DropSlot] });
    let durable = server.log.synced(0);
    server.engine(slot(0)).on_durable(durable);
    server.settle();
    let after = server.engine(slot(0)).stats();
    assert_eq!((before.table_entries, after.table_entries), (2_400, 1_800), "{after:?}");
}

#[test]
fn a_lookup_under_way_does_not_outlive_the_drop_of_its_slot() {
    let disk = SimDisk::new(3);
    let mut server = filled(&disk);
    let Lookup::Job(id) = server.engine(slot(16)).get(slot(16), b"00007") else {
        panic!("nothing is cached")
    };
    let mut jobs = Vec::new();
    server.engine(slot(16)).take_jobs(&mut jobs);
    for of in [16, 32, 48] {
        server.apply(&Op { slot: slot(of), changes: vec![Change::DropSlot] });
    }
    settle(&mut server);
    assert_eq!(
        server.engine(slot(0)).stats().table_entries,
        600,
        "the bytes are gone, and the drop with them"
    );
    let mut loaded = Vec::new();
    while let Some(job) = jobs.pop() {
        server.engine(slot(16)).on_job_done(job.run(&disk), &mut loaded);
        server.engine(slot(16)).take_jobs(&mut jobs);
    }
    assert!(
        matches!(&loaded[..], [Loaded::Record(LoadedRecord { job, result: Ok(None), .. })] if *job == id),
        "{loaded:?}"
    );
}

#[test]
fn a_slot_in_a_large_memtable_is_dropped_without_a_walk() {
    const KEYS: u32 = 3_000;
    let disk = SimDisk::new(4);
    let options = clockwise_store::Options { memtable_bytes: 64 << 20, ..small(1) };
    let mut server = Server::open(Arc::new(disk.clone()), &options).expect("an empty disk opens");
    for number in 0..KEYS {
        server.apply(&put(slot(0), number, "first"));
        server.apply(&put(slot(16), number, "first"));
    }
    let entries = server.engine(slot(0)).stats().active_bytes;
    // A put before the drop, in the same list, goes as well; one behind it stays.
    let key = |number: u32| format!("{number:05}").into_bytes();
    let changes = vec![
        Change::Put(key(1), "before".into(), 1),
        Change::DropSlot,
        Change::Put(key(2), "behind".into(), 1),
    ];
    server.apply(&Op { slot: slot(16), changes });
    let stats = server.engine(slot(0)).stats();
    assert!(stats.frozen_bytes == entries && stats.active_bytes < 1_000, "{stats:?}");
    for flushed in [false, true] {
        for number in 0..KEYS {
            let kept = server.get(slot(0), &key(number)).expect("no fault");
            assert_eq!(kept.as_deref(), Some(b"first".as_slice()), "{number}, {flushed}");
            let dropped = server.get(slot(16), &key(number)).expect("no fault");
            assert_eq!(
                dropped.as_deref(),
                (number == 2).then_some(b"behind".as_slice()),
                "{number}, {flushed}"
            );
        }
        assert_eq!(server.engine(slot(16)).live(slot(16)), 1);
        settle(&mut server);
    }
    disk.power_loss();
    let mut server = Server::open(Arc::new(disk), &options).expect("recovers");
    assert_eq!(server.get(slot(16), &key(3)).expect("no fault"), None);
    assert_eq!(server.get(slot(16), &key(2)).expect("no fault").as_deref(), Some(b"behind".as_slice()));
    assert_eq!(server.engine(slot(16)).live(slot(16)), 1);
}

/// Forgets every record that ends with "old".
struct Old;

impl CompactionFilter for Old {
    fn may_forget(&self, _slot: Slot, _key: &[u8], record: &[u8]) -> bool {
        record.ends_with(b"old")
    }
}

#[test]
fn a_filter_takes_records_out_and_uncovers_none() {
    let disk = SimDisk::new(2);
    let mut server = Server::open(Arc::new(disk), &small(1)).expect("an empty disk opens");
    server.engine(slot(0)).set_filter(Arc::new(Old));
    for round in 0..24 {
        for number in 0..200 {
            // The second half is written once and becomes old at its last write; the first is always renewed.
            let record = match (number < 100, round) {
                (true, _) => format!("{round} new"),
                (false, 11) => "11 old".to_owned(),
                (false, 12..) => continue,
                (false, _) => format!("{round} uncovered"),
            };
            server.apply(&put(slot(0), number, &record));
        }
        server.engine(slot(0)).freeze_all();
        settle(&mut server);
    }
    let stats = server.engine(slot(0)).stats();
    assert!(stats.compactions > 0 && stats.filtered_entries == 100, "{stats:?}");
    for number in 0..200 {
        let found = server.get(slot(0), format!("{number:05}").as_bytes()).expect("no fault");
        let expected = (number < 100).then_some(b"23 new".as_slice());
        assert_eq!(found.as_deref(), expected, "{number}");
    }
}
