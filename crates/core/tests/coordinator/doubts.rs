//! Every doubt about hints that a review raised, each as a test: rules R2, R4 and R6 of the specification.

use super::{
    cluster::{BLIND, Cluster, level},
    hints::{Five, SLOPPY, all_held, back, five, held, pass},
    layout, values,
};
use clockwise_core::{
    canary::Canary,
    hints::HintBudget,
    ids::{Epoch, MemberNumber},
    limits::{RECORD_BYTES, VALUE_BYTES},
    message::{Body, Delivered},
    request::{Basis, Op, Outcome},
    slot::Slot,
    storage::Storage,
};

const ALL: [u32; 5] = [1, 2, 3, 4, 5];

fn key(number: usize) -> String {
    format!("{{k}}{number:03}")
}

/// Sets so many keys of one slot while an owner is down. Returns who holds them.
fn missed(cluster: &mut Cluster, owners: &[u32], others: &[u32], keys: usize) -> u32 {
    cluster.stop(owners[2]);
    for number in 0..keys {
        cluster.set(owners[0], &key(number), "v", Basis::Plain, SLOPPY);
    }
    cluster.settle();
    *others.iter().find(|&&other| held(cluster, other) == keys as u64).expect("one of them holds all")
}

fn tick(cluster: &mut Cluster, number: u32) {
    cluster.mono_ms += 10;
    cluster.with(number, |shard, now, store, out| shard.on_tick(now, store, out));
}

/// What an owner has of these keys, with everybody else cut off.
fn holds(cluster: &mut Cluster, owner: u32, number: usize) -> bool {
    let others = ALL.into_iter().filter(|other| *other != owner);
    cluster.cut = others.flat_map(|other| [(owner, other), (other, owner)]).collect();
    let value = cluster.value(owner, &key(number), level(1, true));
    cluster.cut.clear();
    value.is_some()
}

#[test]
fn a_new_layout_in_the_middle_of_a_walk_puts_nothing_into_another_slot() {
    let Five { mut cluster, owners, .. } = five();
    pass(&mut cluster, 50);
    cluster.stop(owners[2]);
    for number in 0..60 {
        cluster.run(owners[0], &format!("key{number}"), set("v", Basis::Plain), SLOPPY);
    }
    cluster.settle();
    assert!(all_held(&cluster) > 20);
    back(&mut cluster, owners[2]);
    // The walks are in the middle of it, without an answer so far, and the next pages come only under the next layout.
    cluster.cut = ALL.into_iter().map(|to| (owners[2], to)).collect();
    for round in 0..5 {
        for number in ALL {
            tick(&mut cluster, number);
            let pages = if round < 4 { 2 } else { 0 };
            (0..pages).for_each(|_| {
                cluster.load(number);
            });
        }
        cluster.settle();
    }
    cluster.cut.clear();
    let next = layout(2, &ALL, 3);
    ALL.into_iter().for_each(|number| cluster.install(number, next.clone()));
    pass(&mut cluster, 4_000);
    assert_eq!(all_held(&cluster), 0);
    for server in &cluster.servers {
        assert_eq!(server.store.strays(), [[0u8; 0]; 0], "in the slot of another key");
    }
}

fn set(value: &str, basis: Basis) -> Op {
    Op::Set { basis, value: value.to_owned().into(), expires_ms: None }
}

#[test]
fn what_is_counted_after_a_start_stays_right_while_it_is_delivered() {
    let Five { mut cluster, owners, others } = five();
    pass(&mut cluster, 50);
    let holder = missed(&mut cluster, &owners, &others, 600);
    cluster.restart(holder);
    back(&mut cluster, owners[2]);
    for _ in 0..20 {
        // Page by page, so that a walk could begin before the last one is counted.
        tick(&mut cluster, holder);
        cluster.load(holder);
        cluster.settle();
    }
    pass(&mut cluster, 7_000);
    let stats = cluster.servers[holder as usize - 1].shard.stats().hints;
    assert_eq!((stats.held, stats.bytes, stats.oldest), (0, 0, None));
}

#[test]
fn counting_goes_on_after_an_error_of_the_disk() {
    let Five { mut cluster, owners, others } = five();
    pass(&mut cluster, 50);
    let holder = missed(&mut cluster, &owners, &others, 10);
    cluster.servers[holder as usize - 1].store.failing_pages = 2;
    cluster.restart(holder);
    pass(&mut cluster, 2_000);
    assert_eq!(held(&cluster, holder), 10);
    cluster.servers[holder as usize - 1].store.failing_pages = 2;
    back(&mut cluster, owners[2]);
    pass(&mut cluster, 4_000);
    assert_eq!(all_held(&cluster), 0);
}

#[test]
fn a_stand_in_that_becomes_an_owner_does_not_claim_what_it_still_holds() {
    let Five { mut cluster, owners, others } = five();
    pass(&mut cluster, 50);
    owners.iter().for_each(|&owner| cluster.stop(owner));
    cluster.set(others[0], "k", "held", BLIND, SLOPPY);
    cluster.settle();
    let next = layout(2, &ALL, 5);
    ALL.into_iter().for_each(|number| cluster.install(number, next.clone()));
    cluster.set(others[0], "k", "owned", BLIND, level(2, false));
    owners.iter().for_each(|&owner| back(&mut cluster, owner));
    pass(&mut cluster, 4_000);
    assert_eq!(all_held(&cluster), 0);
    assert_eq!(values(&cluster.get(owners[0], "k", level(5, true)).record), ["held", "owned"]);
}

#[test]
fn an_owner_that_becomes_a_stand_in_does_not_use_its_dots_again() {
    let Five { owners, others, .. } = five();
    let mut cluster = Cluster::new(5, 5, Canary::None);
    pass(&mut cluster, 50);
    cluster.set(others[0], "k", "owned", BLIND, level(5, true));
    let next = layout(2, &ALL, 3);
    ALL.into_iter().for_each(|number| cluster.install(number, next.clone()));
    owners.iter().for_each(|&owner| cluster.stop(owner));
    cluster.servers[others[0] as usize - 1].store.flush();
    let write = cluster.begin(others[0], "k", set("held", BLIND), SLOPPY);
    cluster.settle_with_disk(others[0]);
    assert!(matches!(cluster.replies[&write], Outcome::Written(_)), "{:?}", cluster.replies);
    owners.iter().for_each(|&owner| back(&mut cluster, owner));
    pass(&mut cluster, 4_000);
    assert_eq!(values(&cluster.get(owners[0], "k", level(3, true)).record), ["held", "owned"]);
}

#[test]
fn a_copy_in_a_role_that_a_new_layout_took_away_does_not_count() {
    let Five { owners, others, .. } = five();
    let mut cluster = Cluster::new(5, 5, Canary::None);
    pass(&mut cluster, 50);
    let (me, other) = (others[0], others[1]);
    cluster.cut = ALL.into_iter().map(|to| (me, to)).collect();
    let write = cluster.begin(me, "k", set("v", BLIND), level(2, false));
    cluster.settle();
    cluster.cut = vec![(me, owners[1]), (me, owners[2]), (me, other)];
    cluster.install(me, layout(2, &ALL, 3));
    pass(&mut cluster, 6_000);
    // One owner has it. What this server wrote as an owner of before, nobody will ask for.
    assert_eq!(cluster.replies[&write], Outcome::Unknown { required: 2, acked: 1 });
}

#[test]
fn deliveries_and_answers_may_come_late_doubled_and_out_of_order() {
    let Five { mut cluster, owners, others } = five();
    pass(&mut cluster, 50);
    let holder = missed(&mut cluster, &owners, &others, 300);
    cluster.servers[owners[2] as usize - 1].up = true;
    back(&mut cluster, owners[2]);
    let mut old = Vec::new();
    for round in 0..8 {
        tick(&mut cluster, holder);
        while cluster.load(holder) {}
        let mut sent = cluster.hold(|body| matches!(body, Body::Deliver { .. } | Body::DeliverAck { .. }));
        old.extend(sent.clone());
        sent.reverse();
        if round % 2 == 1 {
            sent.extend(old.clone());
        }
        for (from, to, message) in sent {
            cluster.with(to.0, |shard, now, store, out| shard.on_message(from, message, now, store, out));
        }
    }
    cluster.settle();
    pass(&mut cluster, 8_000);
    assert_eq!(all_held(&cluster), 0);
    for (from, to, message) in old {
        cluster.with(to.0, |shard, now, store, out| shard.on_message(from, message, now, store, out));
    }
    cluster.settle();
    assert!((0..300).all(|number| holds(&mut cluster, owners[2], number)));
    let stats = cluster.servers[holder as usize - 1].shard.stats().hints;
    assert_eq!((stats.held, stats.bytes), (0, 0));
}

#[test]
fn an_answer_of_somebody_else_frees_no_hint() {
    let Five { mut cluster, owners, others } = five();
    pass(&mut cluster, 50);
    let holder = missed(&mut cluster, &owners, &others, 1);
    back(&mut cluster, owners[2]);
    tick(&mut cluster, holder);
    while cluster.load(holder) {}
    let sent = cluster.hold(|body| matches!(body, Body::Deliver { .. }));
    let [(from, _, message)] = &sent[..] else { panic!("{sent:?}") };
    let Body::Deliver { op, .. } = &message.body else { panic!("{message:?}") };
    let body = Body::DeliverAck { op: *op, verdicts: vec![Delivered::Done], credit_bytes: 1 };
    let answer = clockwise_core::message::Message { body, ..message.clone() };
    let (holder, liar) = (*from, MemberNumber(owners[1]));
    cluster.with(holder.0, |shard, now, store, out| shard.on_message(liar, answer, now, store, out));
    assert_eq!(held(&cluster, holder.0), 1);
}

#[test]
fn one_key_that_its_owner_cannot_take_keeps_no_other_from_it() {
    let Five { mut cluster, owners, others } = five();
    pass(&mut cluster, 50);
    let (owner, one, large) = (owners[2], level(1, false), "x".repeat(VALUE_BYTES));
    // Siblings that only this owner has: one more makes the record larger than it may be.
    cluster.cut = ALL.into_iter().flat_map(|other| [(owner, other), (other, owner)]).collect();
    for _ in 0..RECORD_BYTES / VALUE_BYTES - 1 {
        cluster.set(owner, &key(7), &large, BLIND, one);
    }
    cluster.settle();
    cluster.cut.clear();
    let holder = missed(&mut cluster, &owners, &others, 300);
    cluster.set(owners[0], &key(7), &large, BLIND, SLOPPY);
    cluster.settle();
    back(&mut cluster, owner);
    pass(&mut cluster, 6_000);
    assert_eq!(held(&cluster, holder), 1, "it is offered again and again");
    let own = cluster.get(owner, &key(7), one).record;
    cluster.set(owner, &key(7), "all in one", Basis::Causal(own.token()), one);
    pass(&mut cluster, 2_000);
    assert_eq!(held(&cluster, holder), 0);
}

#[test]
fn an_owner_that_is_damaged_takes_what_is_held_for_it_when_it_is_whole_again() {
    let Five { mut cluster, owners, others } = five();
    pass(&mut cluster, 50);
    let holder = missed(&mut cluster, &owners, &others, 300);
    let bad = key(7).into_bytes();
    cluster.servers[owners[2] as usize - 1].store.damaged.insert((Slot::of(&bad), bad));
    back(&mut cluster, owners[2]);
    pass(&mut cluster, 8_000);
    assert_eq!(held(&cluster, holder), 0);
    assert!((0..300).all(|number| holds(&mut cluster, owners[2], number)));
}

#[test]
fn damage_among_hints_stops_no_walk_and_is_told() {
    for restarts in [false, true] {
        let Five { mut cluster, owners, others } = five();
        pass(&mut cluster, 50);
        let holder = missed(&mut cluster, &owners, &others, 400);
        let slot = Slot::of(key(0).as_bytes());
        let store = &mut cluster.servers[holder as usize - 1].store;
        let bad = (100..120).chain(300..301).map(|number| (slot.hints(), key(number).into_bytes()));
        store.damaged.extend(bad);
        if restarts {
            cluster.restart(holder);
            pass(&mut cluster, 7_000);
            assert_eq!(held(&cluster, holder), 379, "what can be read");
        }
        back(&mut cluster, owners[2]);
        pass(&mut cluster, 15_000);
        let stats = cluster.servers[holder as usize - 1].shard.stats().hints;
        assert_eq!((stats.held, stats.bytes), (0, 0));
        for number in (0..400).step_by(9).chain([99, 100, 119, 120, 299, 300, 301]) {
            let lost = (100..120).contains(&number) || number == 300;
            assert_eq!(holds(&mut cluster, owners[2], number), !lost, "{number}");
        }
        if !restarts {
            assert_eq!(stats.lost, 21);
            let owner = cluster.servers[owners[2] as usize - 1].shard.stats();
            assert!(owner.exchange.slots_waiting > 0, "it was told that it is behind");
            assert_eq!(stats.behind, 0);
        }
    }
}

#[test]
fn over_budget_a_hint_that_nobody_counts_on_leaves_a_mark() {
    let Five { mut cluster, owners, others } = five();
    for &other in &others {
        cluster.budget(other, HintBudget { target_bytes: 100, total_bytes: 100 });
    }
    pass(&mut cluster, 50);
    cluster.stop(owners[2]);
    for _ in 0..3 {
        cluster.set(owners[0], "k", "v", BLIND, SLOPPY);
    }
    cluster.settle();
    let marks: Vec<_> = others
        .iter()
        .flat_map(|&other| cluster.servers[other as usize - 1].shard.slots_behind().collect::<Vec<_>>())
        .collect();
    assert_eq!(marks, [(MemberNumber(owners[2]), Slot::of(b"k"))]);
    let stats = |cluster: &Cluster| {
        others.iter().map(|&it| cluster.servers[it as usize - 1].shard.stats().hints.behind).sum::<u64>()
    };
    assert_eq!(stats(&cluster), 1);
    back(&mut cluster, owners[2]);
    pass(&mut cluster, 50);
    assert_eq!(stats(&cluster), 0, "it was told");
    assert!(cluster.servers[owners[2] as usize - 1].shard.stats().exchange.slots_waiting > 0);
    cluster.stop(owners[2]);
    for _ in 0..3 {
        cluster.set(owners[0], "k", "v", BLIND, SLOPPY);
    }
    cluster.settle();
    assert_eq!(stats(&cluster), 1);
    // Who owns nothing any more is told nothing.
    let rest: Vec<u32> = ALL.into_iter().filter(|number| *number != owners[2]).collect();
    rest.iter().for_each(|&number| cluster.install(number, layout(2, &rest, 3)));
    assert_eq!(stats(&cluster), 0);
}

#[test]
fn a_new_incarnation_of_a_stand_in_loses_nothing_of_the_one_before() {
    let Five { mut cluster, owners, others } = five();
    pass(&mut cluster, 50);
    owners.iter().for_each(|&owner| cluster.stop(owner));
    cluster.set(others[0], "k", "first life", BLIND, SLOPPY);
    cluster.with(others[0], |shard, _, _, _| shard.on_incarnation(2));
    cluster.set(others[0], "k", "second life", BLIND, SLOPPY);
    owners.iter().for_each(|&owner| back(&mut cluster, owner));
    pass(&mut cluster, 3_000);
    assert_eq!(all_held(&cluster), 0);
    // What it minted in its first life is forgotten with the actor.
    cluster.set(others[0], "k", "owners are back", BLIND, level(3, true));
    let read = values(&cluster.get(owners[1], "k", level(3, true)).record);
    assert_eq!(read, ["first life", "owners are back", "second life"]);
}

#[test]
fn the_lines_rise_with_the_step_that_forgets() {
    for canary in [Canary::None, Canary::HintLeavesNoLines] {
        let mut cluster = Cluster::new(5, 3, canary);
        let Five { owners, others, .. } = five();
        pass(&mut cluster, 50);
        owners.iter().for_each(|&owner| cluster.stop(owner));
        cluster.set(others[0], "k", "a", BLIND, SLOPPY);
        owners.iter().for_each(|&owner| back(&mut cluster, owner));
        pass(&mut cluster, 3_000);
        assert_eq!(all_held(&cluster), 0);
        let store = &cluster.servers[others[0] as usize - 1].store;
        let lines = store.lines(Slot::of(b"k").hints()).expect("it minted there");
        let lines = clockwise_core::version::SlotLines::decode(lines).expect("as core wrote them");
        assert_eq!(lines.gone, if canary == Canary::None { 1 } else { 0 });
        assert_eq!(lines.used, 1);
        owners.iter().for_each(|&owner| cluster.stop(owner));
        cluster.set(others[0], "k", "b", BLIND, SLOPPY);
        owners.iter().for_each(|&owner| back(&mut cluster, owner));
        pass(&mut cluster, 3_000);
        let read = values(&cluster.get(owners[0], "k", level(3, true)).record);
        assert_eq!(read == ["a", "b"], canary == Canary::None, "{read:?}");
    }
}

#[test]
fn a_delivery_under_an_older_layout_is_made_again() {
    let Five { mut cluster, owners, others } = five();
    pass(&mut cluster, 50);
    let holder = missed(&mut cluster, &owners, &others, 5);
    cluster.install(owners[2], layout(2, &ALL, 3));
    back(&mut cluster, owners[2]);
    pass(&mut cluster, 8_000);
    assert_eq!(cluster.servers[holder as usize - 1].shard.layout().epoch(), Epoch(2));
    assert_eq!(all_held(&cluster), 0);
    assert!((0..5).all(|number| holds(&mut cluster, owners[2], number)));
}
