//! Who is down, with the whole of a server around the gossip: links, pings, shards.

use super::Lab;
use crate::{
    membership::Said,
    network::Cut,
    server::{State, Stop},
};
use clockwise_core::{
    canary::Canary,
    gossip::Verdict,
    ids::{Epoch, MemberNumber},
    limits::SILENT_MS,
};

/// Whether every shard of a server leaves another one out.
fn skips(lab: &Lab, by: usize, of: usize) -> bool {
    let process = lab.world.servers[by - 1].process.as_ref().expect("it runs");
    let of = MemberNumber(of as u32);
    process.gossip.is_down(of) && process.units.iter().all(|unit| !unit.shard.is_live(of))
}

fn counts(said: &[Said]) -> (usize, usize) {
    let ups = said.iter().filter(|said| said.verdict == Verdict::Up).count();
    (said.len() - ups, ups)
}

fn pause(lab: &mut Lab, server: usize, span_ms: u64) {
    lab.world.servers[server - 1].state = State::Paused;
    lab.wait_ms(span_ms);
    lab.world.resume(server - 1);
}

#[test]
fn a_killed_server_is_skipped_by_all_within_five_seconds_and_taken_back_when_it_starts() {
    for servers in [3, 5] {
        let mut lab = Lab::new(servers, Canary::None);
        lab.wait_ms(3_000);
        for victim in 1..=servers {
            lab.stop(victim, Stop::Kill);
            lab.wait_ms(5_000);
            let others = || (1..=servers).filter(move |&other| other != victim);
            assert!(others().all(|other| skips(&lab, other, victim)), "s{victim} of {servers}");
            lab.start(victim);
            lab.wait_ms(1_500);
            assert!(others().all(|other| !skips(&lab, other, victim)), "s{victim} of {servers}");
        }
        let (downs, ups) = counts(&lab.world.said);
        assert_eq!((downs, ups), (servers * (servers - 1), servers * (servers - 1)));
    }
}

#[test]
fn a_server_without_power_is_noticed_although_nobody_says_goodbye() {
    let mut lab = Lab::new(5, Canary::None);
    lab.wait_ms(3_000);
    lab.stop(2, Stop::Power);
    lab.wait_ms(5_000);
    assert!([1, 3, 4, 5].into_iter().all(|other| skips(&lab, other, 2)));
}

#[test]
fn a_server_that_pauses_for_two_seconds_is_not_declared_down() {
    for servers in [3, 5] {
        let mut lab = Lab::new(servers, Canary::None);
        lab.wait_ms(3_000);
        for victim in 1..=servers {
            pause(&mut lab, victim, 2_000);
            lab.wait_ms(2_000);
        }
        assert_eq!(lab.world.said, []);
    }
}

#[test]
fn a_server_that_pauses_for_long_is_down_meanwhile_and_blames_nobody_afterwards() {
    let mut lab = Lab::new(5, Canary::None);
    lab.wait_ms(3_000);
    pause(&mut lab, 3, 20_000);
    lab.wait_ms(3_000);
    assert_eq!(counts(&lab.world.said), (4, 4));
    assert!(lab.world.said.iter().all(|said| said.by != 2 && said.of == MemberNumber(3)));
}

#[test]
fn a_one_way_partition_does_not_flap() {
    for cut in [Cut::Swallow, Cut::Stall] {
        let mut lab = Lab::new(5, Canary::None);
        lab.wait_ms(3_000);
        // Nothing gets from the first server to the second.
        let number = lab.world.network.cut(0, 1, cut);
        lab.wait_ms(60_000);
        assert_eq!(lab.world.said, [], "the others bring its heartbeats");
        lab.mend(1, 2, number);
        lab.wait_ms(3_000);
        // Nothing gets from the first server to anybody.
        let cuts: Vec<u64> = (1..5).map(|to| lab.world.network.cut(0, to, cut)).collect();
        lab.wait_ms(60_000);
        assert!((2..=5).all(|by| skips(&lab, by, 1)));
        for (to, number) in (2..).zip(cuts) {
            lab.mend(1, to, number);
        }
        lab.wait_ms(SILENT_MS + 2_000);
        assert_eq!(counts(&lab.world.said), (4, 4), "{cut:?}: down once, up once");
    }
}

#[test]
fn a_layout_reaches_who_missed_it_although_nobody_asks_anything() {
    let mut lab = Lab::new(5, Canary::None);
    lab.wait_ms(1_000);
    lab.stop(5, Stop::Kill);
    lab.world.change_layout();
    lab.start(5);
    lab.wait_ms(2_000);
    let mut processes = lab.world.servers.iter().map(|server| server.process.as_ref().expect("it runs"));
    assert!(processes.all(|process| process.layout.epoch() == Epoch(2)));
}

#[test]
fn two_halves_leave_each_other_out_until_they_meet_again() {
    let mut lab = Lab::new(5, Canary::None);
    lab.wait_ms(3_000);
    let mut cuts = Vec::new();
    for a in 1..=2 {
        for b in 3..=5 {
            cuts.push((a, b, lab.world.network.cut(a - 1, b - 1, Cut::Swallow)));
            cuts.push((b, a, lab.world.network.cut(b - 1, a - 1, Cut::Swallow)));
        }
    }
    lab.wait_ms(8_000);
    assert!((1..=2).all(|by| (3..=5).all(|of| skips(&lab, by, of) && skips(&lab, of, by))));
    for (from, to, cut) in cuts {
        lab.mend(from, to, cut);
    }
    lab.wait_ms(2_000);
    assert_eq!(counts(&lab.world.said), (12, 12));
}
