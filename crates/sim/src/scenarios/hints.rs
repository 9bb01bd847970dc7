//! Stand-ins: what they hold, who gets it, and what must not come of it. Three replicas on five servers.

use super::{Lab, QUORUM, STRICT, causal, plain};
use crate::{client::Answer, server::Stop};
use clockwise_core::{
    canary::Canary,
    ids::Epoch,
    layout::{Layout, LayoutSpec},
    request::{Basis, Level, Need, Op, Rejected},
    slot::Slot,
    version::Token,
};

const ONE: Level = Level { need: Need::One, strict: false };

/// A cluster, the owners of the key and its stand-ins, both clockwise.
fn five() -> (Lab, Vec<usize>, Vec<usize>) {
    let lab = Lab::new(5, Canary::None);
    let slot = Slot::of(&lab.world.history.keys[lab.key].name);
    let owners: Vec<usize> = lab.world.layout.owners(slot).iter().map(|it| it.0 as usize).collect();
    let others: Vec<usize> = lab.world.layout.stand_ins(slot).iter().map(|it| it.0 as usize).collect();
    (lab, owners, others)
}

impl Lab {
    fn held(&self, server: usize) -> u64 {
        self.world.servers[server - 1].stats().map(|stats| stats.hints.held).sum()
    }

    fn all_held(&self) -> u64 {
        (1..=self.world.servers.len()).map(|server| self.held(server)).sum()
    }

    fn stop_all(&mut self, servers: &[usize], how: Stop) {
        servers.iter().for_each(|&server| self.stop(server, how));
        self.wait_ms(1_600);
    }

    fn start_all(&mut self, servers: &[usize]) {
        servers.iter().for_each(|&server| self.start(server));
    }

    /// What a server has of the key, with all others stopped.
    fn alone(&mut self, server: usize) -> Vec<u64> {
        let others: Vec<usize> = (1..=self.world.servers.len()).filter(|other| *other != server).collect();
        self.stop_all(&others, Stop::Kill);
        self.values(server, ONE)
    }
}

#[test]
fn the_holder_is_killed_in_the_middle_of_a_delivery() {
    for how in [Stop::Kill, Stop::Power] {
        let (mut lab, owners, others) = five();
        lab.stop(owners[2], Stop::Kill);
        lab.wait_ms(100);
        let written: Vec<u64> = (0..20).map(|_| lab.put(owners[0], None).0).collect();
        lab.wait_ms(50);
        let holder = *others.iter().find(|&&other| lab.held(other) == 20).expect("one of them holds all");
        // The owner takes what it is given, and does not get it onto its disk.
        lab.world.servers[owners[2] - 1].disk_slowness = 10_000;
        lab.start(owners[2]);
        lab.stop(holder, how);
        lab.world.servers[owners[2] - 1].disk_slowness = 1;
        lab.stop(owners[2], Stop::Power);
        lab.start_all(&[holder, owners[2]]);
        lab.wait_ms(8_000);
        assert_eq!(lab.all_held(), 0);
        assert_eq!(lab.alone(owners[2]), written);
    }
}

#[test]
fn a_hint_for_a_server_that_left_goes_to_the_owners_of_now() {
    let (mut lab, owners, _) = five();
    lab.stop(owners[2], Stop::Kill);
    lab.wait_ms(100);
    let (number, _) = lab.put(owners[0], None);
    lab.wait_ms(50);
    assert_eq!(lab.all_held(), 1);
    let spec = lab.world.layout.spec();
    let left = owners[2] as u32;
    let members = spec.members.iter().filter(|member| member.number.0 != left).cloned().collect();
    let spec = LayoutSpec { epoch: Epoch(2), members, ..spec.clone() };
    let layout = Layout::new(spec).expect("one member fewer");
    let now: Vec<usize> = (1..=5).filter(|server| *server != owners[2]).collect();
    for server in &now {
        lab.world.install_layout(server - 1, bytes::Bytes::from(layout.encode()));
    }
    lab.wait_ms(5_000);
    assert_eq!(lab.all_held(), 0);
    let slot = Slot::of(&lab.world.history.keys[lab.key].name);
    let newcomer = layout.owners(slot).iter().map(|it| it.0 as usize).find(|it| !owners.contains(it));
    assert_eq!(lab.alone(newcomer.expect("somebody took the place")), [number]);
}

#[test]
fn a_stand_in_delivers_and_stands_in_again_for_the_same_key() {
    let (mut lab, owners, others) = five();
    let mut written = Vec::new();
    for _ in 0..4 {
        lab.stop_all(&owners, Stop::Clean);
        written.push(lab.put(others[0], None).0);
        lab.start_all(&owners);
        lab.wait_ms(3_000);
        assert_eq!(lab.all_held(), 0);
    }
    assert_eq!(lab.values(owners[0], STRICT), written);
}

#[test]
fn a_delete_through_a_stand_in_that_never_saw_the_key_holds() {
    let (mut lab, owners, others) = five();
    lab.set(owners[0], Level { need: Need::All, strict: true });
    lab.stop_all(&owners, Stop::Kill);
    let delete = Op::Delete { basis: Basis::Plain };
    let end = lab.ask(others[1], delete, QUORUM, None);
    assert!(matches!(end, Some(Answer::Written { .. })), "{end:?}");
    lab.start_all(&owners);
    lab.wait_ms(3_000);
    assert_eq!(lab.values(owners[1], STRICT), [0u64; 0]);
    assert_eq!(lab.alone(owners[0]), [0u64; 0]);
}

#[test]
fn a_causal_delete_through_a_stand_in_takes_what_its_context_says() {
    let (mut lab, owners, others) = five();
    let (_, first) = lab.put(owners[0], None);
    let (second, _) = lab.put(owners[0], None);
    lab.stop_all(&owners, Stop::Power);
    let delete = Op::Delete { basis: Basis::Causal(Token::EMPTY) };
    let end = lab.ask(others[0], delete, QUORUM, Some(&first));
    assert!(matches!(end, Some(Answer::Written { .. })), "{end:?}");
    lab.start_all(&owners);
    lab.wait_ms(3_000);
    assert_eq!(lab.values(owners[2], STRICT), [second]);
}

#[test]
fn with_stand_ins_a_lone_client_may_see_its_own_sibling() {
    // The counterexample of docs/decisions/sloppy-siblings.md: the write is held by stand-ins, the read meets owners.
    let (mut lab, owners, others) = five();
    let (first, _) = lab.put(owners[0], None);
    lab.wait_ms(50);
    lab.stop_all(&owners, Stop::Kill);
    let (second, _) = lab.put(others[0], None);
    lab.stop_all(&others, Stop::Kill);
    lab.start_all(&owners);
    let (seen, context) = lab.get(owners[0], QUORUM);
    assert_eq!(seen.iter().filter_map(|it| it.value).collect::<Vec<_>>(), [first], "not its last write");
    let (third, _) = lab.put(owners[0], Some(&context));
    lab.start_all(&others);
    lab.wait_ms(3_000);
    assert_eq!(lab.values(owners[0], STRICT), [second, third], "kept, not lost");
}

#[test]
fn a_partition_that_swizzles_heals_in_any_order() {
    for seed in 0..6 {
        let (mut lab, owners, _) = five();
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut pairs: Vec<(usize, usize)> =
            (1..=5).flat_map(|a| (1..=5).map(move |b| (a, b))).filter(|(a, b)| a != b).collect();
        rng.shuffle(&mut pairs);
        let mut written = Vec::new();
        let mut cuts = Vec::new();
        for (a, b) in pairs {
            cuts.push((a, b, lab.cut(a, b)));
            let through = rng.usize(1..=5);
            let number = lab.send(through, causal(), ONE, None);
            if let Some(Answer::Written { .. }) = lab.answer(number) {
                written.push(number);
            }
        }
        rng.shuffle(&mut cuts);
        for (a, b, cut) in cuts {
            lab.mend(a, b, cut);
            lab.wait_ms(rng.u64(0..300));
        }
        (1..=5).for_each(|a| (a + 1..=5).for_each(|b| lab.world.break_link(a - 1, b - 1)));
        lab.wait_ms(15_000);
        assert_eq!(lab.all_held(), 0, "seed {seed}");
        let values = lab.values(owners[0], Level { need: Need::All, strict: true });
        assert!(written.len() > 3, "seed {seed}: {written:?}");
        assert!(written.iter().all(|number| values.contains(number)), "{written:?} in {values:?}");
    }
}

#[test]
fn a_coordinator_that_stands_still_for_a_minute_changes_nothing_afterwards() {
    let (mut lab, owners, _) = five();
    let cuts: Vec<(usize, u64)> = owners[1..].iter().map(|&to| (to, lab.cut(owners[0], to))).collect();
    let number = lab.send(owners[0], causal(), STRICT, None);
    lab.wait_ms(2);
    lab.world.servers[owners[0] - 1].state = crate::server::State::Paused;
    lab.wait_ms(1_500);
    // The others go on; a plain write replaces all that they know.
    let later = lab.set(owners[1], STRICT);
    lab.wait_ms(60_000);
    for (to, cut) in cuts {
        lab.mend(owners[0], to, cut);
    }
    lab.world.resume(owners[0] - 1);
    lab.wait_ms(3_000);
    assert!(!matches!(lab.answer(number), Some(Answer::Written { .. })), "long past its time");
    let values = lab.values(owners[2], Level { need: Need::All, strict: true });
    assert!(values == [number, later] || values == [later], "{values:?}: beside each other, nothing lost");
}

#[test]
fn an_hour_off_a_server_takes_no_plain_writes_and_spoils_none() {
    let (mut lab, owners, _) = five();
    lab.skew_ms(owners[0], 3_600_000);
    lab.wait_ms(2_000);
    let end = lab.ask(owners[0], plain(), QUORUM, None);
    assert!(matches!(end, Some(Answer::Rejected(Rejected::ClockSkew))), "{end:?}");
    let (first, context) = lab.put(owners[0], None);
    let (second, _) = lab.put(owners[1], Some(&context));
    assert_ne!(first, second);
    assert_eq!(lab.values(owners[2], STRICT), [second], "order is by context, not by clock");
    let plain = lab.set(owners[1], STRICT);
    assert_eq!(lab.values(owners[0], STRICT), [plain]);
}

#[test]
fn ten_thousand_siblings_are_refused_and_no_stand_in_holds_more_either() {
    let (mut lab, owners, others) = five();
    lab.stop(owners[2], Stop::Kill);
    lab.wait_ms(100);
    let mut taken = Vec::new();
    for _ in 0..10_000 {
        let number = lab.send(owners[0], causal(), QUORUM, None);
        match lab.answer(number) {
            Some(Answer::Written { .. }) => taken.push(number),
            Some(Answer::Rejected(Rejected::TooManySiblings)) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(taken.len(), clockwise_core::limits::SIBLINGS);
    assert!(others.iter().all(|&other| lab.held(other) <= taken.len() as u64));
    lab.start(owners[2]);
    lab.wait_ms(3_000);
    assert_eq!(lab.all_held(), 0);
    assert_eq!(lab.alone(owners[2]), taken);
}

#[test]
fn a_replica_with_syncs_of_ten_seconds_holds_nobody_up() {
    let (mut lab, owners, _) = five();
    // A sync takes 0.3 ms elsewhere.
    lab.world.servers[owners[2] - 1].disk_slowness = 33_000;
    let began_us = lab.world.queue.now_us();
    let numbers: Vec<u64> = (0..50).map(|_| lab.set(owners[0], STRICT)).collect();
    let took_us = lab.world.queue.now_us() - began_us;
    assert!(took_us < 50 * 10_000, "{took_us} us for 50 writes");
    assert_eq!(lab.values(owners[1], STRICT), numbers[49..]);
}
