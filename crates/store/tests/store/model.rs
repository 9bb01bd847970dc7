//! Random operations against an ordered map, with flushes, compactions, restarts and other numbers of shards
//! in between.

use crate::harness::{Change, History, Op, Server, dump, random_op, small, visible};
use crate::scan::scan_all;
use clockwise_core::storage::{Loaded, Lookup, Storage};
use clockwise_store::{Compression, SimDisk};
use fastrand::Rng;
use std::{collections::BTreeMap, sync::Arc};

fn run(seed: u64, operations: u64) {
    let mut rng = Rng::with_seed(seed);
    let disk = SimDisk::new(seed);
    let mut options = small(1 + rng.usize(..4));
    let mut server = Server::open(Arc::new(disk.clone()), &options).expect("an empty disk opens");
    let mut history = History::default();
    let mut states: BTreeMap<u16, crate::harness::State> = BTreeMap::new();
    let mut last_lsn = BTreeMap::new();
    let (mut flushes, mut compactions) = (0, 0);
    let mut count = |server: &Server| {
        flushes += server.engines.iter().map(|engine| engine.stats().flushes).sum::<u64>();
        compactions += server.engines.iter().map(|engine| engine.stats().compactions).sum::<u64>();
    };
    for serial in 0..operations {
        let op = random_op(&mut rng, serial);
        let lsn = server.apply(&op);
        let shard = server.engine(op.slot).shard();
        assert!(last_lsn.insert(op.slot.cell(), lsn) < Some(lsn), "positions grow in a cell");
        assert!(server.engines.iter().all(|engine| engine.shard() == shard || engine.durable() != lsn));
        states.entry(op.slot.cell()).or_default().apply(&op);
        history.push(op);
        match rng.u32(..100) {
            0..40 => {
                server.step(&mut rng);
            }
            40..70 => server.commit().expect("no fault"),
            70..73 => server.settle(),
            73 => {
                for engine in &mut server.engines {
                    engine.freeze_all();
                }
            }
            74 if rng.u32(..4) == 0 => {
                server.commit().expect("no fault");
                let clean = rng.bool();
                count(&server);
                if clean {
                    server.log.close().expect("no fault");
                }
                disk.kill();
                options.shards = 1 + rng.usize(..16);
                options.compression = match rng.u32(..3) {
                    0 => Compression::None,
                    1 => Compression::Lz4,
                    _ => Compression::Zstd { level: 1 },
                };
                options.flat_index_bytes = rng.usize(..1_000);
                server = Server::open(Arc::new(disk.clone()), &options).expect("recovers");
                assert_eq!(server.report.clean, clean);
                assert_eq!((server.report.torn_bytes, server.report.damaged_slots.len()), (0, 0));
            }
            _ => {}
        }
        if rng.u32(..200) == 0 {
            scan_all(&mut server, &states, &mut rng);
        }
        let (slot, key) = crate::harness::key(rng.u32(..crate::harness::KEYS));
        let expected =
            states.get(&slot.cell()).and_then(|state| state.records.get(&(slot.number(), key.clone())));
        assert_eq!(server.get(slot, &key).expect("no fault").as_deref(), expected.map(Vec::as_slice));
    }
    let found = dump(&mut server).expect("no fault");
    for (cell, state) in &states {
        assert_eq!(found[cell], visible(state), "cell {cell} of seed {seed}");
    }
    count(&server);
    assert!(flushes > 20 && compactions > 2, "{flushes} flushes, {compactions} compactions");
}

#[test]
fn behaves_like_a_map() {
    for seed in 0..12 {
        run(seed, 1500);
    }
}

#[test]
fn lookups_in_flight_see_what_is_written_meanwhile() {
    // A lookup begins, then its key is written, flushed and merged before the lookup's job is even run.
    for seed in 0..40 {
        let mut rng = Rng::with_seed(seed);
        let mut server = Server::open(Arc::new(SimDisk::new(seed)), &small(1)).expect("an empty disk opens");
        let mut states: BTreeMap<u16, crate::harness::State> = BTreeMap::new();
        let mut waiting = BTreeMap::new();
        for serial in 0..400 {
            let op = random_op(&mut rng, serial);
            server.apply(&op);
            states.entry(op.slot.cell()).or_default().apply(&op);
            if rng.u32(..10) == 0 {
                server.engines[0].freeze_all();
            }
            let (slot, key) = crate::harness::key(rng.u32(..crate::harness::KEYS));
            if let Lookup::Job(id) = server.engines[0].get(slot, &key) {
                waiting.insert(id, (slot, key));
            }
            for _ in 0..rng.usize(..6) {
                server.step(&mut rng);
                for loaded in server.loaded.drain(..).filter_map(Loaded::into_record) {
                    let (slot, key) = waiting.remove(&loaded.job).expect("asked once, answered once");
                    let record = loaded.result.expect("no fault").map(|found| found.record);
                    let state = states.get(&slot.cell());
                    let expected = state.and_then(|state| state.records.get(&(slot.number(), key)));
                    assert_eq!(record.as_deref(), expected.map(Vec::as_slice), "seed {seed}, at {serial}");
                }
            }
        }
        server.settle();
        assert_eq!(server.loaded.len(), waiting.len());
    }
}

/// Found by the endurance test: the entry that said "forgotten" was merged away while the lookup was under way, so that
/// nothing newer than its beginning could be seen any more.
#[test]
fn a_lookup_in_flight_does_not_bring_back_what_was_forgotten_and_merged_away() {
    let mut server = Server::open(Arc::new(SimDisk::new(1)), &small(1)).expect("an empty disk opens");
    let (slot, key) = crate::harness::key(0);
    let flush = |server: &mut Server, change: Change| {
        server.apply(&Op { slot, changes: vec![change] });
        server.commit().expect("no fault");
        server.engines[0].freeze_all();
        server.settle();
    };
    flush(&mut server, Change::Put(key.clone(), b"old".to_vec(), 1));
    let Lookup::Job(id) = server.engines[0].get(slot, &key) else { panic!("it is on disk only") };
    server.collect();
    let lookup = server.jobs.pop().expect("the lookup's job");
    flush(&mut server, Change::Forget(key.clone(), -1));
    for other in 0..6u8 {
        flush(&mut server, Change::Put(vec![other], vec![other; 100], 0));
    }
    assert!(server.engines[0].stats().compactions > 0);
    let done = lookup.run(&*server.disk);
    server.engines[0].on_job_done(done, &mut server.loaded);
    server.settle();
    let loaded = server.loaded.pop().and_then(Loaded::into_record).expect("answered");
    assert_eq!((loaded.job, loaded.result), (id, Ok(None)));
}

#[test]
fn the_same_inputs_give_the_same_bytes() {
    let image = |hash_seed| {
        let disk = SimDisk::new(1);
        let options = clockwise_store::Options { hash_seed, ..small(2) };
        let mut server = Server::open(Arc::new(disk.clone()), &options).expect("an empty disk opens");
        let mut rng = Rng::with_seed(9);
        for serial in 0..600 {
            let op = random_op(&mut rng, serial);
            server.apply(&op);
            server.commit().expect("no fault");
            server.settle();
        }
        disk.paths().into_iter().map(|path| (disk.bytes(&path), path)).collect::<Vec<_>>()
    };
    let first = image(1);
    assert!(first == image(1));
    assert!(first == image(2), "the seed of the hash table has no influence on what is written");
}

#[test]
fn overwriting_does_not_grow_without_bound() {
    let disk = SimDisk::new(1);
    let mut server = Server::open(Arc::new(disk.clone()), &small(2)).expect("an empty disk opens");
    let mut rng = Rng::with_seed(3);
    let mut most = 0;
    for serial in 0..12_000 {
        let op = random_op(&mut rng, serial);
        server.apply(&op);
        if serial % 16 == 0 {
            server.commit().expect("no fault");
            server.settle();
            if serial % 512 == 0 {
                most =
                    most.max(disk.paths().iter().map(|path| disk.bytes(path).map_or(0, |b| b.len())).sum());
            }
        }
    }
    let stats: Vec<_> = server.engines.iter().map(|engine| engine.stats()).collect();
    assert!(stats.iter().all(|stats| stats.compactions > 3 && stats.most_tables < 12), "{stats:?}");
    // Some 100 keys of up to 3 KB, four times over, and the log.
    assert!(most < 900_000, "{most} bytes");
    assert!(server.log.stats().segments_kept < 12, "{:?}", server.log.stats());
    assert!(server.log.stats().segments_recycled > 3, "{:?}", server.log.stats());
}

#[test]
fn live_keys_are_counted_through_flush_and_restart() {
    let disk = SimDisk::new(1);
    let (slot, key) = crate::harness::key(1);
    let put = |live| Op { slot, changes: vec![Change::Put(key.clone(), b"x".to_vec(), live)] };
    let forget = Op { slot, changes: vec![Change::Forget(key.clone(), -1), Change::Lines(b"l".to_vec())] };
    let mut server = Server::open(Arc::new(disk.clone()), &small(1)).expect("an empty disk opens");
    for (op, live) in [(put(1), 1), (put(1), 2), (forget.clone(), 1), (put(0), 1), (forget, 0)] {
        server.apply(&op);
        assert_eq!(server.engines[0].live(slot), live);
        server.commit().expect("no fault");
        if live == 1 {
            server.engines[0].freeze_all();
            server.settle();
        }
        disk.kill();
        server = Server::open(Arc::new(disk.clone()), &small(3)).expect("recovers");
        assert_eq!(server.engine(slot).live(slot), live);
        disk.kill();
        server = Server::open(Arc::new(disk.clone()), &small(1)).expect("recovers");
    }
    assert_eq!(server.engines[0].lines(slot).as_deref(), Some(&b"l"[..]));
    assert_eq!(server.get(slot, &key).expect("no fault"), None);
}
