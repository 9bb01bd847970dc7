//! The power goes between the moment in which a write leaves a server and the one in which it is on its own disk.

use super::{Lab, QUORUM, STRICT, causal};
use crate::{
    client::{Answer, Context},
    server::Stop,
};
use clockwise_core::{canary::Canary, limits::HLC_RESERVE_MS};

/// Writes blind through s1, whose disk is too slow to hold it when its power goes. Returns the write and its context.
fn lost_at_home(lab: &mut Lab) -> (u64, Context) {
    lab.world.servers[0].disk_slowness = 1_000;
    let (number, context) = lab.put(1, None);
    lab.stop(1, Stop::Power);
    lab.world.servers[0].disk_slowness = 1;
    lab.start(1);
    (number, context)
}

#[test]
fn a_blind_write_after_lost_data_takes_no_name_twice() {
    // Riak's issue kv679: the write that the coordinator forgot was lost to one of the same name.
    let mut lab = Lab::new(3, Canary::None);
    let (first, _) = lost_at_home(&mut lab);
    let (second, _) = lab.put(1, None);
    for server in 1..=3 {
        let (seen, _) = lab.get(server, QUORUM);
        assert_eq!(seen.iter().filter_map(|seen| seen.value).collect::<Vec<_>>(), [first, second]);
        assert_ne!(seen[0].dot, seen[1].dot);
    }
}

#[test]
fn a_write_with_the_context_of_a_forgotten_one_replaces_it() {
    let mut lab = Lab::new(3, Canary::None);
    let (_, context) = lost_at_home(&mut lab);
    let (second, _) = lab.put(1, Some(&context));
    for server in 1..=3 {
        assert_eq!(lab.values(server, STRICT), [second]);
    }
}

#[test]
fn with_an_incarnation_that_is_not_durable_it_would_be_lost() {
    let lose = |seed| {
        let mut plan = crate::mix::Plan::quiet(3, Canary::IncarnationNotDurable);
        plan.seed = seed;
        let mut lab = Lab::planned(plan);
        let (first, _) = lost_at_home(&mut lab);
        let number = lab.send(1, causal(), QUORUM, None);
        lab.answer(number);
        !lab.values(2, STRICT).contains(&first) || !lab.values(2, STRICT).contains(&number)
    };
    // A power cut takes a random part of what was not synced, and it must be all.
    assert!((1..=20).any(lose));
}

#[test]
fn what_a_majority_has_synced_survives_a_power_cut_of_all() {
    let mut lab = Lab::new(3, Canary::None);
    let written: Vec<u64> = (0..30).map(|turn| lab.put(turn % 3 + 1, None).0).collect();
    (1..=3).for_each(|server| lab.stop(server, Stop::Power));
    (1..=3).for_each(|server| lab.start(server));
    assert_eq!(lab.values(1, STRICT), written);
}

#[test]
fn restarts_do_not_push_the_clock_ahead() {
    // Each process starts above the reservation of the one before, which must not grow by as much each time.
    let mut lab = Lab::new(3, Canary::None);
    for _ in 0..20 {
        lab.stop(1, Stop::Kill);
        lab.start(1);
    }
    let at_us = lab.world.queue.now_us();
    let truth_ms = lab.world.servers[0].clock.now(at_us).wall_ms;
    let end = lab.ask(1, causal(), QUORUM, None);
    let Some(Answer::Written { time, .. }) = end else { panic!("{end:?}") };
    assert!(time.wall_ms() < truth_ms + 2 * HLC_RESERVE_MS, "{} ms ahead", time.wall_ms() - truth_ms);
}
