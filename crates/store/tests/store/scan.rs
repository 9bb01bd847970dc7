//! Scans against an ordered map: whole cells and slots, in small pages, resumed behind any key, while changes,
//! flushes and merges go on.

use crate::{
    harness::{Change, Op, Server, State, random_op, small},
    tap::{Op as DiskOp, Tap, Tapped, Verdict},
};
use bytes::Bytes;
use clockwise_core::{
    limits::SLOTS,
    slot::Slot,
    storage::{LoadError, PageEnd, PageLimit, Storage},
};
use clockwise_store::{Scan, ScanRange, Scanned, SimDisk};
use fastrand::Rng;
use std::{
    collections::BTreeMap,
    io::ErrorKind,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
};

fn slot(number: u16) -> Slot {
    Slot::new(number).expect("below 16384")
}

/// All slots of a cell.
fn whole(cell: u16) -> ScanRange {
    ScanRange { first: slot(cell), last: slot(SLOTS - 16 + cell), after: None }
}

fn read(mut scan: Scan, page_bytes: usize) -> Vec<Scanned> {
    let mut found = Vec::new();
    while scan.next_page(page_bytes, &mut found).expect("no fault") {}
    found
}

type Listed = Vec<(u16, Vec<u8>, Vec<u8>)>;

fn listed(found: &[Scanned]) -> Listed {
    let entry = |it: &Scanned| (it.slot.number(), it.key.to_vec(), it.record.to_vec());
    found.iter().map(entry).collect()
}

fn expected(state: &State, range: &ScanRange) -> Listed {
    let (first, last) = (range.first.number(), range.last.number());
    let after = |key: &[u8]| range.after.as_ref().is_none_or(|after| key > after.as_ref());
    let records = state
        .records
        .iter()
        .filter(|((slot, key), _)| *slot <= last && (*slot > first || *slot == first && after(key)));
    records.map(|((slot, key), record)| (*slot, key.clone(), record.clone())).collect()
}

/// Scans every cell in some way and compares.
pub fn scan_all(server: &mut Server, states: &BTreeMap<u16, State>, rng: &mut Rng) {
    for (&cell, state) in states {
        let mut ranges = vec![whole(cell)];
        if let Some(((number, key), _)) = state.records.iter().nth(rng.usize(..state.records.len().max(1))) {
            ranges.push(ScanRange::slot(slot(*number)));
            let after = Some(Bytes::copy_from_slice(key));
            ranges.push(ScanRange { first: slot(*number), last: whole(cell).last, after });
        }
        for range in ranges {
            let scan = server.engine(range.first).scan(range.clone());
            let found = read(scan, 1 + rng.usize(..2_000));
            assert_eq!(listed(&found), expected(state, &range), "{range:?}");
        }
    }
}

#[test]
fn a_scan_shows_the_instant_of_its_beginning() {
    let mut rng = Rng::with_seed(3);
    let mut server = Server::open(Arc::new(SimDisk::new(3)), &small(2)).expect("an empty disk opens");
    let mut states: BTreeMap<u16, State> = BTreeMap::new();
    let write = |server: &mut Server, rng: &mut Rng, states: &mut BTreeMap<u16, State>, serial| {
        let op = random_op(rng, serial);
        server.apply(&op);
        states.entry(op.slot.cell()).or_default().apply(&op);
    };
    for serial in 0..2_000 {
        write(&mut server, &mut rng, &mut states, serial);
        if serial % 40 == 0 {
            let (&cell, state) = states.iter().nth(rng.usize(..states.len())).expect("something was written");
            let before = expected(state, &whole(cell));
            let mut scan = server.engine(slot(cell)).scan(whole(cell));
            let mut found = Vec::new();
            let mut more = true;
            let mut later = 10_000 * (serial + 1);
            while more {
                more = scan.next_page(500, &mut found).expect("no fault");
                for _ in 0..20 {
                    later += 1;
                    write(&mut server, &mut rng, &mut states, later);
                }
                server.commit().expect("no fault");
                server.settle();
            }
            assert_eq!(listed(&found), before);
        }
    }
}

#[test]
fn a_dropped_slot_stays_empty_through_flushes_merges_and_restarts() {
    let disk = SimDisk::new(9);
    let options = small(1);
    let mut server = Server::open(Arc::new(disk.clone()), &options).expect("an empty disk opens");
    let (kept, dropped) = (slot(0), slot(16));
    let put = |slot, number: u32, text: &str| Op {
        slot,
        changes: vec![Change::Put(format!("{number}").into_bytes(), text.as_bytes().to_vec(), 1)],
    };
    for number in 0..300 {
        server.apply(&put(kept, number, "kept"));
        server.apply(&put(dropped, number, "old"));
        if number % 60 == 0 {
            server.engine(kept).freeze_all();
            server.commit().expect("no fault");
            server.settle();
        }
    }
    // A lookup that is under way when the slot goes must not answer what is gone.
    server.apply(&Op { slot: dropped, changes: vec![Change::DropSlot, Change::Lines(b"gone".to_vec())] });
    server.apply(&put(dropped, 7, "new"));
    for round in 0..4 {
        assert_eq!(server.engine(dropped).stats().failed_jobs, 0);
        assert_eq!(clockwise_core::storage::Storage::live(server.engine(dropped), dropped), 1);
        assert_eq!(server.get(dropped, b"8").expect("no fault"), None, "round {round}");
        assert_eq!(server.get(dropped, b"7").expect("no fault").as_deref(), Some(b"new".as_slice()));
        assert_eq!(server.get(kept, b"8").expect("no fault").as_deref(), Some(b"kept".as_slice()));
        let found = read(server.engine(dropped).scan(ScanRange::slot(dropped)), 100);
        assert_eq!(listed(&found), [(16, b"7".to_vec(), b"new".to_vec())]);
        match round {
            0 => {
                server.commit().expect("no fault");
                server.settle();
            }
            1 => {
                for number in 0..2_000 {
                    server.apply(&put(kept, number % 300, "kept"));
                    server.commit().expect("no fault");
                    server.settle();
                }
                assert!(server.engine(kept).stats().compactions > 0);
            }
            _ => {
                server.commit().expect("no fault");
                disk.kill();
                server = Server::open(Arc::new(disk.clone()), &options).expect("recovers");
            }
        }
    }
}

/// Takes so many reads; all others fail.
struct Reads(AtomicI64);

impl Tap for Reads {
    fn before(&self, op: DiskOp) -> Verdict {
        let fails = op == DiskOp::Read && self.0.fetch_sub(1, Relaxed) <= 0;
        if fails { Verdict::Fail(ErrorKind::Other) } else { Verdict::Go }
    }
}

#[test]
fn a_scan_that_failed_skips_nothing_when_it_is_asked_again() {
    for read in 0..6 {
        let disk = SimDisk::new(3);
        let reads = Arc::new(Reads(AtomicI64::new(i64::MAX)));
        let tapped = Tapped::new(disk, Arc::clone(&reads) as Arc<dyn Tap>);
        let mut server = Server::open(Arc::new(tapped), &small(1)).expect("an empty disk opens");
        for table in 0..3 {
            for number in 0..200 {
                let key = format!("{:04}", 3 * number + table).into_bytes();
                server.apply(&Op { slot: slot(16), changes: vec![Change::Put(key, vec![b'v'; 300], 1)] });
            }
            server.commit().expect("no fault");
            server.engines[0].freeze_all();
            server.settle();
        }
        let mut scan = server.engines[0].scan(ScanRange::slot(slot(16)));
        reads.0.store(read, Relaxed);
        let (mut found, mut failures) = (Vec::new(), 0);
        for _ in 0..1_000 {
            match scan.next_page(2_000, &mut found) {
                Ok(true) => assert_eq!(failures, 0, "it goes nowhere after an error"),
                Ok(false) => break,
                Err(error) => {
                    assert_eq!(error, LoadError::Io);
                    failures += 1;
                    // The disk works again.
                    reads.0.store(i64::MAX, Relaxed);
                }
            }
        }
        // More reads than there are do no harm.
        assert!(failures > 1 || read > 2 && found.len() == 600, "{read} reads, {failures} failures");
        for (number, scanned) in found.iter().enumerate() {
            assert_eq!(scanned.key, format!("{number:04}"), "read {read}");
        }
    }
}

/// A slot's records by pages, each asked for with the last key of the one before.
fn paged(server: &mut Server, slot: Slot, limit: PageLimit) -> Listed {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let job = server.engine(slot).page(slot, after.take(), limit);
        server.settle();
        let mut pages = server.take_pages();
        let page = pages.pop().expect("it was asked for");
        assert!(pages.is_empty() && page.job == job && page.slot == slot);
        assert!(page.records.len() <= limit.records);
        after = page.records.last().map(|(key, _)| key.clone());
        found.extend(page.records.iter().map(|(key, record)| (slot.number(), key.to_vec(), record.to_vec())));
        if page.result == Ok(PageEnd::Done) {
            return found;
        }
        assert!(page.result == Ok(PageEnd::More) && after.is_some(), "{:?}", page.result);
    }
}

#[test]
fn pages_of_a_slot_come_as_jobs_and_go_on_behind_a_key() {
    let mut rng = Rng::with_seed(11);
    let mut server = Server::open(Arc::new(SimDisk::new(11)), &small(2)).expect("an empty disk opens");
    let mut states: BTreeMap<u16, State> = BTreeMap::new();
    for serial in 0..3_000 {
        let op = random_op(&mut rng, serial);
        server.apply(&op);
        states.entry(op.slot.cell()).or_default().apply(&op);
        if serial % 500 == 499 {
            server.settle();
        }
    }
    for (&cell, state) in &states {
        for number in (cell..SLOTS).step_by(16).take(6) {
            let slot = slot(number);
            let limit = PageLimit { records: rng.usize(1..40), bytes: rng.usize(1..4_000) };
            assert_eq!(paged(&mut server, slot, limit), expected(state, &ScanRange::slot(slot)), "{limit:?}");
        }
    }
}

#[test]
fn one_slot_of_a_large_memtable_is_read_without_closing_it() {
    let disk = SimDisk::new(6);
    let options = clockwise_store::Options { memtable_bytes: 64 << 20, ..small(1) };
    let mut server = Server::open(Arc::new(disk), &options).expect("an empty disk opens");
    let key = |number: u32| format!("{number:05}").into_bytes();
    for number in 0..9_000 {
        let change = Change::Put(key(number), "v".into(), 1);
        server.apply(&Op { slot: slot(number as u16 % 300 * 16), changes: vec![change] });
    }
    let engine = server.engine(slot(0));
    let found =
        read(engine.scan(ScanRange { after: Some(key(3_000).into()), ..ScanRange::slot(slot(64)) }), 500);
    let keys: Vec<Vec<u8>> = found.iter().map(|it| it.key.to_vec()).collect();
    assert_eq!(keys, (10..30).map(|at| key(at * 300 + 4)).collect::<Vec<_>>());
    assert_eq!(engine.stats().frozen_bytes, 0);
    // A walk over all of it would take too long.
    drop(engine.scan(whole(0)));
    assert!(engine.stats().frozen_bytes > 0);
    let closed = read(engine.scan(ScanRange::slot(slot(64))), 500);
    assert_eq!(closed.len(), 30);
}
