//! A thousand members: messages stay within their budget, heartbeats arrive in time, contents are spread.

use super::world::{Process, Traffic, World};
use clockwise_core::{
    layout::Addresses,
    limits::{GOSSIP_BYTES, NAME_BYTES},
};

#[test]
fn a_thousand_members_learn_and_notice_within_bounded_messages() {
    let text = || "host-0123.example:7001".to_owned();
    let addresses = Addresses { peer: text(), cluster: text(), plain: text(), http: text() };
    let mut world = World::with(1_000, 7, 50, addresses);
    // As after years: counters are long, and a digest has no room for all members.
    for number in world.numbers() {
        world.pretend(number, 1 << 30);
    }
    let began_ms = world.now_ms;
    while !world.is_complete() {
        world.run(100);
        assert!(world.now_ms < began_ms + 20_000, "all contents everywhere");
    }
    let complete_ms = world.now_ms - began_ms;
    world.run(500);
    world.traffic = Traffic::default();
    world.run(1_000);
    let Traffic { messages, bytes, longest_bytes } = world.traffic;
    let oldest_ms = world.oldest_ms();
    println!("1000 members: every entry everywhere after {complete_ms} ms from nothing");
    println!(
        "1000 members: {} bytes a message on average, {longest_bytes} at most; {} kB a second and server",
        bytes / messages,
        bytes / 1_000 / 1_000
    );
    println!("1000 members: the oldest heartbeat that any server knew of another was {oldest_ms} ms old");
    assert!(longest_bytes <= GOSSIP_BYTES);
    assert!(oldest_ms < 1_500 && world.said.is_empty(), "{:?}", world.said.first());
    let at_ms = world.now_ms;
    (1..=3).for_each(|victim| world.set(victim, Process::Dead));
    world.run(4_500);
    let took = (1..=3).map(|victim| world.skipped_by_all_ms(victim, at_ms).expect("all skip it"));
    let worst_ms = took.max().unwrap();
    println!("1000 members: killed ones are skipped by all after at most {worst_ms} ms");
    assert!(worst_ms < 5_000);
}

#[test]
fn small_clusters_gossip_little() {
    for (size, most_bytes_per_s) in [(3, 2_000), (5, 4_000), (30, 12_000), (100, 30_000)] {
        let address = || "host-0123.example:7001".to_owned();
        let addresses = Addresses { peer: address(), cluster: address(), plain: address(), http: address() };
        let mut world = World::with(size, 7, 10, addresses);
        world.run(3_000);
        let oldest_ms = world.oldest_ms();
        world.traffic = Traffic::default();
        world.run(2_000);
        let Traffic { messages, bytes, longest_bytes } = world.traffic;
        let bytes_per_s = bytes / 2 / u64::from(size);
        println!(
            "{size} members: {} bytes a message on average, {longest_bytes} at most; {bytes_per_s} bytes and {} \
             messages a second and server; oldest heartbeat {oldest_ms} ms",
            bytes / messages,
            messages / 2 / u64::from(size),
        );
        assert!(bytes_per_s <= most_bytes_per_s && oldest_ms < 1_000);
    }
}

#[test]
fn the_longest_entries_of_many_members_get_through() {
    let text = || "x".repeat(NAME_BYTES);
    let addresses = Addresses { peer: text(), cluster: text(), plain: text(), http: text() };
    let mut world = World::with(200, 7, 20, addresses);
    let began_ms = world.now_ms;
    while !world.is_complete() {
        world.run(100);
        assert!(world.now_ms < began_ms + 30_000, "all contents everywhere");
    }
    println!("200 members with the longest addresses: complete after {} ms", world.now_ms - began_ms);
    assert!(world.traffic.longest_bytes <= GOSSIP_BYTES);
    assert_eq!(world.said, [], "contents do not crowd out heartbeats");
}
