//! Cuts in one direction and in both: verdicts follow what can be heard, and do not flap.

use super::world::{Process, World};
use clockwise_core::gossip::Verdict;

/// How often each verdict was given.
fn counts(world: &World) -> (usize, usize) {
    let ups = world.said.iter().filter(|said| said.verdict == Verdict::Up).count();
    (world.said.len() - ups, ups)
}

#[test]
fn one_direction_between_two_of_five_changes_nothing() {
    for seed in 0..10 {
        let mut world = World::new(5, seed);
        world.run(5_000);
        world.cut(1, 2);
        world.run(60_000);
        world.mend_all();
        world.run(5_000);
        assert_eq!(world.said, [], "others bring the heartbeats");
    }
}

#[test]
fn a_server_that_cannot_send_goes_down_once_and_comes_back_once() {
    for seed in 0..10 {
        let mut world = World::new(5, seed);
        world.run(5_000);
        (2..=5).for_each(|to| world.cut(1, to));
        world.run(60_000);
        assert!((2..=5).all(|by| world.down(by) == [1].into()));
        assert!(world.down(1).is_empty(), "it hears all others");
        world.mend_all();
        world.run(5_000);
        assert_eq!(counts(&world), (4, 4));
    }
}

#[test]
fn a_server_that_cannot_hear_leaves_out_the_others_once() {
    for seed in 0..10 {
        let mut world = World::new(5, seed);
        world.run(5_000);
        (2..=5).for_each(|from| world.cut(from, 1));
        world.run(60_000);
        assert_eq!(world.down(1), [2, 3, 4, 5].into());
        assert!((2..=5).all(|by| world.down(by).is_empty()), "they hear it");
        world.mend_all();
        world.run(5_000);
        assert_eq!(counts(&world), (4, 4));
    }
}

#[test]
fn a_ring_of_one_way_links_does_not_flap() {
    for seed in 0..5 {
        let mut world = World::new(5, seed);
        world.run(5_000);
        // Each hears only the one before it, so that all heartbeats still go around.
        for from in 1..=5 {
            for to in (1..=5).filter(|&to| to != from && to != from % 5 + 1) {
                world.cut(from, to);
            }
        }
        world.run(60_000);
        assert_eq!(world.said, [], "digests alone carry heartbeats");
    }
}

#[test]
fn two_halves_leave_each_other_out_and_find_back() {
    let mut worst_ms = 0;
    for seed in 0..10 {
        let mut world = World::new(5, seed);
        world.run(5_000);
        for (a, b) in [(1, 3), (1, 4), (1, 5), (2, 3), (2, 4), (2, 5)] {
            world.cut(a, b);
            world.cut(b, a);
        }
        world.run(30_000);
        assert!([1, 2].into_iter().all(|by| world.down(by) == [3, 4, 5].into()));
        assert!([3, 4, 5].into_iter().all(|by| world.down(by) == [1, 2].into()));
        let at_ms = world.now_ms;
        world.mend_all();
        world.run(5_000);
        assert_eq!(counts(&world), (12, 12), "once each");
        worst_ms = worst_ms.max(world.said.last().unwrap().at_ms - at_ms);
    }
    println!("two halves of five find back after at most {worst_ms} ms");
    assert!(worst_ms < 1_500);
}

#[test]
fn a_link_that_comes_and_goes_does_not_flap() {
    // Server 1 reaches the others only for a tenth of a second out of five: after some rounds nobody is surprised.
    let mut world = World::new(5, 4);
    world.run(5_000);
    for _ in 0..60 {
        for other in 2..=5 {
            world.cut(1, other);
            world.cut(other, 1);
        }
        world.run(4_700);
        world.mend_all();
        world.run(300);
    }
    let last_ms = world.said.last().map_or(0, |said| said.at_ms);
    let quiet_ms = world.now_ms - last_ms;
    println!("a link open for 0.3 s in 5 s: {} verdicts, none in the last {quiet_ms} ms", world.said.len());
    assert!(quiet_ms > 200_000);
}

#[test]
fn without_another_to_ask_the_own_eyes_suffice() {
    for (size, dead) in [(2, 1), (3, 2), (5, 4)] {
        let mut world = World::new(size, 2);
        world.run(3_000);
        (2..2 + dead).for_each(|victim| world.set(victim, Process::Dead));
        world.run(5_000);
        assert_eq!(world.down(1).len(), dead as usize);
    }
}
