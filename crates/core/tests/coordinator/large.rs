//! Records that a replica cannot keep: larger than the limit, though no write was, or while its disk is full.

use super::{
    cluster::{BLIND, Cluster, level},
    values,
};
use clockwise_core::{
    canary::Canary,
    limits::VALUE_BYTES,
    request::{Basis, Op, Outcome, Rejected},
    storage::Refusal,
};

fn large(byte: u8) -> String {
    String::from_utf8(vec![byte; VALUE_BYTES]).expect("text")
}

/// Siblings on both sides of a partition, together larger than a record may be.
fn two_halves() -> Cluster {
    let mut cluster = Cluster::new(2, 2, Canary::None);
    cluster.cut = vec![(1, 2), (2, 1)];
    for byte in b'a'..b'f' {
        cluster.set(1, "k", &large(byte), BLIND, level(1, false));
        cluster.set(2, "k", &large(byte + 10), BLIND, level(1, false));
    }
    cluster.settle();
    cluster.cut.clear();
    cluster
}

#[test]
fn a_join_that_is_too_large_is_shown_and_kept_by_nobody() {
    let mut cluster = two_halves();
    let read = cluster.get(1, "k", level(2, false));
    assert_eq!(values(&read.record).len(), 10, "the reader gets all of them");
    cluster.settle();
    for server in &cluster.servers {
        assert_eq!(server.store.last, 5, "no repair was kept");
    }
    let strict = cluster.run(2, "k", Op::Get, level(2, true));
    assert_eq!(strict, Outcome::Rejected(Rejected::RecordTooLarge));
}

#[test]
fn a_write_with_the_context_ends_it() {
    let mut cluster = two_halves();
    let read = cluster.get(1, "k", level(2, false));
    cluster.set(1, "k", "one", Basis::Causal(read.record.token()), level(2, true));
    assert_eq!(values(&cluster.get(2, "k", level(2, true)).record), ["one"]);
}

#[test]
fn a_repair_that_finds_the_own_disk_full_is_no_damage() {
    let mut cluster = Cluster::new(2, 2, Canary::None);
    cluster.cut = vec![(1, 2), (2, 1)];
    cluster.set(2, "k", "missed", BLIND, level(1, false));
    cluster.settle();
    cluster.cut.clear();
    cluster.servers[0].store.refusal = Some(Refusal::DiskFull);
    let strict = cluster.run(1, "k", Op::Get, level(2, true));
    assert_eq!(strict, Outcome::Rejected(Rejected::NoQuorum { required: 2, alive: 1 }));
    cluster.servers[0].store.refusal = None;
    assert_eq!(values(&cluster.get(1, "k", level(2, true)).record), ["missed"]);
}
