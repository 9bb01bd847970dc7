//! Collection of what was deleted: it waits for whom it must, and nothing comes back. (Single rules are tested in core.)

use super::{Lab, QUORUM, STRICT};
use crate::{client::Answer, mix::Plan, server::Stop};
use clockwise_core::{
    canary::Canary,
    request::{Basis, Level, Need, Op},
    slot::Slot,
};

const ONE: Level = Level { need: Need::One, strict: false };
const ALL: Level = Level { need: Need::All, strict: true };
/// Longer than a bucket, the margin, looks at all slots, and rounds.
const COLLECTED_MS: u64 = 28_000;

fn lab(servers: usize, canary: Canary) -> Lab {
    Lab::planned(Plan { exchange: true, collect: true, ..Plan::quiet(servers, canary) })
}

/// Servers that collect and do not compare: what differs is found by rounds alone.
fn without_exchange(seed: u64, canary: Canary) -> Lab {
    Lab::planned(Plan { seed, collect: true, ..Plan::quiet(3, canary) })
}

impl Lab {
    pub(super) fn delete(&mut self, server: usize, level: Level) {
        let end = self.ask(server, Op::Delete { basis: Basis::Plain }, level, None);
        assert!(matches!(end, Some(Answer::Written { .. })), "{end:?}");
    }

    /// Records collected by the processes that run.
    fn collected(&self) -> u64 {
        let stats = self.world.servers.iter().flat_map(|server| server.stats());
        stats.map(|stats| stats.collect.collected).sum()
    }

    fn rounds_void(&self) -> u64 {
        let stats = self.world.servers.iter().flat_map(|server| server.stats());
        stats.map(|stats| stats.collect.rounds_void).sum()
    }

    /// The owners of the key, in the order of the preference list.
    fn owners(&self) -> Vec<usize> {
        let slot = Slot::of(&self.world.history.keys[self.key].name);
        self.world.layout.owners(slot).iter().map(|owner| owner.0 as usize).collect()
    }

    fn pass_s(&mut self, seconds: u64) {
        self.wait_ms(seconds * 1_000);
    }
}

/// An owner with the old value is away while the key is deleted, for long, and written and deleted again; then it comes back.
fn away_with_the_old_value(canary: Canary) -> (u64, Vec<u64>) {
    let mut lab = lab(3, canary);
    lab.set(1, ALL);
    lab.stop(3, Stop::Kill);
    lab.wait_ms(100);
    lab.delete(1, QUORUM);
    lab.wait_ms(COLLECTED_MS);
    let collected = lab.collected();
    lab.start(3);
    lab.wait_ms(2 * COLLECTED_MS);
    (collected, lab.values(3, STRICT))
}

#[test]
fn a_collection_waits_for_the_owner_that_has_the_old_value() {
    let (collected, values) = away_with_the_old_value(Canary::None);
    assert_eq!((collected, values), (0, vec![]));
}

#[test]
fn collected_by_the_own_clock_a_value_comes_back() {
    let (collected, values) = away_with_the_old_value(Canary::CollectEarly);
    assert!(collected > 0 && values.len() == 1, "the bug is caught: {collected}, {values:?}");
}

#[test]
fn deleted_collected_and_written_again_while_an_owner_was_away() {
    let mut lab = lab(3, Canary::None);
    lab.set(1, ALL);
    lab.stop(3, Stop::Power);
    lab.wait_ms(100);
    lab.delete(2, QUORUM);
    lab.wait_ms(5_000);
    let again = lab.set(1, QUORUM);
    lab.delete(1, QUORUM);
    lab.pass_s(10);
    assert_eq!(lab.collected(), 0);
    lab.start(3);
    lab.wait_ms(COLLECTED_MS);
    assert_eq!(lab.collected(), 3, "at all three, once");
    let last = lab.set(3, QUORUM);
    assert_ne!(again, last);
    assert_eq!(lab.values(1, ALL), [last]);
}

#[test]
fn a_delete_through_a_stand_in_that_never_saw_the_key_is_collected_at_its_end() {
    let mut lab = lab(5, Canary::None);
    let owners = lab.owners();
    let other = (1..=5).find(|server| !owners.contains(server)).expect("five servers, three owners");
    lab.set(owners[0], ALL);
    owners.iter().for_each(|&owner| lab.stop(owner, Stop::Kill));
    lab.wait_ms(1_600);
    lab.delete(other, ONE);
    lab.wait_ms(COLLECTED_MS);
    assert_eq!(lab.collected(), 0);
    owners.iter().for_each(|&owner| lab.start(owner));
    lab.wait_ms(2 * COLLECTED_MS);
    assert_eq!(lab.collected(), 3);
    assert_eq!(lab.values(owners[1], ALL), [0u64; 0]);
}

/// A delete that the hub alone has. In the round that brings it to the others the disk of one of them does not answer, and
/// then that one loses its power. Its value afterwards, whether anything was collected before, and void rounds.
fn power_is_lost_in_a_round(seed: u64, canary: Canary) -> (Vec<u64>, u64, u64) {
    let mut lab = without_exchange(seed, canary);
    let owners = lab.owners();
    let (hub, others) = (owners[0], &owners[1..]);
    lab.set(hub, ALL);
    lab.wait_ms(100);
    others.iter().for_each(|&other| lab.stop(other, Stop::Clean));
    lab.wait_ms(100);
    lab.delete(hub, ONE);
    others.iter().for_each(|&other| lab.start(other));
    // It has answered, and begins to fetch.
    while lab.world.servers[others[1] - 1].stats().all(|stats| stats.collect.fetches == 0) {
        assert!(lab.world.queue.now_us() < 60_000_000, "the round comes");
        lab.world.run_for(200);
    }
    lab.world.servers[others[1] - 1].disk_slowness = 1_000_000;
    lab.wait_ms(6_000);
    let collected = lab.collected();
    lab.stop(others[1], Stop::Power);
    lab.world.servers[others[1] - 1].disk_slowness = 1;
    lab.start(others[1]);
    lab.wait_ms(1_000);
    (lab.values(others[1], ONE), collected, lab.rounds_void())
}

/// What a power cut leaves of unsynced writes differs from one to the next.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=6;

/// Whether the deleted value is there again, while others have collected its delete.
fn comes_back(canary: Canary) -> bool {
    SEEDS.into_iter().any(|seed| {
        let (values, collected, _) = power_is_lost_in_a_round(seed, canary);
        collected > 0 && values.len() == 1
    })
}

#[test]
fn a_round_is_void_if_an_owner_stops_before_it_has_confirmed() {
    for seed in SEEDS {
        let (_, collected, void) = power_is_lost_in_a_round(seed, Canary::None);
        assert_eq!(collected, 0);
        assert!(void > 0);
    }
}

#[test]
fn after_a_void_round_the_next_one_brings_it_to_its_end() {
    let mut lab = without_exchange(1, Canary::None);
    let owners = lab.owners();
    lab.set(owners[0], ALL);
    lab.wait_ms(100);
    lab.stop(owners[2], Stop::Kill);
    lab.wait_ms(100);
    lab.delete(owners[0], QUORUM);
    lab.start(owners[2]);
    lab.world.servers[owners[2] - 1].disk_slowness = 1_000_000;
    lab.wait_ms(COLLECTED_MS);
    lab.stop(owners[2], Stop::Power);
    lab.world.servers[owners[2] - 1].disk_slowness = 1;
    lab.start(owners[2]);
    lab.wait_ms(COLLECTED_MS);
    assert_eq!(lab.collected(), 3);
    assert_eq!(lab.values(owners[2], ALL), [0u64; 0]);
}

#[test]
fn a_round_that_does_not_wait_for_all_brings_a_value_back() {
    assert!(comes_back(Canary::RoundWithoutAll), "the bug is caught");
}

#[test]
fn an_owner_that_confirms_before_its_disk_does_brings_a_value_back() {
    assert!(comes_back(Canary::ConfirmBeforeSync), "the bug is caught");
}

#[test]
fn what_expires_is_collected_and_what_does_not_is_kept() {
    let mut lab = lab(3, Canary::None);
    let keys = ["ttl-1", "ttl-2", "ttl-3"];
    for key in keys {
        lab.use_key(key);
        let op = Op::Set { basis: Basis::Plain, value: bytes::Bytes::new(), expires_ms: Some(2_000) };
        assert!(matches!(lab.ask(1, op, QUORUM, None), Some(Answer::Written { .. })));
    }
    lab.use_key("kept");
    let kept = lab.set(2, QUORUM);
    lab.wait_ms(COLLECTED_MS);
    assert_eq!(lab.collected(), 9);
    assert_eq!(lab.values(1, ALL), [kept]);
}
