//! Operations that fail: never a false acknowledgement, never a silent loss, and work goes on where it can.

use crate::harness::{Change, History, Op, Server, dump, key, random_op, small};
use clockwise_core::storage::{Refusal, Storage};
use clockwise_store::{Options, SimDisk, disk::Loss};
use fastrand::Rng;
use std::sync::Arc;

/// Works through faults; answers whether the log failed.
fn work(server: &mut Server, history: &mut History, rng: &mut Rng) -> bool {
    for serial in 0..160 {
        let op = random_op(rng, serial);
        match server.engine(op.slot).admits() {
            Ok(()) => {}
            Err(Refusal::Failed) => return false,
            Err(refusal) => panic!("{refusal:?} without a reason"),
        }
        server.apply(&op);
        history.push(op);
        if rng.u32(..3) == 0 {
            let before: Vec<_> = (0..server.engines.len()).map(|shard| server.log.synced(shard)).collect();
            if server.commit().is_err() {
                // An error is final: nothing is reported as synced from here on, whatever the disk says now.
                assert!(server.log.sync().is_err() && server.log.write().is_err());
                for (shard, before) in before.into_iter().enumerate() {
                    assert_eq!(server.log.synced(shard), before);
                }
                for engine in &mut server.engines {
                    engine.fail();
                    assert_eq!(engine.admits(), Err(Refusal::Failed));
                }
                return true;
            }
            history.acknowledge_all();
        }
        if rng.u32(..3) == 0 {
            server.settle();
        }
        if rng.u32(..20) == 0 {
            server.engines.iter_mut().for_each(|engine| engine.tick());
        }
    }
    false
}

/// One run with faults as `arm` sets them, then a restart that must show everything acknowledged.
fn run(seed: u64, loss: Option<Loss>, arm: impl Fn(&SimDisk)) -> (u64, bool) {
    let mut rng = Rng::with_seed(seed);
    let disk = SimDisk::new(seed);
    let options = small(1 + rng.usize(..3));
    let mut history = History::default();
    arm(&disk);
    let mut log_failed = false;
    if let Ok(mut server) = Server::open(Arc::new(disk.clone()), &options) {
        log_failed = work(&mut server, &mut history, &mut rng);
    }
    let operations = disk.op_count();
    match loss {
        None => disk.kill(),
        Some(loss) => disk.power_loss_as(loss),
    }
    let mut server = Server::open(Arc::new(disk.clone()), &options).expect("the disk works again");
    assert!(server.report.damaged_slots.is_empty(), "{:?}", server.report);
    let found = dump(&mut server).expect("nothing is damaged");
    history.matches(&found).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    (operations, log_failed)
}

#[test]
fn any_operation_may_fail_once() {
    let (operations, _) = run(1, None, |_| ());
    let mut failures = 0;
    for n in 0..operations {
        let loss = [None, Some(Loss::Random), Some(Loss::Everything)][(n % 3) as usize];
        failures += u32::from(run(1, loss, |disk| disk.fail_after(n)).1);
    }
    assert!(failures > 5, "some of them hit the log");
}

#[test]
fn a_failed_sync_is_never_made_good_by_a_later_one() {
    for n in 0..80 {
        run(2, Some(Loss::Random), |disk| disk.fail_sync_after(n));
        run(3, Some(Loss::Everything), |disk| disk.fail_sync_after(n));
    }
}

fn put(number: u32, text: &[u8]) -> Op {
    let (slot, key) = key(number);
    Op { slot, changes: vec![Change::Put(key, text.to_vec(), 1)] }
}

#[test]
fn a_nearly_full_disk_refuses_writes_and_goes_on_reading_and_flushing() {
    let disk = SimDisk::new(1);
    let options = Options { reserve_bytes: 64 << 10, reserve_percent: 5, ..small(1) };
    let mut server = Server::open(Arc::new(disk.clone()), &options).expect("an empty disk opens");
    for number in 0..40 {
        server.apply(&put(number, b"value"));
    }
    server.commit().expect("there is room");
    disk.set_space(75 << 10);
    assert_eq!(server.engines[0].admits(), Ok(()), "nobody has looked yet");
    server.engines[0].tick();
    server.settle();
    assert_eq!(server.engines[0].admits(), Err(Refusal::DiskFull));
    server.engines[0].freeze_all();
    server.settle();
    assert!(server.engines[0].stats().flushes > 0, "a flush still runs");
    for number in 0..40 {
        let (slot, key) = key(number);
        assert_eq!(server.get(slot, &key).expect("readable").as_deref(), Some(&b"value"[..]));
    }
    disk.set_space(1 << 30);
    for _ in 0..100 {
        // Nobody calls `tick`: being refused again and again makes the engine look by itself.
        let _refused = server.engines[0].admits();
        server.settle();
    }
    assert_eq!(server.engines[0].admits(), Ok(()));
}

#[test]
fn flushes_that_find_no_room_are_tried_again() {
    let disk = SimDisk::new(1);
    let mut server = Server::open(Arc::new(disk.clone()), &small(1)).expect("an empty disk opens");
    for number in 0..20 {
        server.apply(&put(number, b"value"));
    }
    server.commit().expect("there is room");
    server.engines[0].freeze_all();
    disk.full(true);
    server.settle();
    let stats = server.engines[0].stats();
    assert!(stats.failed_jobs > 0 && stats.flushes == 0 && stats.backlog > 0, "{stats:?}");
    let (slot, key) = key(3);
    assert_eq!(server.get(slot, &key).expect("in memory").as_deref(), Some(&b"value"[..]));
    disk.full(false);
    server.engines[0].tick();
    server.settle();
    assert_eq!(server.engines[0].stats().backlog, 0);
    let tables = disk.paths().iter().filter(|path| path.ends_with(".sst")).count() as u64;
    assert_eq!(tables, server.engines[0].stats().tables, "what failed left no file behind");
}

#[test]
fn memory_has_a_bound_when_flushes_do_not_run() {
    let mut server = Server::open(Arc::new(SimDisk::new(1)), &small(1)).expect("an empty disk opens");
    for number in 0.. {
        if server.engines[0].admits() == Err(Refusal::Backlog) {
            break;
        }
        server.apply(&put(number % 48, &[b'v'; 500]));
        assert!(number < 1000, "refused at some point");
    }
    let stats = server.engines[0].stats();
    assert!(stats.active_bytes + stats.frozen_bytes < 2 * (24 << 10) + 2000, "{stats:?}");
    server.settle();
    assert_eq!(server.engines[0].admits(), Ok(()));
}
