//! What writers feel when flushes are behind: nothing at first, then more and more, a refusal at the very end.

use crate::harness::{Change, Op, Server, small};
use clockwise_core::{
    slot::Slot,
    storage::{Refusal, Storage},
};
use clockwise_store::{Options, SimDisk};
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
