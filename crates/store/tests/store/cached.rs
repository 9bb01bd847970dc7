//! Lookups through the cache: what is read once stays, partitions of an index as well as blocks and records, within a
//! budget that may change at any time; and a record is never answered after something newer was.

use crate::harness::{Change, Op, Server, small};
use clockwise_core::{
    slot::Slot,
    storage::{Loaded, Lookup, Probe, Storage},
};
use clockwise_store::{CompactionFilter, Options, ScanRange, SimDisk};
use fastrand::Rng;
use std::{collections::BTreeSet, sync::Arc};

const KEYS: u16 = 3_000;

fn place(number: u16) -> (Slot, Vec<u8>) {
    (Slot::new(16 * (number % 40)).expect("below 16384"), format!("key {number:05}").into_bytes())
}

/// A server with one table of many blocks in cell 0.
fn server(flat_index_bytes: usize) -> Server {
    let options = Options { memtable_bytes: 64 << 20, cache_bytes: 4 << 20, flat_index_bytes, ..small(1) };
    let mut server = Server::open(Arc::new(SimDisk::new(1)), &options).expect("an empty disk opens");
    for number in 0..KEYS {
        let (slot, key) = place(number);
        let record = format!("record {number} {}", "x".repeat(60)).into_bytes();
        server.apply(&Op { slot, changes: vec![Change::Put(key, record, 1)] });
    }
    server.commit().expect("no fault");
    server.engines[0].freeze_all();
    server.settle();
    server
}

/// Looks a key up and says how: `None` if memory had it, else what the job did.
fn probe(server: &mut Server, number: u16) -> Option<Probe> {
    let (slot, key) = place(number);
    let job = match server.engines[0].get(slot, &key) {
        Lookup::Hit(found) => {
            assert!(found.record.starts_with(format!("record {number} ").as_bytes()));
            return None;
        }
        Lookup::Miss(_) => panic!("{number} is there"),
        Lookup::Job(job) => job,
    };
    server.settle();
    let loaded = server.loaded.pop().and_then(Loaded::into_record).expect("it is answered");
    assert_eq!(loaded.job, job);
    let found = loaded.result.expect("no fault").expect("it is there");
    assert!(found.record.starts_with(format!("record {number} ").as_bytes()));
    Some(loaded.probe)
}

#[test]
fn partitions_and_blocks_are_read_once() {
    let mut server = server(1_000);
    let reads = |probe: Option<Probe>| probe.map_or(0, |probe| probe.disk_reads);
    assert_eq!(reads(probe(&mut server, 7)), 2, "the partition and the block");
    assert_eq!(reads(probe(&mut server, 7)), 0);
    let mut counts = [0; 3];
    for number in 0..KEYS {
        counts[usize::from(reads(probe(&mut server, number)))] += 1;
    }
    let stats = server.engines[0].stats();
    // Some 4 entries in each block, some 250 blocks in each partition.
    assert!(counts[0] > counts[1] && counts[1] > 500 && (1..8).contains(&counts[2]), "{counts:?}");
    assert_eq!(stats.blocks_read, counts[1] + 2 * counts[2] + 2);
    assert!((0..KEYS).all(|number| probe(&mut server, number).is_none()), "everything fits the cache");
    assert_eq!(stats.cold_reads, counts[1] + counts[2] + 1);
}

#[test]
fn a_whole_index_costs_no_read() {
    let mut server = server(1 << 20);
    let most = (0..KEYS).filter_map(|number| probe(&mut server, number)).map(|probe| probe.disk_reads).max();
    assert_eq!(most, Some(1));
}

#[test]
fn the_budget_of_the_cache_changes_while_it_serves() {
    let mut server = server(1_000);
    (0..KEYS).for_each(|number| assert!(probe(&mut server, number).is_none_or(|probe| probe.disk_reads > 0)));
    let full = server.engines[0].stats().cache_bytes;
    assert!(full > 300_000, "{full}");
    for budget in [full as usize / 2, 50_000, 0, 100_000, 4 << 20] {
        server.engines[0].set_cache_bytes(budget);
        assert!(server.engines[0].stats().cache_bytes <= budget as u64);
        for number in (0..KEYS).step_by(7) {
            probe(&mut server, number);
            assert!(server.engines[0].stats().cache_bytes <= budget as u64, "{budget}");
        }
    }
    assert!((0..KEYS).step_by(7).all(|number| probe(&mut server, number).is_none()));
}

/// Flushes one change of a slot.
fn flush(server: &mut Server, slot: Slot, change: Change) {
    server.apply(&Op { slot, changes: vec![change] });
    server.commit().expect("no fault");
    server.engines[0].freeze_all();
    server.settle();
}

/// Flushes other keys of the cell until tables were merged some times.
fn merge(server: &mut Server, mut each: impl FnMut(&mut Server)) {
    let (before, mut other) = (server.engines[0].stats().compactions, 0u32);
    while server.engines[0].stats().compactions < before + 3 {
        let slot = Slot::new(16 * (other % 50) as u16).expect("below 16384");
        let put = Change::Put(other.to_le_bytes().to_vec(), vec![1; 100], 0);
        server.apply(&Op { slot, changes: vec![put] });
        server.commit().expect("no fault");
        server.engines[0].freeze_all();
        // One job after the other.
        while server.step(&mut Rng::with_seed(1)) {
            each(server);
        }
        other += 1;
    }
}

/// A server whose cache holds the record of key 0 beside its block.
fn with_a_record(bloom_bits_per_key: u32) -> (Server, Slot, Vec<u8>) {
    let options = Options { cache_bytes: 1 << 20, block_bytes: 1_024, bloom_bits_per_key, ..small(1) };
    let mut server = Server::open(Arc::new(SimDisk::new(1)), &options).expect("an empty disk opens");
    let (slot, key) = place(0);
    let beside = |key: u8| Change::Put(vec![key], vec![7; 300], 1);
    let changes = vec![Change::Put(key.clone(), b"old".to_vec(), 1), beside(1), beside(2), beside(3)];
    server.apply(&Op { slot, changes });
    server.commit().expect("no fault");
    server.engines[0].freeze_all();
    server.settle();
    for _ in 0..3 {
        assert_eq!(server.get(slot, &key).expect("no fault").as_deref(), Some(&b"old"[..]));
    }
    let stats = server.engines[0].stats();
    assert_eq!((stats.cold_reads, stats.record_hits, stats.records), (1, 2, 1));
    assert!(stats.record_bytes > 0 && stats.record_bytes < stats.cache_bytes);
    (server, slot, key)
}

#[test]
fn a_record_is_found_through_flushes_and_merges() {
    let (mut server, slot, key) = with_a_record(10);
    merge(&mut server, |server| {
        assert_eq!(server.get(slot, &key).expect("no fault").as_deref(), Some(&b"old"[..]));
    });
    let stats = server.engines[0].stats();
    assert_eq!(stats.cold_reads, 1);
    assert!(stats.record_hits > 12, "{stats:?}");
}

struct Everything;

impl CompactionFilter for Everything {
    fn may_forget(&self, _: Slot, _: &[u8], record: &[u8]) -> bool {
        record == b"old"
    }
}

#[test]
fn a_record_is_not_answered_after_something_newer() {
    type Step = fn(&mut Server, Slot, &[u8]);
    let put: Step = |server, slot, key| flush(server, slot, Change::Put(key.to_vec(), b"new".to_vec(), 0));
    let forget: Step = |server, slot, key| flush(server, slot, Change::Forget(key.to_vec(), -1));
    let drop: Step = |server, slot, _| flush(server, slot, Change::DropSlot);
    let filter: Step = |server, _, _| server.engines[0].set_filter(Arc::new(Everything));
    let cases: [(Step, Option<&[u8]>); 4] =
        [(put, Some(b"new")), (forget, None), (drop, None), (filter, None)];
    for (at, (step, expected)) in cases.into_iter().enumerate() {
        // With one bit most tables seem to hold the key.
        for (asked_between, bits) in [(false, 10), (false, 1), (true, 10), (true, 1)] {
            let (mut server, slot, key) = with_a_record(bits);
            step(&mut server, slot, &key);
            merge(&mut server, |server| {
                if asked_between {
                    server.get(slot, &key).expect("no fault");
                }
            });
            // In the table that was merged last, or in none.
            for _ in 0..3 {
                let found = server.get(slot, &key).expect("no fault");
                assert_eq!(
                    found.as_deref(),
                    expected,
                    "case {at}, asked between: {asked_between}, {bits} bits"
                );
            }
        }
    }
}

/// Flushes and merges with a filter in any order, asking for everything after each step. Where `all` is set, nothing else
/// than what may go is written either, so that merges end without a table.
fn leave_out(seed: u64, all: bool) -> u64 {
    const OLD: u16 = 40;
    let mut rng = Rng::with_seed(seed);
    // With one bit most tables seem to hold every key.
    let options = Options { cache_bytes: 1 << 20, bloom_bits_per_key: 1, ..small(1) };
    let mut server = Server::open(Arc::new(SimDisk::new(seed)), &options).expect("an empty disk opens");
    let puts = (0..OLD).map(|number| (Slot::new(0).expect("a slot"), place(number).1));
    let keys: Vec<_> = puts.collect();
    let changes = keys.iter().map(|(_, key)| Change::Put(key.clone(), b"old".to_vec(), 1)).collect();
    server.apply(&Op { slot: keys[0].0, changes });
    server.commit().expect("no fault");
    server.engines[0].freeze_all();
    server.settle();
    for (slot, key) in &keys {
        assert!(server.get(*slot, key).expect("no fault").is_some());
    }
    server.engines[0].set_filter(Arc::new(Everything));
    let mut left_out = 0;
    for other in 0..60u32 {
        // Among the others, and enough to fill the filter.
        let record = if all { b"old".to_vec() } else { b"new".to_vec() };
        let key = |number: u16| format!("key {number:05}/{other}").into_bytes();
        let changes = (0..150).map(|number| Change::Put(key(number % 50), record.clone(), 0));
        server.apply(&Op { slot: keys[0].0, changes: changes.collect() });
        server.commit().expect("no fault");
        server.engines[0].freeze_all();
        for _ in 0..rng.usize(..8) {
            server.step(&mut rng);
            // A scan reads past the cache.
            let (mut scan, mut there) = (server.engines[0].scan(ScanRange::slot(keys[0].0)), Vec::new());
            while scan.next_page(1 << 20, &mut there).expect("no fault") {}
            let there: BTreeSet<_> = there.iter().map(|it| it.key.to_vec()).collect();
            for (slot, key) in &keys {
                let is_there = match server.engines[0].get(*slot, key) {
                    Lookup::Hit(_) => true,
                    Lookup::Miss(_) => false,
                    Lookup::Job(_) => continue,
                };
                assert_eq!(is_there, there.contains(key), "{key:?}, seed {seed}, all: {all}");
                left_out += u64::from(!is_there);
            }
        }
        server.loaded.clear();
    }
    left_out
}

#[test]
fn what_a_merge_left_out_is_not_answered_any_more() {
    for all in [false, true] {
        let left_out: u64 = (0..8).map(|seed| leave_out(seed, all)).sum();
        assert!(left_out > 100, "{left_out}");
    }
}

/// The drop is forgotten when no table holds the slot any more; older tables may still seem to, by range and filter.
#[test]
fn what_was_dropped_stays_gone_when_the_drop_is_forgotten() {
    let options = Options { cache_bytes: 1 << 20, bloom_bits_per_key: 1, ..small(1) };
    let mut server = Server::open(Arc::new(SimDisk::new(1)), &options).expect("an empty disk opens");
    let slot = |number: u16| Slot::new(16 * number).expect("below 16384");
    let name = |number: u16| format!("key {number}").into_bytes();
    let put = |server: &mut Server, of: &[u16], keys: u16, length: usize| {
        for &of in of {
            let changes = (0..keys).map(|number| Change::Put(name(number), vec![7; length], 1));
            server.apply(&Op { slot: slot(of), changes: changes.collect() });
        }
        server.commit().expect("no fault");
        server.engines[0].freeze_all();
        server.settle();
    };
    // An old table around the slot, too large to be merged, and one with the slot.
    put(&mut server, &[1, 2, 4, 5], 400, 10);
    put(&mut server, &[3], 200, 10);
    for number in 0..200 {
        assert!(server.get(slot(3), &name(number)).expect("no fault").is_some());
    }
    assert!(server.engines[0].stats().records >= 190);
    server.apply(&Op { slot: slot(3), changes: vec![Change::DropSlot] });
    for _ in 0..6 {
        put(&mut server, &[5], 3, 10);
        for number in 0..200 {
            assert_eq!(server.get(slot(3), &name(number)).expect("no fault"), None, "{number}");
        }
    }
}
