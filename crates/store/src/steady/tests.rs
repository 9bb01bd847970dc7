//! Against an ordered map, with the size going up and down, and how much one change moves.

use super::{MEAN, SteadyTable};
use std::{cell::Cell, collections::BTreeMap};

fn hash(key: u64) -> u64 {
    (key ^ key >> 29).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(21).wrapping_mul(0xD6E8_FEB8_6659_FD93)
}

fn hash_of(entry: &(u64, u64)) -> u64 {
    hash(entry.0)
}

/// The memory of its parts, counted anew.
fn allocated(table: &SteadyTable<(u64, u64)>) -> usize {
    table.parts.iter().map(hashbrown::HashTable::allocation_size).sum()
}

#[test]
fn says_what_an_ordered_map_says() {
    let mut rng = fastrand::Rng::with_seed(1);
    let (mut table, mut map) = (SteadyTable::new(), BTreeMap::new());
    for phase in 0..12 {
        // Sizes from a handful to some tens of parts.
        let (keys, removals) = ([50, 3_000, 60_000][phase % 3], [1, 3, 8][phase / 4]);
        for step in 0..40_000u64 {
            let key = rng.u64(..keys);
            if rng.u32(..10) < removals {
                let gone = table.remove(hash(key), |entry| entry.0 == key, hash_of);
                assert_eq!(gone, map.remove(&key).map(|value| (key, value)));
            } else if let Some(entry) = table.find_mut(hash(key), |entry| entry.0 == key) {
                entry.1 = step;
                assert!(map.insert(key, step).is_some());
            } else {
                table.insert_unique(hash(key), (key, step), hash_of);
                assert!(map.insert(key, step).is_none());
            }
        }
        assert_eq!(table.len(), map.len());
        assert_eq!(table.allocated, allocated(&table));
        let mut all: Vec<_> = table.iter().copied().collect();
        all.sort_unstable();
        assert!(all.iter().copied().eq(map.iter().map(|(&key, &value)| (key, value))));
        let find = |key| table.find(hash(key), |entry| entry.0 == key).map(|entry| entry.1);
        assert!((0..60_000).all(|key| find(key) == map.get(&key).copied()));
        if phase % 4 == 3 {
            table.retain(|entry| entry.0 % 3 == 0);
            map.retain(|key, _| key % 3 == 0);
        }
    }
    for key in 0..60_000 {
        table.remove(hash(key), |entry| entry.0 == key, hash_of);
    }
    assert_eq!((table.len(), table.allocation_bytes()), (0, 0), "memory is given back");
}

#[test]
fn no_change_moves_many_entries() {
    let moved = Cell::new(0);
    let counted = |entry: &(u64, u64)| {
        moved.set(moved.get() + 1);
        hash_of(entry)
    };
    let mut table = SteadyTable::new();
    let (mut most, mut all, mut fullness, mut looks) = (0, 0, 0.0, 0);
    for key in 0..500_000 {
        moved.set(0);
        table.insert_unique(hash(key), (key, 0), counted);
        (most, all) = (moved.get().max(most), all + moved.get());
        if key > 50_000 && key % 5_000 == 0 {
            let full = table.len() as f64 * 17.0 / table.allocation_bytes() as f64;
            assert!(full > 0.42, "{full} at {key}");
            (fullness, looks) = (fullness + full, looks + 1);
        }
    }
    assert!(fullness / f64::from(looks) > 0.6, "{} full", fullness / f64::from(looks));
    // Growing and being cut come together at most.
    assert!(most <= 8 * MEAN, "{most} entries moved at once");
    assert!(all <= 500_000 * 4, "each was moved {} times", all / 500_000);
    for key in 0..500_000 {
        moved.set(0);
        assert!(table.remove(hash(key), |entry| entry.0 == key, counted).is_some());
        assert!(moved.get() <= 4 * MEAN, "{} entries moved at once", moved.get());
    }
}
