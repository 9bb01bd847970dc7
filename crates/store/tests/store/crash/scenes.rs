//! What searches have found, each as a run of its own.

use crate::harness::{Change, History, Op, Server, dump, key, small};
use clockwise_store::{SimDisk, disk::Loss};
use fastrand::Rng;
use std::sync::Arc;

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
