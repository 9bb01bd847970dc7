//! Opens what a process left and compares it with what it was told: each cell shows all that was acknowledged, and the
//! state after some number of its operations, exactly.

use crate::{
    patiently,
    work::{KEYS, key, slot, work},
    writer::options,
};
use clockwise_core::{
    limits::CELLS,
    storage::{Lookup, Storage},
};
use clockwise_store::{Disk, Opened, RealDisk, check::check, open};
use std::{collections::BTreeMap, path::Path, sync::Arc};

/// What is known of one cell.
#[derive(Clone, Default)]
struct Cell {
    /// The last operation that it shows.
    last: u64,
    records: BTreeMap<u32, Vec<u8>>,
}

pub struct Judge {
    cells: Vec<Cell>,
    next: u64,
    acknowledged: u64,
    rounds: u64,
    /// Operations that were there although nobody had been told so.
    unacknowledged: u64,
    torn: u64,
}

impl Judge {
    pub fn new(seed: u64) -> Judge {
        let cells = vec![Cell::default(); usize::from(CELLS)];
        let next = 1 + (seed << 40);
        Judge { cells, next, acknowledged: 0, rounds: 0, unacknowledged: 0, torn: 0 }
    }

    /// No writer has used this number or a higher one.
    pub fn next_serial(&self) -> u64 {
        self.next
    }

    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    pub fn summary(&self) -> String {
        format!(
            "{} acknowledged operations, {} more that nobody had been told of, {} torn tails",
            self.acknowledged, self.unacknowledged, self.torn
        )
    }

    /// Looks at the folder after a writer that was told that everything up to `told` is synced.
    pub fn judge(&mut self, folder: &Path, told: u64) {
        self.rounds += 1;
        let still = patiently(|| RealDisk::open_to_read(folder));
        let report = check(&still).expect("the disk answers");
        drop(still);
        assert!(report.is_good(), "round {}: {report:?}", self.rounds);
        let disk: Arc<dyn Disk> = Arc::new(patiently(|| RealDisk::open(folder)));
        let Opened { mut engines, report, .. } = open(Arc::clone(&disk), options(1)).expect("it opens");
        assert!(report.damaged_slots.is_empty(), "round {}: {report:?}", self.rounds);
        self.torn += u64::from(report.torn_bytes > 0);
        let engine = &mut engines[0];
        let mut highest = told;
        for cell in 0..CELLS {
            let shown = engine.lines(slot(cell)).map_or(0, |lines| {
                String::from_utf8_lossy(&lines).parse::<u64>().expect("lines are serial numbers")
            });
            self.check_cell(cell, shown, told);
            highest = highest.max(shown);
            for number in 0..KEYS {
                let stored = key(number);
                let found = match engine.get(slot(cell), &stored) {
                    Lookup::Hit(found) => Some(found.record),
                    Lookup::Miss(_) => None,
                    Lookup::Job(_) => load(engine, &*disk),
                };
                let expected = self.cells[usize::from(cell)].records.get(&number);
                assert_eq!(
                    found.as_deref(),
                    expected.map(Vec::as_slice),
                    "round {}, cell {cell}, key {number}, which shows operation {shown}; {told} was acknowledged",
                    self.rounds
                );
            }
        }
        self.acknowledged += told + 1 - self.next;
        self.unacknowledged += highest - told;
        // Nobody knows how far the writer came beyond what it said: numbers are not used again.
        self.next = highest + 1_000_000;
    }

    /// Brings what is expected of a cell up to the operation that it shows.
    fn check_cell(&mut self, cell: u16, shown: u64, told: u64) {
        let known = &mut self.cells[usize::from(cell)];
        assert!(shown >= known.last, "round {}, cell {cell}: went back to {shown}", self.rounds);
        let until = shown.max(told);
        let mut seen = known.last;
        for serial in self.next..=until {
            let work = work(serial);
            if work.slot.cell() != cell {
                continue;
            }
            if serial > shown {
                panic!(
                    "round {}, cell {cell}: shows operation {shown}, but {serial} was acknowledged (up to {told})",
                    self.rounds
                );
            }
            seen = serial;
            match work.record {
                Some(record) => known.records.insert(work.key, record),
                None => known.records.remove(&work.key),
            };
        }
        assert_eq!(seen, shown, "round {}, cell {cell}: shows an operation that it never had", self.rounds);
        known.last = shown;
    }
}

/// Runs jobs until the lookup that is under way is answered.
fn load(engine: &mut clockwise_store::Engine, disk: &dyn Disk) -> Option<bytes::Bytes> {
    let (mut jobs, mut loaded) = (Vec::new(), Vec::new());
    while loaded.is_empty() {
        engine.take_jobs(&mut jobs);
        for job in jobs.drain(..) {
            engine.on_job_done(job.run(disk), &mut loaded);
        }
    }
    let answer = loaded.swap_remove(0).into_record().expect("a lookup was asked for");
    let answer = answer.result.expect("nothing is damaged");
    answer.map(|found| found.record)
}
