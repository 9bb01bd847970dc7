//! What stays, what falls out, and the budget at every step.

use super::{
    Cache,
    blocks::{self, BLOCK_OVERHEAD_BYTES},
};
use bytes::Bytes;

fn block(byte: u8) -> Bytes {
    Bytes::from(vec![byte; 1000])
}

#[test]
fn stays_within_its_budget_and_keeps_what_is_used() {
    let mut cache = Cache::new(100_000);
    cache.insert_block(1, 0, block(7));
    for number in 1..2000 {
        assert_eq!(cache.block(1, 0), Some(&block(7)), "the hot block stays");
        cache.insert_block(2, number, block(1));
        assert!(cache.used_bytes() <= 100_000);
    }
    assert!(cache.used_bytes() > 95_000, "{} bytes", cache.used_bytes());
    assert_eq!(cache.block(2, 1), None);
    assert_eq!(cache.block(2, 1999), Some(&block(1)));
    cache.purge(vec![2]);
    cache.tend();
    assert_eq!(cache.block(2, 1999), None);
    assert_eq!(cache.blocks.block_bytes, 1000 + BLOCK_OVERHEAD_BYTES);
    cache.insert_block(3, 0, Bytes::from(vec![0; 50_000]));
    assert_eq!(cache.block(3, 0), None, "too large to be taken in");
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
        cache.insert_block(table, number, bytes);
        assert!(
            cache.used_bytes() <= cache.budget_bytes(),
            "{} of {}",
            cache.used_bytes(),
            cache.budget_bytes()
        );
        if let Some(found) = cache.block(rng.u64(..3), number) {
            assert!(found.iter().all(|&byte| byte == number as u8));
            hits += 1;
        }
        if step % 1000 == 0 {
            cache.purge(vec![table]);
            (0..10).for_each(|_| cache.tend());
            assert_eq!(cache.block(table, number), None);
        }
    }
    assert!(hits > 2_000, "{hits} hits");
    cache.set_budget(0);
    assert_eq!(cache.used_bytes(), 0);
}

/// A cache of many small blocks, of tables 0 to 9.
fn large(blocks: u32) -> Cache {
    let mut cache = Cache::new(1 << 30);
    for number in 0..blocks {
        cache.insert_block(u64::from(number % 10), number, Bytes::from(vec![number as u8; 10]));
    }
    cache
}

/// Blocks of each table.
fn counts(cache: &mut Cache, blocks: u32) -> [u32; 10] {
    let mut counts = [0; 10];
    for number in 0..blocks {
        let table = u64::from(number % 10);
        counts[table as usize] +=
            u32::from(cache.block(table, number).is_some_and(|bytes| bytes[0] == number as u8));
    }
    counts
}

#[test]
fn forgets_tables_piece_by_piece_while_it_serves() {
    const BLOCKS: u32 = 30_000;
    let mut cache = large(BLOCKS);
    let full = cache.used_bytes();
    cache.purge(vec![1, 2]);
    cache.tend();
    let [_, first, second, ..] = counts(&mut cache, BLOCKS);
    assert!(first + second > 5_000, "one call does not do it all");
    cache.purge(vec![5]);
    // Others fall out meanwhile, so that blocks change their places.
    cache.set_budget(full * 9 / 10);
    for number in 0..BLOCKS / blocks::SWEPT_AT_ONCE as u32 * 2 + 4 {
        cache.insert_block(77, number, Bytes::from(vec![7; 10]));
        cache.tend();
    }
    assert!(cache.blocks.sweeps.is_empty());
    assert!(cache.used_bytes() <= cache.budget_bytes());
    let left = counts(&mut cache, BLOCKS);
    assert_eq!((left[1], left[2], left[5]), (0, 0, 0), "{left:?}");
    assert!(left.iter().sum::<u32>() > 15_000, "{left:?}");
}

#[test]
fn a_much_smaller_budget_is_reached_step_by_step() {
    let mut cache = large(50_000);
    let (all, blocks) = (cache.used_bytes(), cache.blocks.list.len());
    cache.set_budget(all / 20);
    assert!(cache.blocks.list.len() + super::EVICTED_AT_ONCE >= blocks);
    let steps = (1..1_000).take_while(|_| {
        cache.tend();
        cache.used_bytes() > cache.budget_bytes()
    });
    assert!((10..100).contains(&steps.count()));
    assert!(cache.used_bytes() > all / 40, "{} of {all}", cache.used_bytes());
}

#[test]
fn a_block_among_much_used_ones_is_taken_in_at_little_cost() {
    let mut cache = large(50_000);
    for _ in 0..4 {
        counts(&mut cache, 50_000);
    }
    let before = cache.used_bytes();
    cache.set_budget(before);
    cache.insert_block(77, 1, Bytes::from(vec![7; 10]));
    assert!(cache.block(77, 1).is_some());
    // The hand went on by no more than its candidates.
    let looked_at =
        (0..cache.blocks.list.len()).filter(|&at| cache.blocks.list.get(at).uses < blocks::MAX_USES);
    assert!(looked_at.count() <= 2 * blocks::CANDIDATES);
}
