//! Power losses after every change of recorded runs. Always: what was acknowledged as synced is there, nothing
//! that was not written appears, each cell shows a prefix of its operations, and recovering again (also after
//! a crash in the middle of recovery) gives the same.

use crate::harness::{Change, History, Op, Server, dump, key, random_op, small};
use clockwise_core::{canary::Canary, storage::Storage};
use clockwise_store::{Options, SimDisk, disk::Loss};
use fastrand::Rng;
use std::sync::Arc;

/// Works until the power is out (or for so many operations), acknowledging what the log reports as synced.
fn work(server: &mut Server, history: &mut History, rng: &mut Rng, operations: u64, serial: &mut u64) {
    for _ in 0..operations {
        let op = random_op(rng, *serial);
        *serial += 1;
        if server.engine(op.slot).admits().is_err() {
            return;
        }
        server.apply(&op);
        history.push(op);
        match rng.u32(..10) {
            // Periodic durability writes without a sync.
            0 | 1 => {
                server.append();
                if server.log.write().is_err() {
                    return;
                }
            }
            2..4 => {
                if server.commit().is_err() {
                    return;
                }
                history.acknowledge_all();
            }
            4..8 => {
                server.step(rng);
            }
            8 if rng.u32(..8) == 0 => {
                // Many small tables, so that they are merged.
                server.engines.iter_mut().for_each(|engine| engine.freeze_all());
                server.step(rng);
            }
            _ => {
                for _ in 0..rng.usize(..8) {
                    server.step(rng);
                }
            }
        }
    }
}

struct Plan {
    seed: u64,
    cut_after: u64,
    /// Cuts during this many recoveries before one is let through.
    cuts_in_recovery: u32,
    loss: Loss,
    canary: Canary,
}

/// One run with a cut, and what recovery makes of it.
fn crash(plan: &Plan) -> Result<u64, String> {
    let mut rng = Rng::with_seed(plan.seed);
    let disk = SimDisk::new(plan.seed ^ plan.cut_after << 20);
    // With small segments the log turns over many times, in recycled files.
    let segment_bytes = if plan.seed.is_multiple_of(2) { 32 << 10 } else { 16 << 10 };
    let options = Options { canary: plan.canary, segment_bytes, ..small(1 + rng.usize(..3)) };
    let mut history = History::default();
    let mut serial = 0;
    disk.halt_after(plan.cut_after);
    if let Ok(mut server) = Server::open(Arc::new(disk.clone()), &options) {
        work(&mut server, &mut history, &mut rng, 220, &mut serial);
    }
    let mutations = disk.mutation_count();
    // A second life on what the first left, with a clean cut at a random point.
    for life in 0..2 {
        lose(&disk, plan.loss, &mut rng);
        for _ in 0..plan.cuts_in_recovery {
            disk.halt_after(rng.u64(..60));
            let recovered = Server::open(Arc::new(disk.clone()), &options);
            drop(recovered);
            lose(&disk, plan.loss, &mut rng);
        }
        let mut server = Server::open(Arc::new(disk.clone()), &options).map_err(|error| error.to_string())?;
        if !server.report.damaged_slots.is_empty() {
            return Err(format!("a power loss looks like damage: {:?}", server.report));
        }
        let files = disk.paths().iter().filter(|path| path.ends_with(".sst")).count() as u64;
        let tables: u64 = server.engines.iter().map(|engine| engine.stats().tables).sum();
        if files != tables {
            return Err(format!("{files} files for {tables} tables"));
        }
        let found = dump(&mut server).map_err(|error| format!("{error:?}"))?;
        history.matches(&found)?;
        drop(server);
        // Everything recovered is durable by now, and recovering changes nothing.
        disk.power_loss_as(Loss::Everything);
        let mut server = Server::open(Arc::new(disk.clone()), &options).map_err(|error| error.to_string())?;
        let again = dump(&mut server).map_err(|error| format!("{error:?}"))?;
        if again != found {
            return Err("recovery is not idempotent".to_owned());
        }
        if life == 0 {
            disk.halt_after(rng.u64(1..200));
            work(&mut server, &mut history, &mut rng, 120, &mut serial);
        }
    }
    Ok(mutations)
}

fn lose(disk: &SimDisk, loss: Loss, rng: &mut Rng) {
    if rng.u32(..6) == 0 { disk.kill() } else { disk.power_loss_as(loss) }
}

/// Cuts a recorded run after every `step`-th change.
fn cut_everywhere(
    seed: u64,
    step: u64,
    loss: Loss,
    cuts_in_recovery: u32,
    canary: Canary,
) -> Result<u64, String> {
    let whole = Plan { seed, cut_after: u64::MAX >> 1, cuts_in_recovery: 0, loss, canary };
    let mutations = crash(&whole)?;
    assert!(mutations > 100, "the run has {mutations} changes");
    let mut runs = 0;
    for cut_after in (seed % step..mutations).step_by(step as usize) {
        crash(&Plan { seed, cut_after, cuts_in_recovery, loss, canary })
            .map_err(|error| format!("seed {seed}, cut after {cut_after}, {loss:?}: {error}"))?;
        runs += 1;
    }
    Ok(runs)
}

#[test]
fn a_power_loss_after_any_change_keeps_what_was_synced() {
    for seed in 0..2 {
        cut_everywhere(seed, 1, Loss::Random, 0, Canary::None).expect("nothing is lost");
    }
    for (seed, loss) in [(10, Loss::Everything), (11, Loss::Nothing)] {
        cut_everywhere(seed, 2, loss, 0, Canary::None).expect("nothing is lost");
    }
}

/// `CLOCKWISE_SEEDS=100 cargo test --release -p clockwise-store crash` for a long run.
#[test]
fn more_seeds_when_asked_for() {
    let asked = std::env::var("CLOCKWISE_SEEDS").ok().and_then(|count| count.parse().ok()).unwrap_or(0);
    let mut recoveries = 0;
    for seed in 1000..1000 + asked {
        let loss = [Loss::Random, Loss::Random, Loss::Everything, Loss::Nothing][(seed % 4) as usize];
        let cuts = (seed % 3) as u32;
        let runs = cut_everywhere(seed, 1, loss, cuts, Canary::None).expect("nothing is lost");
        recoveries += runs * u64::from(4 + 2 * cuts);
    }
    println!("{asked} seeds, {recoveries} recoveries");
}

#[test]
fn crashes_during_recovery_change_nothing() {
    for (seed, loss) in [(20, Loss::Random), (21, Loss::Random), (22, Loss::Everything)] {
        cut_everywhere(seed, 3, loss, 1 + (seed % 3) as u32, Canary::None).expect("nothing is lost");
    }
}

/// Found by seed 1037: a process dies between the rename of a manifest and the sync of its folder; recovery
/// believes the new manifest, removes the tables that it does not list, and loses power before its own sync.
#[test]
fn a_manifest_that_was_renamed_but_not_synced_is_made_durable_before_it_is_believed() {
    let disk = SimDisk::new(1);
    let options = small(1);
    let mut history = History::default();
    let mut server = Server::open(Arc::new(disk.clone()), &options).expect("an empty disk opens");
    for serial in 0..4 {
        // Four tables of one cell, so that the next step merges them.
        let changes = vec![Change::Put(format!("more-{serial}").into_bytes(), vec![b'v'; 200], 1)];
        let op = Op { slot: key(0).0, changes };
        server.apply(&op);
        history.push(op);
        server.commit().expect("no fault");
        server.engines[0].freeze_all();
        if serial < 3 {
            server.settle();
        }
    }
    history.acknowledge_all();
    drop(server);
    let mut rng = Rng::with_seed(1);
    for (cut, cut_in_recovery) in (8..40).flat_map(|cut| (0..12).map(move |again| (cut, again))) {
        for loss in [Loss::Everything, Loss::Random, Loss::Random] {
            let fork = disk.fork(rng.u64(..));
            let mut server = Server::open(Arc::new(fork.clone()), &options).expect("sound");
            server.engines[0].freeze_all();
            fork.halt_after(cut);
            server.settle();
            fork.kill();
            fork.halt_after(cut_in_recovery);
            drop(Server::open(Arc::new(fork.clone()), &options));
            fork.power_loss_as(loss);
            let mut server = Server::open(Arc::new(fork), &options).expect("recovers");
            assert!(
                server.report.damaged_slots.is_empty(),
                "cuts after {cut} and {cut_in_recovery}, {loss:?}"
            );
            history.clone().matches(&dump(&mut server).expect("readable")).expect("nothing is lost");
        }
    }
}

#[test]
fn the_canary_that_accepts_a_torn_tail_is_caught() {
    let caught =
        (30..36).filter(|&seed| cut_everywhere(seed, 2, Loss::Random, 0, Canary::TornTailAccepted).is_err());
    assert!(caught.count() >= 3, "most seeds catch it");
}
