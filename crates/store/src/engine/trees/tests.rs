//! Rows and lists against plain lists.

use super::*;

/// A change of one slot's sums: few names and values, so that sums vanish and come back.
fn delta(rng: &mut fastrand::Rng) -> Sum {
    let name = match rng.u8(..5) {
        0 => {
            let depth = rng.u8(4..7);
            (1 << depth) + rng.u64(..1 << depth)
        }
        1 => (1 << 20) + rng.u64(..6),
        _ => rng.u64(16..32),
    };
    Sum { name, value: [1, u128::MAX, 0, 2][rng.usize(..4)] }
}

fn leaves(rng: &mut fastrand::Rng) -> Vec<Sum> {
    let depth = rng.u32(4..6);
    let most = rng.u64(..=1 << depth);
    (0..most).map(|at| Sum { name: (1 << depth) + at, value: 2 }).collect()
}

#[test]
fn rows_and_lists_are_what_plain_lists_are() {
    let mut rng = fastrand::Rng::with_seed(7);
    let (mut many, mut few) = (0, 0);
    for _ in 0..200 {
        let mut trees = Trees::new();
        let mut plain = vec![Some(Vec::new()); 3];
        for _ in 0..300 {
            let place = rng.usize(..3);
            match rng.u8(..100) {
                0 => plain[place] = None,
                1..4 => plain[place] = Some(leaves(&mut rng)),
                _ => {
                    let delta = delta(&mut rng);
                    trees.add(place, &[delta]);
                    if let Some(list) = &mut plain[place] {
                        tree::add(list, delta);
                    }
                    assert_eq!(trees.get(place), plain[place].as_deref());
                }
            }
            if trees.get(place) != plain[place].as_deref() {
                trees.set(place, plain[place].as_deref());
            }
            *(if trees.many.iter().all(Vec::is_empty) { &mut few } else { &mut many }) += 1;
            assert_eq!(trees.depth(place), plain[place].as_deref().map(tree::depth));
            assert_eq!(trees.shared(place).as_deref(), plain[place].as_deref());
        }
    }
    assert!(many > 1_000 && few > 1_000, "{many} with a list of their own, {few} without");
}
