//! The ring's promises about load and movement, measured. `docs/ring.md` shows the whole table.

#[path = "ring/measure.rs"]
mod measure;

use clockwise_core::slot::Slot;
use measure::{Seed, Shape, highest, lowest, mean, measure};
use std::collections::BTreeSet;

/// Mean of the most loaded server, up to 30 servers and above.
const MEAN: [f64; 2] = [1.15, 1.18];
/// Most loaded server of any seed.
const WORST: f64 = 1.25;
/// Least loaded server of any seed: no server stands idle.
const LEAST: f64 = 0.7;
/// Mean movement of a join or a leave.
const MOVEMENT: core::ops::RangeInclusive<f64> = 0.85..=1.15;

fn check(shape: Shape, seeds: u64) {
    let seeds: Vec<Seed> = (0..seeds).map(|seed| measure(shape, seed)).collect();
    // Held against what a perfect ring gives. This differs from the ideal for mixed weights in one data centre
    // only (a factor of 1.25 for 6 servers, 1.09 for 12, 1.03 for 30, 1.01 for 99): see `measure`.
    let possible = |seed: &Seed| seed.most_of_possible;
    let limit = MEAN[usize::from(shape.members > 30)];
    assert!(mean(&seeds, possible) <= limit, "{shape:?}: mean load {}", mean(&seeds, possible));
    assert!(highest(&seeds, possible) <= WORST, "{shape:?}: worst load {}", highest(&seeds, possible));
    if !shape.mixed || shape.dcs > 1 || shape.members >= 12 {
        // Where the structure leaves room, the ideal itself is the measure.
        assert!(mean(&seeds, |seed| seed.most) <= limit, "{shape:?}: {}", mean(&seeds, |seed| seed.most));
        assert!(highest(&seeds, |seed| seed.most) <= WORST, "{shape:?}");
    }
    assert!(lowest(&seeds, |seed| seed.least) >= LEAST, "{shape:?}: least loaded");
    for moved in [mean(&seeds, |seed| seed.join), mean(&seeds, |seed| seed.leave)] {
        assert!(MOVEMENT.contains(&moved), "{shape:?}: movement {moved}");
    }
    assert_eq!(
        seeds.iter().map(|seed| seed.changed).max(),
        Some(1),
        "{shape:?}: replicas changed in one slot"
    );
}

fn check_size(members: u32, seeds: u64) {
    Shape::all().into_iter().filter(|shape| shape.members == members).for_each(|shape| check(shape, seeds));
}

#[test]
fn load_and_movement_of_3_servers() {
    check_size(3, 10);
}

#[test]
fn load_and_movement_of_6_servers() {
    check_size(6, 10);
}

#[test]
fn load_and_movement_of_12_servers() {
    check_size(12, 10);
}

#[test]
fn load_and_movement_of_30_servers() {
    check_size(30, 10);
}

#[test]
fn load_and_movement_of_99_servers() {
    check_size(99, 10);
}

#[test]
fn replicas_are_distinct_and_in_distinct_data_centres() {
    for shape in Shape::all() {
        let layout = shape.layout(0);
        for slot in Slot::all() {
            let owners = layout.owners(slot);
            let servers: BTreeSet<_> = owners.iter().collect();
            let dcs: BTreeSet<_> = owners.iter().map(|&owner| &layout.member(owner).unwrap().dc).collect();
            assert_eq!((owners.len(), servers.len()), (3, 3), "{shape:?} {slot:?}");
            assert_eq!(dcs.len(), shape.dcs as usize, "{shape:?} {slot:?}");
        }
    }
}
