//! Power losses after every change of recorded runs, with every kind of loss, and again while recovery runs. Always:
//! what was acknowledged as synced is there, nothing that was not written appears, each cell shows a prefix of its
//! operations, a power loss never looks like damage, and recovering again gives the same.
//!
//! `CLOCKWISE_RECOVERIES=10000000 cargo test --release -p clockwise-store crash -- --nocapture` runs longer.

mod life;
mod scenes;

use crate::harness::small;
use clockwise_core::canary::Canary;
use clockwise_store::{Compression, Options, SimDisk, disk::Loss};
use fastrand::Rng;
use life::{Life, Past};

/// Recoveries of one test, unless more are asked for.
const RECOVERIES: u64 = 34_000;

/// What a search did.
#[derive(Clone, Copy, Default, Debug)]
struct Count {
    /// Recoveries that ran to their end and were checked.
    recoveries: u64,
    /// Recoveries that were cut off.
    cut: u64,
    /// Changes of recorded runs, each of which was cut after.
    changes: u64,
    runs: u64,
    flushes: u64,
    merges: u64,
    /// Log segments that were begun in the file of an older one.
    recycled: u64,
}

struct Search {
    options: Options,
    rng: Rng,
    count: Count,
}

impl Search {
    fn new(seed: u64, shards: usize, canary: Canary) -> Search {
        let options = Options {
            canary,
            // With small segments the log turns over many times, in recycled files.
            segment_bytes: if seed.is_multiple_of(3) { 32 << 10 } else { 16 << 10 },
            memtable_bytes: if seed.is_multiple_of(2) { 24 << 10 } else { 12 << 10 },
            log_bytes: 16 << 10,
            compression: if seed.is_multiple_of(5) { Compression::None } else { Compression::Lz4 },
            ..small(shards)
        };
        Search { options, rng: Rng::with_seed(seed), count: Count::default() }
    }

    /// Three lives, one on top of the other, each cut after every change (the first ones are recovery's own).
    fn run(&mut self, operations: u64) -> Result<(), String> {
        let mut disk = SimDisk::new(self.rng.u64(..));
        let mut past = Past::default();
        for generation in 0..3 {
            let options = Options { shards: 1 + self.rng.usize(..3), ..self.options.clone() };
            let life = Life::live(&disk.snapshot(0), &past, &options, operations, &mut self.rng);
            for cut in 0..=life.changes() {
                self.cut(&life, cut).map_err(|error| format!("life {generation}, {error}"))?;
            }
            self.count.changes += life.changes() as u64;
            self.count.flushes += life.flushes;
            self.count.merges += life.merges;
            self.count.recycled += life.recycled;
            let cut = self.rng.usize(life.changes() / 2..life.changes());
            disk = life.disk_after(cut, self.rng.u64(..));
            self.lose(&disk, Loss::Random);
            let before = disk.snapshot(0);
            let recovered = life.recover(cut, &before, &options)?;
            past = life.past(cut, &recovered.lengths);
        }
        self.count.runs += 1;
        Ok(())
    }

    fn lose(&mut self, disk: &SimDisk, loss: Loss) {
        if self.rng.u32(..8) == 0 { disk.kill() } else { disk.power_loss_as(loss) }
    }

    /// The power goes after this many changes.
    fn cut(&mut self, life: &Life, cut: usize) -> Result<(), String> {
        for loss in Loss::ALL {
            let seed = self.rng.u64(..);
            let disk = life.disk_after(cut, seed);
            self.lose(&disk, loss);
            let say =
                |error| format!("cut after {cut} of {}, {loss:?}, disk {seed}: {error}", life.changes());
            if self.rng.u32(..240) == 0 {
                self.cut_in_recovery(life, cut, &disk, 3).map_err(say)?;
            }
            self.check(life, cut, &disk).map_err(say)?;
        }
        Ok(())
    }

    /// Recovers twice; nothing of what was recovered depends on anything that is not synced.
    fn check(&mut self, life: &Life, cut: usize, disk: &SimDisk) -> Result<(), String> {
        let options = Options { shards: 1 + self.rng.usize(..3), ..self.options.clone() };
        let first = life.recover(cut, disk, &options)?;
        disk.power_loss_as(if self.rng.bool() { Loss::Everything } else { Loss::Garbage });
        let second = life.recover(cut, disk, &options)?;
        self.count.recoveries += 2;
        if first.states == second.states { Ok(()) } else { Err("recovery is not idempotent".to_owned()) }
    }

    /// The power goes again after each change that recovery makes; `depth` times, the deeper ones at random.
    fn cut_in_recovery(&mut self, life: &Life, cut: usize, disk: &SimDisk, depth: u32) -> Result<(), String> {
        let whole = disk.snapshot(0);
        life.recover(cut, &whole, &self.options)?;
        self.count.recoveries += 1;
        // What is behind the opening itself is background work.
        let changes = whole.mutation_count();
        let every = if depth == 3 { 1 } else { 1 + changes / 3 };
        let mut at = self.rng.u64(..every);
        while at < changes {
            let seed = self.rng.u64(..);
            let again = disk.snapshot(seed);
            again.halt_after(at);
            drop(clockwise_store::open(std::sync::Arc::new(again.clone()), self.options.clone()));
            self.count.cut += 1;
            let loss = Loss::ALL[self.rng.usize(..Loss::ALL.len())];
            self.lose(&again, loss);
            let say =
                |error| format!("recovery cut after {at} ({depth} more), {loss:?}, disk {seed}: {error}");
            if depth > 1 && self.rng.u32(..4) == 0 {
                self.cut_in_recovery(life, cut, &again, depth - 1).map_err(say)?;
            }
            self.check(life, cut, &again).map_err(say)?;
            at += every;
        }
        Ok(())
    }
}

/// How many recoveries each test is to make.
fn wanted() -> u64 {
    std::env::var("CLOCKWISE_RECOVERIES").ok().and_then(|count| count.parse().ok()).unwrap_or(RECOVERIES)
}

/// Searches with seeds from this one on until there were enough recoveries.
fn search(name: &str, first_seed: u64) {
    let mut total = Count::default();
    for seed in first_seed.. {
        let mut search = Search::new(seed, 1, Canary::None);
        search.run(120).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        total.recoveries += search.count.recoveries;
        total.cut += search.count.cut;
        total.changes += search.count.changes;
        total.runs += search.count.runs;
        total.flushes += search.count.flushes;
        total.merges += search.count.merges;
        total.recycled += search.count.recycled;
        if total.recoveries >= wanted() {
            break;
        }
    }
    println!("{name}: {total:?}");
    assert!(total.cut > total.recoveries / 20 && total.changes > total.runs * 300, "{total:?}");
    assert!(total.flushes > 10 && total.merges > 0 && (total.recycled > 0 || total.runs < 3), "{total:?}");
}

// Six tests, so that they run side by side.

#[test]
fn a_power_loss_after_any_change_keeps_what_was_synced_1() {
    search("crash 1", 1_000_000);
}

#[test]
fn a_power_loss_after_any_change_keeps_what_was_synced_2() {
    search("crash 2", 2_000_000);
}

#[test]
fn a_power_loss_after_any_change_keeps_what_was_synced_3() {
    search("crash 3", 3_000_000);
}

#[test]
fn a_power_loss_after_any_change_keeps_what_was_synced_4() {
    search("crash 4", 4_000_000);
}

#[test]
fn a_power_loss_after_any_change_keeps_what_was_synced_5() {
    search("crash 5", 5_000_000);
}

#[test]
fn a_power_loss_after_any_change_keeps_what_was_synced_6() {
    search("crash 6", 6_000_000);
}

#[test]
fn the_canary_that_accepts_a_torn_tail_is_caught() {
    let caught = (30..34).filter(|&seed| Search::new(seed, 1, Canary::TornTailAccepted).run(60).is_err());
    assert_eq!(caught.count(), 4, "every seed catches it");
}
