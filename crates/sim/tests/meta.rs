//! The simulator before anything else: the same seed gives the same bytes, another seed gives others.

use clockwise_core::canary::Canary;
use clockwise_sim::{Mix, Options, StoreKind, run};
use std::collections::BTreeSet;

fn hash(mix: Mix, seed: u64, store: StoreKind, trace: bool) -> u64 {
    run(Options { mix, seed, canary: Canary::None, store, trace }).hash
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    for mix in Mix::ALL {
        for store in [StoreKind::Files, StoreKind::Memory] {
            let first = hash(mix, 7, store, false);
            assert_eq!(first, hash(mix, 7, store, false), "{mix:?} on {store:?}");
        }
    }
}

#[test]
fn watching_changes_nothing() {
    assert_eq!(
        hash(Mix::Everything, 11, StoreKind::Files, false),
        hash(Mix::Everything, 11, StoreKind::Files, true)
    );
}

#[test]
fn another_seed_gives_other_bytes() {
    let hashes: BTreeSet<u64> =
        (1..=8).map(|seed| hash(Mix::Everything, seed, StoreKind::Files, false)).collect();
    assert_eq!(hashes.len(), 8);
}
