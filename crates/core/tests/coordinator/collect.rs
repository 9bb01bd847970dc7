//! Rounds and collection on a cluster without delay or loss.

#[path = "collect/rules.rs"]
mod rules;

use crate::cluster::{Cluster, level};
use clockwise_core::{
    canary::Canary,
    request::{Basis, Level, Op, Outcome},
    shard::LinkState,
    slot::Slot,
    storage::Storage,
};

const MAJORITY: Level = level(2, true);
const ALL: Level = level(3, true);
/// Longer than a bucket, the margin, a look at all slots and the rounds.
const COLLECTED_MS: u64 = 16_000 + 2_000 + 2 * 2_600 + 2_000;

fn cluster(servers: u32, canary: Canary) -> Cluster {
    let mut cluster = Cluster::new(servers, 3, canary);
    cluster.collect(canary);
    cluster
}

fn set(cluster: &mut Cluster, at: u32, key: &str, value: &str) {
    cluster.set(at, key, value, Basis::Plain, MAJORITY);
}

fn delete(cluster: &mut Cluster, at: u32, key: &str) {
    let end = cluster.run(at, key, Op::Delete { basis: Basis::Plain }, MAJORITY);
    assert!(matches!(end, Outcome::Written(_)), "{end:?}");
}

fn held(cluster: &Cluster) -> Vec<usize> {
    cluster.servers.iter().map(|server| server.store.records().len()).collect()
}

fn collected(cluster: &Cluster) -> u64 {
    cluster.servers.iter().map(|server| server.shard.stats().collect.collected).sum()
}

fn away(cluster: &mut Cluster, number: u32) {
    for other in (1..=cluster.servers.len() as u32).filter(|&other| other != number) {
        cluster.link(other, number, LinkState::Down);
        cluster.link(number, other, LinkState::Down);
        cluster.cut.extend([(number, other), (other, number)]);
    }
}

fn back(cluster: &mut Cluster, number: u32) {
    cluster.cut.clear();
    for other in (1..=cluster.servers.len() as u32).filter(|&other| other != number) {
        cluster.link(other, number, LinkState::Up);
        cluster.link(number, other, LinkState::Up);
    }
}

#[test]
fn what_is_deleted_everywhere_leaves_the_disk() {
    let mut cluster = cluster(3, Canary::None);
    for key in ["a", "b", "c"] {
        set(&mut cluster, 1, key, "1");
    }
    for key in ["a", "b"] {
        delete(&mut cluster, 2, key);
    }
    cluster.pass_with_disks(1_000);
    assert_eq!(held(&cluster), [3, 3, 3]);
    cluster.pass_with_disks(COLLECTED_MS);
    assert_eq!(held(&cluster), [1, 1, 1], "{:?}", cluster.servers[0].shard.stats().collect);
    assert_eq!(collected(&cluster), 6);
    for number in 0..3 {
        let store = &cluster.servers[number].store;
        assert_eq!(store.sums(Slot::of(b"a")), Some(&[][..]));
        assert_eq!(cluster.servers[number].shard.stats().collect.slots_waiting, 0);
    }
    // A key that was collected begins anew, above what it had.
    let after = cluster.set(1, "a", "2", Basis::Plain, ALL);
    assert!(after.time > clockwise_core::hlc::Hlc::ZERO);
    assert_eq!(cluster.value(3, "a", ALL).as_deref(), Some("2"));
    assert_eq!(cluster.value(3, "b", ALL), None);
}

#[test]
fn a_server_that_missed_the_delete_is_waited_for() {
    let mut cluster = cluster(3, Canary::None);
    set(&mut cluster, 1, "a", "1");
    away(&mut cluster, 3);
    delete(&mut cluster, 1, "a");
    cluster.pass_with_disks(2 * COLLECTED_MS);
    assert_eq!(collected(&cluster), 0);
    let hub = cluster.servers[0].shard.layout().owners(Slot::of(b"a"))[0].0;
    let waits: Vec<u32> =
        cluster.servers.iter().flat_map(|it| it.shard.collect_waits()).map(|it| it.0.0).collect();
    assert!(waits.contains(&3) || hub == 3, "{waits:?}");
    // The key lives on meanwhile.
    set(&mut cluster, 2, "a", "2");
    delete(&mut cluster, 1, "a");
    back(&mut cluster, 3);
    cluster.pass_with_disks(2 * COLLECTED_MS);
    assert_eq!(held(&cluster), [0, 0, 0]);
    assert_eq!(cluster.value(3, "a", ALL), None);
}

#[test]
fn a_quiet_cluster_says_nothing_about_rounds() {
    let mut cluster = cluster(5, Canary::None);
    for key in 0..20 {
        set(&mut cluster, 1, &format!("k{key}"), "1");
    }
    cluster.pass_with_disks(2 * COLLECTED_MS);
    let frames: u64 = cluster.servers.iter().map(|server| server.shard.stats().collect.frames).sum();
    assert_eq!(frames, 0);
}
