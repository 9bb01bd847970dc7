//! Operations that fail: never a false acknowledgement, never a silent loss, and work goes on where it can.

use crate::{
    harness::{Change, History, Op, Server, State, dump, key, random_op, small, visible},
    tap::{Op as DiskOp, Tap, Tapped, Verdict},
};
use clockwise_core::storage::{LoadError, Refusal, Storage};
use clockwise_store::{Disk, Options, SimDisk, disk::Loss};
use fastrand::Rng;
use std::{
    collections::BTreeMap,
    io::ErrorKind,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// So small that a hundred operations flush, merge and recycle.
fn busy(shards: usize) -> Options {
    Options {
        memtable_bytes: 8 << 10,
        segment_bytes: 16 << 10,
        log_bytes: 12 << 10,
        cache_bytes: 4 << 10,
        ..small(shards)
    }
}

/// Makes operations fail, from one on and so many of them.
struct Fault {
    seen: AtomicU64,
    first: u64,
    count: u64,
    verdict: Verdict,
}

impl Tap for Fault {
    fn before(&self, _op: DiskOp) -> Verdict {
        let number = self.seen.fetch_add(1, Relaxed);
        if (self.first..self.first.saturating_add(self.count)).contains(&number) {
            self.verdict
        } else {
            Verdict::Go
        }
    }
}

/// One process on a disk with faults, and what it was told.
#[derive(Default)]
struct Run {
    history: History,
    /// What is to be read, also of what was not acknowledged.
    states: BTreeMap<u16, State>,
    log_failed: bool,
}

impl Run {
    /// Works through faults until the log or an engine fails for good.
    fn work(&mut self, server: &mut Server, rng: &mut Rng, serials: std::ops::Range<u64>) {
        for serial in serials {
            let op = random_op(rng, serial);
            match server.engine(op.slot).admits() {
                Ok(()) => {}
                Err(Refusal::Failed) => return,
                // What failed is tried again at the next tick, and until then memory may be full.
                Err(Refusal::Backlog) => {
                    server.engines.iter_mut().for_each(|engine| engine.tick());
                    server.settle();
                    continue;
                }
                Err(refusal) => panic!("{refusal:?} without a reason"),
            }
            server.apply(&op);
            self.states.entry(op.slot.cell()).or_default().apply(&op);
            self.history.push(op);
            if rng.u32(..3) == 0 && !self.commit(server) {
                return;
            }
            if rng.u32(..3) == 0 {
                server.settle();
            }
            if rng.u32(..20) == 0 {
                server.engines.iter_mut().for_each(|engine| engine.tick());
            }
        }
    }

    fn commit(&mut self, server: &mut Server) -> bool {
        let before: Vec<_> = (0..server.engines.len()).map(|shard| server.log.synced(shard)).collect();
        if server.commit().is_ok() {
            self.history.acknowledge_all();
            return true;
        }
        // An error is final: nothing is reported as synced from here on, whatever the disk says now.
        assert!(server.log.failure().is_some());
        assert!(server.log.sync().is_err() && server.log.write().is_err());
        for (shard, before) in before.into_iter().enumerate() {
            assert_eq!(server.log.synced(shard), before);
        }
        for engine in &mut server.engines {
            engine.fail();
            assert_eq!(engine.admits(), Err(Refusal::Failed));
        }
        self.log_failed = true;
        false
    }

    /// Whatever failed, what is read is what was written; while a fault lasts it may be an error.
    fn read(&self, server: &mut Server, may_fail: bool) {
        match dump(server) {
            Err(LoadError::Io) if may_fail => {}
            Err(error) => panic!("{error:?}"),
            Ok(found) => {
                for (cell, state) in &self.states {
                    assert_eq!(found[cell], visible(state), "cell {cell}");
                }
            }
        }
    }

    /// The next process: everything acknowledged is there, and it serves.
    fn recover(&mut self, disk: &SimDisk, options: &Options, name: &str) -> Server {
        let mut server = Server::open(Arc::new(disk.clone()), options).expect("the disk works again");
        assert!(server.report.damaged_slots.is_empty(), "{name}: {:?}", server.report);
        let found = dump(&mut server).expect("nothing is damaged");
        self.history.matches(&found).unwrap_or_else(|error| panic!("{name}: {error}"));
        self.states = found;
        server
    }
}

/// A life with a fault, and the next one without; answers how many operations the first did, and whether its log
/// failed.
fn run(seed: u64, loss: Option<Loss>, fault: Fault) -> (u64, bool) {
    let name =
        format!("seed {seed}, {:?} at {} (and {}), then {loss:?}", fault.verdict, fault.first, fault.count);
    let (once, last) = (fault.count == 1, fault.first.saturating_add(fault.count));
    let mut rng = Rng::with_seed(seed);
    let disk = SimDisk::new(seed);
    let options = busy(1 + rng.usize(..3));
    let mut run = Run::default();
    let fault = Arc::new(fault);
    let tapped: Arc<dyn Disk> = Arc::new(Tapped::new(disk.clone(), Arc::clone(&fault) as Arc<dyn Tap>));
    if let Ok(mut server) = Server::open(tapped, &options) {
        run.work(&mut server, &mut rng, 0..140);
        server.engines.iter_mut().for_each(|engine| engine.tick());
        let over = once && fault.seen.load(Relaxed) > last;
        run.read(&mut server, !over);
        if over && !run.log_failed {
            // A second look: what one failure stopped goes on.
            run.read(&mut server, false);
        }
    }
    let operations = fault.seen.load(Relaxed);
    match loss {
        None => disk.kill(),
        Some(loss) => disk.power_loss_as(loss),
    }
    let mut server = run.recover(&disk, &options, &name);
    run.work(&mut server, &mut rng, 1000..1020);
    assert!(run.commit(&mut server), "{name}: the disk works again");
    disk.power_loss_as(Loss::Everything);
    run.recover(&disk, &options, &name);
    (operations, run.log_failed)
}

fn fault(first: u64, count: u64, verdict: Verdict) -> Fault {
    Fault { seen: AtomicU64::new(0), first, count, verdict }
}

/// Each operation of a run fails once, in this way.
fn each_fails(seed: u64, verdict: Verdict) {
    let (operations, _) = run(seed, None, fault(u64::MAX, 1, verdict));
    let mut failures = 0;
    for n in 0..operations {
        let loss = [None, Some(Loss::Random), Some(Loss::Everything)][(n % 3) as usize];
        failures += u32::from(run(seed, loss, fault(n, 1, verdict)).1);
    }
    println!("{verdict:?}: each of {operations} operations, {failures} times for good");
    assert!(operations > 300 && failures > 5, "{operations} operations, some of them of the log: {failures}");
}

#[test]
fn any_operation_may_answer_with_an_io_error() {
    each_fails(1, Verdict::Fail(ErrorKind::Other));
}

#[test]
fn any_operation_may_find_no_room() {
    each_fails(2, Verdict::Fail(ErrorKind::StorageFull));
}

#[test]
fn any_write_may_be_short() {
    each_fails(3, Verdict::Half(ErrorKind::StorageFull));
    each_fails(4, Verdict::Half(ErrorKind::WriteZero));
}

#[test]
fn any_operation_may_be_interrupted() {
    each_fails(5, Verdict::Fail(ErrorKind::Interrupted));
}

#[test]
fn any_operation_may_be_done_and_yet_report_an_error() {
    each_fails(6, Verdict::DoneButFailed(ErrorKind::Other));
}

#[test]
fn a_disk_may_fail_for_good_or_for_a_while_at_any_operation() {
    let (operations, _) = run(7, None, fault(u64::MAX, 1, Verdict::Go));
    for n in 0..operations {
        let count = [u64::MAX, 3, 40][(n % 3) as usize];
        let verdict = [
            Verdict::Fail(ErrorKind::Other),
            Verdict::Fail(ErrorKind::StorageFull),
            Verdict::Half(ErrorKind::StorageFull),
        ][(n / 3 % 3) as usize];
        let loss = [None, Some(Loss::Random), Some(Loss::Everything)][(n / 9 % 3) as usize];
        run(7, loss, fault(n, count, verdict));
    }
}

/// A sync fails, the next one says that all is well, and the pages that the first should have written are gone all the
/// same. `killed`: the process dies first, and the next one still sees them.
fn failed_sync(seed: u64, n: u64, killed: bool, loss: Loss) -> bool {
    let name = format!("seed {seed}, sync {n} fails, killed: {killed}, {loss:?}");
    let mut rng = Rng::with_seed(seed);
    let disk = SimDisk::new(seed);
    let options = busy(1 + rng.usize(..3));
    let mut run = Run::default();
    disk.fail_sync_after(n);
    if let Ok(mut server) = Server::open(Arc::new(disk.clone()), &options) {
        run.work(&mut server, &mut rng, 0..140);
        run.read(&mut server, false);
    }
    let failed = disk.sync_count() > n;
    if killed {
        disk.kill();
        let mut server = run.recover(&disk, &options, &name);
        if rng.bool() {
            run.work(&mut server, &mut rng, 1000..1020);
        }
    }
    disk.power_loss_as(loss);
    run.recover(&disk, &options, &name);
    failed
}

#[test]
fn a_failed_sync_is_never_made_good_by_a_later_one() {
    for (seed, killed, loss) in [
        (8, false, Loss::Random),
        (9, false, Loss::Everything),
        (10, true, Loss::Everything),
        (11, true, Loss::Random),
        (12, true, Loss::Nothing),
    ] {
        let count = (0..).take_while(|n| failed_sync(seed, *n, killed, loss)).count();
        assert!(count > 60, "{count} syncs");
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
