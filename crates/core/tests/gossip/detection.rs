//! Kills are noticed in time, pauses and stalls are not taken for them, and who comes back is taken back at once.

use super::world::{Process, World};
use clockwise_core::gossip::Verdict;

const SIZES: [u32; 5] = [2, 3, 5, 30, 100];

#[test]
fn a_killed_server_is_skipped_by_all_within_five_seconds() {
    for size in SIZES {
        let mut worst_ms = 0;
        for seed in 0..if size < 30 { 20 } else { 3 } {
            let mut world = World::new(size, seed);
            world.run(5_000 + seed * 37);
            let (victim, at_ms) = (1 + world.rng.u32(0..size), world.now_ms);
            world.set(victim, Process::Dead);
            world.run(5_000);
            let took_ms = world.skipped_by_all_ms(victim, at_ms).expect("all skip it");
            assert_eq!(
                world.said.len(),
                size as usize - 1,
                "nobody else was ever down, nobody changed its mind"
            );
            worst_ms = worst_ms.max(took_ms);
        }
        println!("{size} servers: a killed one is skipped by all after at most {worst_ms} ms");
        assert!((3_000..5_000).contains(&worst_ms), "{size} servers: {worst_ms} ms");
    }
}

#[test]
fn losses_do_not_change_that() {
    for (size, loss_per_mille) in [(3, 100), (5, 200), (30, 200)] {
        let mut worst_ms = 0;
        for seed in 0..10 {
            let mut world = World::new(size, seed);
            world.loss_per_mille = loss_per_mille;
            world.run(60_000);
            assert_eq!(world.said, [], "{size} servers, seed {seed}: false alarm");
            let at_ms = world.now_ms;
            world.set(1, Process::Dead);
            world.run(8_000);
            worst_ms = worst_ms.max(world.skipped_by_all_ms(1, at_ms).expect("all skip it"));
        }
        println!("{size} servers, {loss_per_mille} of 1000 messages lost: after at most {worst_ms} ms");
        assert!(worst_ms < 6_000, "{size} servers: {worst_ms} ms");
    }
}

#[test]
fn several_killed_at_once_are_skipped_as_soon() {
    for (size, victims) in [(3, 2), (5, 3), (30, 12), (100, 50)] {
        let mut world = World::new(size, 1);
        world.run(5_000);
        let at_ms = world.now_ms;
        (1..=victims).for_each(|victim| world.set(victim, Process::Dead));
        world.run(7_000);
        let took = (1..=victims).map(|victim| world.skipped_by_all_ms(victim, at_ms).expect("all skip it"));
        let worst_ms = took.max().unwrap();
        println!("{victims} of {size} killed: skipped by all others after at most {worst_ms} ms");
        assert!(worst_ms < 5_500, "{size}: {worst_ms} ms");
    }
}

#[test]
fn a_server_that_pauses_for_two_seconds_is_not_declared_down() {
    for size in SIZES {
        for seed in 0..if size < 30 { 20 } else { 3 } {
            let mut world = World::new(size, seed);
            world.loss_per_mille = 20;
            world.run(5_000 + seed * 37);
            for victim in [1, size, 1] {
                world.set(victim, Process::Paused);
                world.run(2_000);
                world.set(victim, Process::Running);
                world.run(1_500);
            }
            assert_eq!(world.said, [], "{size} servers, seed {seed}");
        }
    }
}

#[test]
fn a_long_pause_ends_with_up_at_once_and_the_sleeper_blames_nobody() {
    for size in [3, 5, 30] {
        let mut worst_ms = 0;
        for seed in 0..10 {
            let mut world = World::new(size, seed);
            world.run(5_000);
            world.set(2, Process::Paused);
            world.run(20_000);
            assert!(world.numbers().all(|by| by == 2 || world.down(by).contains(&2)));
            let at_ms = world.now_ms;
            world.set(2, Process::Running);
            world.run(10_000);
            assert!(world.said.iter().all(|said| said.by != 2), "its own clock stood still");
            assert_eq!(world.gossip(2).stalls(), 1);
            let ups: Vec<u64> =
                world.said.iter().filter(|s| s.verdict == Verdict::Up).map(|s| s.at_ms - at_ms).collect();
            assert_eq!(ups.len(), size as usize - 1, "up once, by each");
            worst_ms = worst_ms.max(ups.into_iter().max().unwrap());
        }
        println!("{size} servers: one that comes back is up for all after at most {worst_ms} ms");
        assert!(worst_ms < 1_500);
    }
}

#[test]
fn a_new_process_is_up_at_once() {
    let mut world = World::new(5, 3);
    world.run(3_000);
    world.set(4, Process::Dead);
    world.run(6_000);
    world.restart(4, 2);
    world.run(1_500);
    assert!(world.numbers().all(|by| world.down(by).is_empty()));
    // And a quick restart is not even noticed.
    let said = world.said.len();
    world.set(4, Process::Dead);
    world.run(1_500);
    world.restart(4, 3);
    world.run(10_000);
    assert_eq!(world.said.len(), said);
}

#[test]
fn a_counter_that_was_set_back_is_ignored_and_its_server_is_up_by_its_answers() {
    let mut world = World::new(3, 3);
    world.run(3_000);
    world.restart(2, 9);
    world.run(2_000);
    world.set(2, Process::Dead);
    world.run(6_000);
    // An old copy of its folder: it has started less often than the others know.
    world.restart(2, 4);
    world.run(10_000);
    assert!([1, 3].into_iter().all(|by| world.down(by).is_empty()));
    assert_eq!(world.outlived, [2], "it learns that it was outlived, once");
    let of_two = |by: u32, world: &mut World| {
        let now_ms = world.now_ms;
        world.gossip(by).views(now_ms).find(|view| view.member.0 == 2).unwrap()
    };
    assert_eq!(of_two(1, &mut world).beat.generation, 9);
    assert_eq!(world.starts(2), 4);
}
