//! What comes from outside: strangers, forged counters, newer layouts.

use super::world::World;
use clockwise_core::{
    gossip::{Beat, Contents, Entry, GossipMessage, GossipOut, Mark, MemberState, Membership, Suspicion},
    ids::{Epoch, MemberNumber},
    limits::{GOSSIP_BYTES, HEARTBEATS},
};
use fastrand::Rng;

fn beat(generation: u32, heartbeat: u64) -> Beat {
    Beat { generation, heartbeat }
}

fn mark(member: u32, beat: Beat) -> Mark {
    Mark { member: MemberNumber(member), beat, held: 0 }
}

#[test]
fn strangers_are_ignored() {
    let mut world = World::new(3, 1);
    world.run(2_000);
    let said = |member| GossipMessage::Digest { marks: vec![mark(member, beat(5, 5))] };
    world.deliver(2, 1, said(77));
    world.deliver(77, 1, said(2));
    world.deliver(1, 1, said(2));
    let now_ms = world.now_ms;
    let views: Vec<_> = world.gossip(1).views(now_ms).collect();
    assert_eq!(views.iter().map(|view| view.member.0).collect::<Vec<_>>(), [2, 3]);
    assert!(views.iter().all(|view| view.beat.generation == 1));
}

#[test]
fn a_forged_heartbeat_of_oneself_is_passed_and_one_beyond_the_end_ignored() {
    let mut world = World::new(3, 1);
    world.run(2_000);
    for heartbeat in [1_000_000, HEARTBEATS + 1, u64::MAX] {
        let marks = vec![mark(1, beat(1, heartbeat)), mark(3, beat(1, heartbeat))];
        world.deliver(2, 1, GossipMessage::Digest { marks });
    }
    world.run(10_000);
    let now_ms = world.now_ms;
    for by in [2, 3] {
        let view = world.gossip(by).views(now_ms).find(|view| view.member.0 == 1).unwrap();
        assert!((1_000_000..1_000_100).contains(&view.beat.heartbeat), "{:?}", view.beat);
    }
    assert_eq!(world.said, []);
    assert!(world.gossip(2).views(now_ms).all(|view| view.state == MemberState::Up));
}

#[test]
fn a_newer_layout_is_pulled_from_who_has_it_and_new_members_are_taken_in() {
    let mut world = World::new(3, 1);
    world.run(2_000);
    let newer = Membership { epoch: Epoch(2), digest: 2, numbers: (1..=3).map(MemberNumber).collect() };
    let now_ms = world.now_ms;
    world.gossip(3).on_layout(&newer, now_ms);
    world.run(2_000);
    let mut pulls = world.pulls.clone();
    pulls.sort_unstable();
    pulls.dedup();
    assert_eq!(pulls, [(1, 3), (2, 3)]);
    world.pulls.clear();
    for number in [1, 2] {
        world.gossip(number).on_layout(&newer, now_ms + 2_000);
    }
    world.run(2_000);
    assert_eq!(world.pulls, []);
    let without = Membership { epoch: Epoch(3), digest: 3, numbers: vec![MemberNumber(1), MemberNumber(3)] };
    let now_ms = world.now_ms;
    world.gossip(1).on_layout(&without, now_ms);
    assert_eq!(world.gossip(1).views(now_ms).map(|view| view.member.0).collect::<Vec<_>>(), [3]);
}

#[test]
fn two_layouts_of_one_number_are_noticed() {
    let mut world = World::new(2, 1);
    let contents = Contents { epoch: Epoch(1), layout: 99, ..Contents::default() };
    let entry = Entry { member: MemberNumber(2), written: beat(1, 1), contents };
    let mut out = GossipOut::default();
    let message = GossipMessage::Entries { entries: vec![entry] };
    world.gossip(1).on_message(MemberNumber(2), message, 1_000, &mut out);
    assert_eq!(out.conflicts, [MemberNumber(2)]);
}

#[test]
fn nothing_that_a_member_says_breaks_a_machine() {
    let mut rng = Rng::with_seed(3);
    let mut world = World::new(5, 1);
    for _ in 0..3_000 {
        let message = arbitrary(&mut rng);
        world.deliver(rng.u32(0..7), rng.u32(1..=5), message);
        if rng.u32(0..10) == 0 {
            world.run(10);
        }
    }
    assert!(world.traffic.longest_bytes <= GOSSIP_BYTES);
}

fn arbitrary(rng: &mut Rng) -> GossipMessage {
    let number = |rng: &mut Rng| rng.u64(..) >> rng.u32(0..64);
    let some_beat = |rng: &mut Rng| beat(number(rng) as u32, number(rng));
    let marks: Vec<Mark> = (0..rng.usize(0..20))
        .map(|_| Mark { member: MemberNumber(rng.u32(0..8)), beat: some_beat(rng), held: number(rng) })
        .collect();
    let entries = (0..rng.usize(0..5))
        .map(|_| Entry {
            member: MemberNumber(rng.u32(0..8)),
            written: some_beat(rng),
            contents: Contents {
                epoch: Epoch(number(rng)),
                layout: number(rng),
                load: (0..rng.usize(0..10)).map(|_| number(rng)).collect(),
                suspects: (0..rng.usize(0..40))
                    .map(|_| Suspicion { member: MemberNumber(rng.u32(0..8)), beat: some_beat(rng) })
                    .collect(),
                ..Contents::default()
            },
        })
        .collect();
    let wants = (0..rng.usize(0..10)).map(|_| MemberNumber(rng.u32(0..8))).collect();
    match rng.u32(0..3) {
        0 => GossipMessage::Digest { marks },
        1 => GossipMessage::News { marks, entries, wants },
        _ => GossipMessage::Entries { entries },
    }
}
