//! What writers feel when flushes are behind: nothing at first, then more and more, a refusal at the very end.

use crate::harness::{Change, Op, Server, small};
use clockwise_core::{
    slot::Slot,
    storage::{Refusal, Storage},
};
use clockwise_store::{Lane, Options, SimDisk};
use std::sync::Arc;

#[test]
fn a_backlog_is_felt_smoothly() {
    let options = Options { memtable_bytes: 1 << 20, ..small(1) };
    let mut server = Server::open(Arc::new(SimDisk::new(1)), &options).expect("an empty disk opens");
    let (mut last, mut felt) = (0, 0);
    let mut number = 0u32;
    // No job runs.
    while server.engines[0].admits().is_ok() {
        number += 1;
        let slot = Slot::new((number % 16_384) as u16).expect("below 16384");
        let changes = vec![Change::Put(number.to_be_bytes().to_vec(), vec![7; 200], 1)];
        server.apply(&Op { slot, changes });
        server.append();
        let pressure = server.engines[0].pressure();
        assert!((last..last + 5).contains(&pressure), "{last} then {pressure} after {number} puts");
        felt += u32::from(pressure > 0);
        last = pressure;
    }
    assert_eq!(server.engines[0].admits(), Err(Refusal::Backlog));
    assert!(last > 990 && felt > number / 4, "{last}, felt by {felt} of {number}");
    server.commit().expect("no fault");
    server.settle();
    assert_eq!(server.engines[0].pressure(), 0);
    assert_eq!(server.engines[0].admits(), Ok(()));
}

#[test]
fn memory_is_counted_until_it_is_given_back() {
    const ENTRIES: u32 = 5_000;
    let options = Options { memtable_bytes: 1 << 20, ..small(1) };
    let mut server = Server::open(Arc::new(SimDisk::new(1)), &options).expect("an empty disk opens");
    let slot = Slot::new(3).expect("below 16384");
    for number in 0..ENTRIES {
        let changes = vec![Change::Put(number.to_be_bytes().to_vec(), vec![7; 60], 1)];
        server.apply(&Op { slot, changes });
        if number + 1 == ENTRIES / 2 {
            server.commit().expect("no fault");
            server.engines[0].freeze_all();
        }
    }
    server.commit().expect("no fault");
    server.engines[0].freeze_all();
    let closed = server.engines[0].stats().frozen_bytes;
    // Everything runs but the lane that gives memory back.
    let (mut jobs, mut free, mut loaded) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        server.engines[0].take_jobs(&mut jobs);
        free.extend(jobs.extract_if(.., |job| job.kind().lane() == Lane::Free));
        let Some(job) = jobs.pop() else { break };
        server.engines[0].on_job_done(job.run(&*server.disk), &mut loaded);
    }
    let stats = server.engines[0].stats();
    assert_eq!((stats.backlog, stats.frozen_bytes), (0, closed), "in tables, and still in memory");
    // It is given back a piece at a time, one memtable after the other, and felt at once.
    let (mut pieces, mut left) = (0, closed);
    while let Some(job) = free.pop() {
        assert!(free.is_empty(), "one at a time");
        let pressure = server.engines[0].pressure();
        server.engines[0].on_job_done(job.run(&*server.disk), &mut loaded);
        let now = server.engines[0].stats().frozen_bytes;
        assert!(now < left && left - now < 1_100 * 200, "{left} then {now}");
        assert!(server.engines[0].pressure() <= pressure);
        (pieces, left) = (pieces + 1, now);
        server.engines[0].take_jobs(&mut free);
    }
    assert!(pieces >= 6 && left == 0, "{pieces} pieces, {left} bytes left");
}
