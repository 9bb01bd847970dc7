//! What a repair costs: bytes, keys listed, time, by how many writes one of three servers missed.
//!
//! `CLOCKWISE_COST_KEYS=1000000 cargo test --release -p clockwise-core --test coordinator -- --nocapture cost` measures
//! the full size; by itself it is a fiftieth of that, in few slots, so that these hold as many keys.

use super::{ROUND_MS, are_the_same, away, back, cluster};
use crate::cluster::Cluster;
use clockwise_core::{canary::Canary, exchange::ExchangeStats, request::Basis, slot::Slot, storage::Storage};

fn keys() -> u64 {
    std::env::var("CLOCKWISE_COST_KEYS").ok().and_then(|keys| keys.parse().ok()).unwrap_or(20_000)
}

/// Keys of as many slots as a million keys would need to have as many in each.
fn name(number: u64, tags: u64) -> String {
    format!("{{{}}}{number}", number % tags)
}

fn sum(cluster: &Cluster) -> ExchangeStats {
    let mut sum = ExchangeStats::default();
    for server in &cluster.servers {
        let stats = server.shard.stats().exchange;
        sum.bytes += stats.bytes;
        sum.record_bytes += stats.record_bytes;
        sum.keys_listed += stats.keys_listed;
        sum.sessions += stats.sessions;
    }
    sum
}

struct Cost {
    /// Besides records, with an estimate of what frames add.
    bytes: u64,
    record_bytes: u64,
    listed: u64,
    ms: u64,
}

/// Quicker than to look at all records.
fn sums_are_the_same(cluster: &Cluster) -> bool {
    let sums = |at: usize, slot| cluster.servers[at].store.sums(slot);
    Slot::all().all(|slot| sums(0, slot) == sums(1, slot) && sums(1, slot) == sums(2, slot))
}

fn measure(cluster: &mut Cluster, keys: u64, tags: u64, missed: u64) -> Cost {
    away(cluster, 3);
    for at in 0..missed {
        let number = at * (keys / missed) + at % tags;
        cluster.set(1, &name(number, tags), &format!("missed {at}"), Basis::Plain, super::MAJORITY);
    }
    back(cluster, 3);
    let (before, began_ms) = (sum(cluster), cluster.mono_ms);
    while !sums_are_the_same(cluster) {
        cluster.pass_with_disks(100);
        assert!(cluster.mono_ms < began_ms + 60_000, "it comes to an end");
    }
    assert!(are_the_same(cluster));
    let after = sum(cluster);
    Cost {
        bytes: (after.bytes - before.bytes) - (after.record_bytes - before.record_bytes),
        record_bytes: after.record_bytes - before.record_bytes,
        listed: after.keys_listed - before.keys_listed,
        ms: cluster.mono_ms - began_ms,
    }
}

fn filled(keys: u64, tags: u64) -> Cluster {
    let mut cluster = cluster(Canary::None);
    for number in 0..keys {
        cluster.set(
            1,
            &name(number, tags),
            "some value of a usual size",
            Basis::Plain,
            super::level(3, true),
        );
    }
    cluster
}

#[test]
fn cost_follows_what_differs() {
    let keys = keys();
    // 61 keys a slot, as a million in all slots.
    let tags = (keys / 61).max(1);
    let mut cluster = filled(keys, tags);
    println!("{keys} keys, {tags} tags");
    let mut costs = Vec::new();
    for missed in [10, 100, 1_000, 10_000].into_iter().filter(|missed| missed * 2 <= keys) {
        let cost = measure(&mut cluster, keys, tags, missed);
        println!(
            "missed {missed}: {} bytes besides {} of records, {} keys listed, {} ms",
            cost.bytes, cost.record_bytes, cost.listed, cost.ms
        );
        assert!(cost.ms <= 10_000, "within ten seconds");
        costs.push((missed, cost));
    }
    for (missed, cost) in &costs {
        assert!(cost.bytes < 6_000 * missed.max(&200), "{missed}: {} bytes", cost.bytes);
    }
    let thousandth = &costs[costs.len().saturating_sub(3).min(1)];
    assert!(thousandth.1.listed * 100 <= keys * 8, "few keys are listed for few writes");
}

#[test]
fn nothing_different_costs_next_to_nothing() {
    let mut cluster = filled(2_000, 500);
    cluster.pass_with_disks(ROUND_MS);
    let before = sum(&cluster);
    cluster.pass_with_disks(ROUND_MS);
    let after = sum(&cluster);
    let rounds = (after.sessions - before.sessions) as f64 / (3.0 * 32.0);
    let bytes = (after.bytes - before.bytes) as f64 / rounds;
    println!("{rounds:.1} rounds of all pairs, {bytes:.0} bytes each way in one");
    assert!(rounds >= 0.9 && bytes * 2.5 < 64.0 * 1024.0, "{bytes}");
}

#[test]
fn four_times_the_data_costs_hardly_more() {
    // Slots of more than a thousand keys.
    let cost = |keys: u64| {
        let tags = 24;
        let mut cluster = filled(keys, tags);
        cluster.pass_with_disks(1_000);
        // Who asks first is chance: sometimes both sides list their keys.
        let costs = (0..6).map(|_| measure(&mut cluster, keys, tags, 25));
        costs.fold((0, 0), |(bytes, listed), cost| (bytes + cost.bytes, listed + cost.listed))
    };
    let (one, four) = (cost(28_800), cost(115_200));
    println!("{} and {} bytes, {} and {} keys listed", one.0, four.0, one.1, four.1);
    assert!(four.0 * 2 <= one.0 * 3, "leaves are split as a slot grows");
}
