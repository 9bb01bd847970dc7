//! Anti-entropy on a cluster without delay or loss: what one server lacks it fetches, without any read.

#[path = "exchange/cost.rs"]
mod cost;

use crate::cluster::{Cluster, level};
use bytes::Bytes;
use clockwise_core::{
    canary::Canary,
    hlc::Hlc,
    ids::MemberNumber,
    outbox::Event,
    request::{Basis, Op},
    shard::LinkState,
    slot::Slot,
    storage::{Mutation, Storage},
    tree,
    version::SlotLines,
};

const MAJORITY: clockwise_core::request::Level = level(2, true);
/// Longer than a round of all cells with both others.
const ROUND_MS: u64 = 32 * 110 + 3_000;

/// Three servers that compare their slots.
fn cluster(canary: Canary) -> Cluster {
    let mut cluster = Cluster::new(3, 3, canary);
    cluster.exchange(canary);
    cluster
}

fn away(cluster: &mut Cluster, number: u32) {
    for other in (1..=3).filter(|&other| other != number) {
        cluster.link(other, number, LinkState::Down);
        cluster.link(number, other, LinkState::Down);
        cluster.cut.extend([(number, other), (other, number)]);
    }
}

fn back(cluster: &mut Cluster, number: u32) {
    cluster.cut.clear();
    for other in (1..=3).filter(|&other| other != number) {
        cluster.link(other, number, LinkState::Up);
        cluster.link(number, other, LinkState::Up);
    }
}

fn set(cluster: &mut Cluster, at: u32, key: &str, value: &str) {
    cluster.set(at, key, value, Basis::Plain, MAJORITY);
}

fn are_the_same(cluster: &Cluster) -> bool {
    let first = cluster.servers[0].store.records();
    cluster.servers[1..].iter().all(|server| server.store.records() == first)
}

/// Every server's sums are those of what it holds.
fn trees_are_right(cluster: &Cluster) {
    for server in &cluster.servers {
        let digest_key = server.shard.layout().spec().digest_key;
        let mut rebuilt = std::collections::BTreeMap::<Slot, tree::Sums>::new();
        for ((slot, key), record) in server.store.records() {
            let record = clockwise_core::version::Record::decode(record).expect("it was encoded");
            let item = tree::Item::new(&digest_key, slot, &key, &record);
            let hash = tree::key_hash(&digest_key, &key);
            let depth = tree::depth(server.store.sums(slot).unwrap_or_default());
            for sum in tree::delta(tree::Item::default(), item, hash, depth) {
                rebuilt.entry(slot).or_default().add(sum);
            }
        }
        for slot in Slot::all() {
            let expected = rebuilt.get(&slot).map_or(&[][..], tree::Sums::list);
            assert_eq!(server.store.sums(slot), Some(expected), "{slot:?}");
        }
    }
}

#[test]
fn writes_that_a_server_missed_arrive_without_a_read() {
    let mut cluster = cluster(Canary::None);
    for number in 0..300 {
        set(&mut cluster, 1, &format!("key-{number}"), "old");
    }
    away(&mut cluster, 3);
    for number in 0..40 {
        set(&mut cluster, 1, &format!("key-{number}"), "new");
        set(&mut cluster, 2, &format!("more-{number}"), "new");
    }
    for number in 40..60 {
        let op = Op::Delete { basis: Basis::Plain };
        cluster.run(2, &format!("key-{number}"), op, MAJORITY);
    }
    assert!(!are_the_same(&cluster));
    back(&mut cluster, 3);
    cluster.pass_with_disks(ROUND_MS);
    assert!(are_the_same(&cluster));
    trees_are_right(&cluster);
    cluster.pass_with_disks(2 * ROUND_MS);
    let stats = cluster.servers[2].shard.stats().exchange;
    assert_eq!((stats.slots_in_doubt, stats.oldest_doubt_ms), (0, 0), "{stats:?}");
    assert!(stats.records_fetched >= 100 && stats.round_age_ms < 2 * ROUND_MS, "{stats:?}");
}

#[test]
fn a_list_without_deleted_keys_leaves_them_undeleted() {
    let mut cluster = cluster(Canary::ExchangeIgnoresTombstones);
    set(&mut cluster, 1, "key", "value");
    away(&mut cluster, 3);
    cluster.run(1, "key", Op::Delete { basis: Basis::Plain }, MAJORITY);
    back(&mut cluster, 3);
    cluster.pass_with_disks(2 * ROUND_MS);
    assert!(!are_the_same(&cluster));
}

#[test]
fn a_slot_that_is_said_to_be_behind_goes_first() {
    let mut cluster = cluster(Canary::None);
    away(&mut cluster, 3);
    set(&mut cluster, 1, "key", "value");
    back(&mut cluster, 3);
    cluster.with(3, |shard, _, _, _| shard.on_slot_behind(Slot::of(b"key")));
    cluster.pass_with_disks(500);
    assert!(are_the_same(&cluster));
}

#[test]
fn sums_that_are_not_known_are_counted_while_writes_go_on() {
    let mut cluster = cluster(Canary::None);
    let slot = Slot::of(b"tag");
    for number in 0..2_500 {
        set(&mut cluster, 1, &format!("{{tag}}{number}"), "value");
    }
    for server in &mut cluster.servers {
        server.store.unknown.insert(slot);
    }
    cluster.pass(10);
    for number in 0..40 {
        // Between the pages, before and behind where the count is.
        set(&mut cluster, 1, &format!("{{tag}}{}", number * 60), "newer");
        set(&mut cluster, 1, &format!("{{tag}}{number}a"), "more");
        let op = Op::Delete { basis: Basis::Plain };
        cluster.run(1, &format!("{{tag}}{}", number * 61), op, MAJORITY);
        if number % 10 == 0 {
            for server in 1..=3 {
                cluster.load(server);
            }
        }
    }
    cluster.pass_with_disks(1_000);
    trees_are_right(&cluster);
    let live = cluster.servers[0].store.live(slot);
    assert_eq!(live, 2_500);
}

#[test]
fn sums_that_are_wrong_are_found_and_counted() {
    let mut cluster = cluster(Canary::None);
    set(&mut cluster, 1, "key", "value");
    let slot = Slot::of(b"key");
    let wrong = [tree::Sum { name: 17, value: 5 }];
    cluster.servers[1].store.apply(slot, &[Mutation::Tree { live: 1, sums: &wrong }]);
    cluster.pass_with_disks(5_000);
    trees_are_right(&cluster);
    assert!(cluster.events.contains(&(MemberNumber(2), Event::TreeRepaired)));
    assert_eq!(cluster.servers[1].shard.stats().exchange.trees_repaired, 1);
}

#[test]
fn lines_are_raised_before_anything_is_read() {
    let mut cluster = cluster(Canary::None);
    away(&mut cluster, 3);
    set(&mut cluster, 1, "key", "value");
    let slot = Slot::of(b"key");
    let raised = SlotLines { refuse: Hlc(5 << 16), collect: Hlc(4 << 16), ..SlotLines::default() };
    let mut encoded = Vec::new();
    raised.encode(&mut encoded);
    cluster.servers[2].store.apply(slot, &[Mutation::Lines(&encoded)]);
    back(&mut cluster, 3);
    cluster.pass_with_disks(ROUND_MS);
    assert!(are_the_same(&cluster));
    let lines = |number: usize| {
        let bytes: Option<Bytes> = cluster.servers[number].store.lines(slot);
        bytes.map_or(SlotLines::default(), |bytes| SlotLines::decode(bytes).expect("they were encoded"))
    };
    assert!(
        (0..2).any(|number| (lines(number).refuse, lines(number).collect) == (raised.refuse, raised.collect))
    );
}
