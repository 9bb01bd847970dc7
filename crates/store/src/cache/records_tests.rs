//! Records against a map: what is answered was put, at that stage or later; hot ones stay; the budget holds.

use super::Cache;
use crate::table::KeyRef;
use clockwise_core::slot::Slot;
use std::collections::HashMap;

fn put(cache: &mut Cache, number: u32, record: &[u8], stage: u64) {
    let (slot, key) = (Slot::new(3).expect("a slot"), number.to_le_bytes());
    cache.insert_record(hash(number), KeyRef { slot, key: &key }, record, stage);
}

fn get(cache: &mut Cache, number: u32, from: u64, now: u64) -> Option<Vec<u8>> {
    let (slot, key) = (Slot::new(3).expect("a slot"), number.to_le_bytes());
    cache.record(hash(number), KeyRef { slot, key: &key }, from, now).map(|record| record.to_vec())
}

/// Some keys share one.
fn hash(number: u32) -> u64 {
    u64::from(number / 3).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[test]
fn a_record_is_answered_for_the_stages_that_it_has_seen() {
    let mut cache = Cache::new(1 << 20);
    put(&mut cache, 1, b"one", 5);
    assert_eq!(get(&mut cache, 1, 6, 6), None);
    assert_eq!(get(&mut cache, 1, 4, 7).as_deref(), Some(&b"one"[..]));
    assert_eq!(get(&mut cache, 1, 7, 7).as_deref(), Some(&b"one"[..]), "it has seen 7 by now");
    put(&mut cache, 1, b"late", 6);
    assert_eq!(get(&mut cache, 1, 7, 7).as_deref(), Some(&b"one"[..]), "an older answer changes nothing");
    put(&mut cache, 1, b"two", 8);
    assert_eq!(get(&mut cache, 1, 8, 8).as_deref(), Some(&b"two"[..]));
    put(&mut cache, 1, b"two", 9);
    assert_eq!(get(&mut cache, 1, 9, 9).as_deref(), Some(&b"two"[..]));
    assert_eq!((get(&mut cache, 2, 0, 9), cache.records()), (None, 1));
}

#[test]
fn behaves_like_a_map_that_forgets() {
    let mut rng = fastrand::Rng::with_seed(4);
    let mut cache = Cache::new(0);
    let mut known: HashMap<u32, (Vec<u8>, u64)> = HashMap::new();
    let mut hits = 0;
    for stage in 1..60_000 {
        if stage % 500 == 0 {
            cache.set_budget([0, 10_000, 100_000, 1_000_000][rng.usize(..4)]);
        }
        let number = rng.u32(..2_000);
        if rng.bool() {
            let record = vec![stage as u8; rng.usize(..400)];
            let slot = Slot::new(3).expect("a slot");
            if cache.takes_record(KeyRef { slot, key: &[0; 4] }, &record, 4096) {
                put(&mut cache, number, &record, stage);
                known.insert(number, (record, stage));
            }
        } else if let Some(found) = get(&mut cache, number, stage / 2, 0) {
            let (record, seen) = &known[&number];
            assert!(found == *record && *seen >= stage / 2);
            hits += 1;
        }
        cache.tend();
        assert!(cache.used_bytes() <= cache.budget_bytes(), "{}", cache.used_bytes());
    }
    assert!(hits > 1_000, "{hits}");
    cache.set_budget(0);
    assert_eq!((cache.used_bytes(), cache.records()), (0, 0));
}

#[test]
fn what_is_asked_for_again_stays_and_overhead_is_small() {
    const BUDGET: usize = 2 << 20;
    let mut cache = Cache::new(BUDGET);
    let record = [7; 100];
    // The hot ones take six tenths with all that belongs to them.
    let hot = (BUDGET * 6 / 10 / (4 + 100 + 37)) as u32;
    let mut rng = fastrand::Rng::with_seed(5);
    let (mut cold, mut hits, mut asked) = (1_000_000, 0, 0);
    for step in 0..hot * 40 {
        let number = rng.u32(..hot);
        if get(&mut cache, number, 0, 0).is_none() {
            put(&mut cache, number, &record, 0);
        } else if step > hot * 20 {
            hits += 1;
        }
        asked += u32::from(step > hot * 20);
        if step % 19 == 0 {
            cold += 1;
            put(&mut cache, cold, &record, 0);
        }
    }
    assert!(cache.used_bytes() <= BUDGET && cache.used_bytes() > BUDGET * 9 / 10);
    let each = cache.record_bytes() / cache.records();
    assert!(each < 104 + 40, "{each} bytes each");
    assert!(hits * 1_000 > asked * 995, "{hits} of {asked}");
}

#[test]
fn blocks_keep_their_part_beside_records() {
    let mut cache = Cache::new(1 << 20);
    for number in 0..60_000 {
        put(&mut cache, number, &[1; 100], 0);
        if number % 4 == 0 {
            cache.insert_block(1, number, bytes::Bytes::from(vec![0; 4_000]));
        }
    }
    let of_blocks = cache.used_bytes() - cache.record_bytes();
    assert!((100_000..200_000).contains(&of_blocks), "{of_blocks}");
    assert!(cache.wants(1, 4) || cache.wants(1, 4), "the second time at the latest");
    assert!((0..100).filter(|&block| cache.wants(2, block)).count() < 10, "full: not at the first time");
}
