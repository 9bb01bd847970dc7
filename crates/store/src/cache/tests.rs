//! What stays, what falls out, and the budget at every step.

use super::{BLOCK_OVERHEAD_BYTES, Cache};
use bytes::Bytes;

fn block(byte: u8) -> Bytes {
    Bytes::from(vec![byte; 1000])
}

#[test]
fn stays_within_its_budget_and_keeps_what_is_used() {
    let mut cache = Cache::new(100_000);
    cache.insert(1, 0, block(7));
    for number in 1..2000 {
        assert_eq!(cache.get(1, 0), Some(&block(7)), "the hot block stays");
        cache.insert(2, number, block(1));
        assert!(cache.used_bytes() <= 100_000);
    }
    assert!(cache.used_bytes() > 95_000, "{} bytes", cache.used_bytes());
    assert_eq!(cache.get(2, 1), None);
    assert_eq!(cache.get(2, 1999), Some(&block(1)));
    cache.purge(|table| table == 2);
    assert_eq!(cache.get(2, 1999), None);
    assert_eq!(cache.block_bytes, 1000 + BLOCK_OVERHEAD_BYTES);
    cache.insert(3, 0, Bytes::from(vec![0; 50_000]));
    assert_eq!(cache.get(3, 0), None, "too large to be taken in");
}

#[test]
fn the_budget_may_change_at_any_time() {
    let mut rng = fastrand::Rng::with_seed(1);
    let mut cache = Cache::new(0);
    let mut hits = 0;
    for step in 0..30_000 {
        if step % 100 == 0 {
            let most = [0, 3_000, 50_000, 400_000][rng.usize(..4)];
            let budget = rng.usize(..=most);
            cache.set_budget(budget);
            assert_eq!(cache.budget_bytes(), budget);
        }
        let (table, number) = (rng.u64(..3), rng.u32(..200));
        let bytes = Bytes::from(vec![number as u8; rng.usize(..3000)]);
        cache.insert(table, number, bytes);
        assert!(
            cache.used_bytes() <= cache.budget_bytes(),
            "{} of {}",
            cache.used_bytes(),
            cache.budget_bytes()
        );
        if let Some(found) = cache.get(rng.u64(..3), number) {
            assert!(found.iter().all(|&byte| byte == number as u8));
            hits += 1;
        }
        if step % 1000 == 0 {
            cache.purge(|gone| gone == table);
            assert_eq!(cache.get(table, number), None);
        }
    }
    assert!(hits > 2_000, "{hits} hits");
    cache.set_budget(0);
    assert_eq!(cache.used_bytes(), 0);
}
