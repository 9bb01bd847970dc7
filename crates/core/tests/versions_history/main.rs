//! Random histories of one key against a causal-history oracle.
//!
//! Replicas write (blind, over any token ever given out, plain, with deletes and expiries), receive any write or
//! record that ever existed at any time, crash back to any earlier state, are wiped, hand over, free expired bytes
//! and collect. After every step each record must be the function of its ghost: the set of writes that it stands
//! for. The oracle knows neither ranges nor joins.

mod history;
mod oracle;
mod steps;

use history::World;

fn run(seeds: std::ops::Range<u64>, replicas: u32, steps: usize) {
    for seed in seeds {
        println!("replay: run({seed}..{}, {replicas}, {steps})", seed + 1);
        let mut world = World::new(seed, replicas);
        for _ in 0..steps {
            world.step();
        }
        world.check_laws();
    }
}

#[test]
fn two_replicas() {
    run(0..1_500, 2, 80);
}

#[test]
fn three_replicas() {
    run(10_000..11_500, 3, 80);
}

#[test]
fn many_short_histories_of_three() {
    run(20_000..30_000, 3, 12);
}
