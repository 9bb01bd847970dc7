//! What writers write: a sequence of operations in which each is known by its serial number, so that a judge in
//! another process knows what every number of them makes.

use clockwise_core::{limits::CELLS, slot::Slot};
use fastrand::Rng;

/// Keys of each cell.
pub const KEYS: u32 = 120;

/// One `apply`: a key is written or forgotten, and the slot's lines name the operation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Work {
    pub slot: Slot,
    pub key: u32,
    /// `None`: forgotten.
    pub record: Option<Vec<u8>>,
    pub lines: Vec<u8>,
}

/// The one slot of a cell that is used.
pub fn slot(cell: u16) -> Slot {
    Slot::new(cell).expect("a cell is a slot")
}

pub fn key(number: u32) -> Vec<u8> {
    format!("key-{number}").into_bytes()
}

/// The operation of this number, from 1.
pub fn work(serial: u64) -> Work {
    let mut rng = Rng::with_seed(serial);
    let slot = slot(rng.u16(..CELLS));
    let key = rng.u32(..KEYS);
    let record = (rng.u32(..10) > 0).then(|| {
        let mut record = format!("{serial} ").into_bytes();
        let filler = if rng.u32(..50) == 0 { 20_000 } else { rng.usize(20..1_000) };
        record.resize(filler, b'a' + (serial % 26) as u8);
        record
    });
    Work { slot, key, record, lines: serial.to_string().into_bytes() }
}
