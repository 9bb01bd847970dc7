//! Random steps of rounds.

use super::{hlc, member, number, slot};
use clockwise_core::{collect::Step, exchange::Lines, slot::Slot};
use fastrand::Rng;

pub fn rounds(rng: &mut Rng) -> Vec<(Slot, Step)> {
    (0..rng.usize(..6)).map(|_| (slot(rng), step(rng))).collect()
}

fn step(rng: &mut Rng) -> Step {
    let (round, incarnation) = (number(rng), rng.u32(..));
    let lines = Lines { refuse: hlc(rng), collect: hlc(rng) };
    let root = rng.bool().then(|| rng.u128(..));
    match rng.u8(..8) {
        0 => Step::Ask { round },
        1 => Step::Floor { round, incarnation, floor: rng.bool().then(|| hlc(rng)) },
        2 => {
            let lives = (0..rng.usize(..4)).map(|_| (member(rng), rng.u32(..))).collect();
            Step::Pull { round, upto: lines.refuse, collect: lines.collect, lives }
        }
        3 => Step::Pulled { round, incarnation, lines, root },
        4 => Step::Push { round, lines, root },
        5 => Step::Confirm { round, incarnation },
        6 => Step::Void { round },
        _ => Step::Fact { lines },
    }
}
