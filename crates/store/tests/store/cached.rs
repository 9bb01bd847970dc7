//! Lookups through the block cache: what is read once stays, partitions of an index as well as blocks, within a
//! budget that may change at any time.

use crate::harness::{Change, Op, Server, small};
use clockwise_core::{
    slot::Slot,
    storage::{Loaded, Lookup, Probe, Storage},
};
use clockwise_store::{Options, SimDisk};
use std::sync::Arc;

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
