//! Sloppy quorum and hinted hand-off on five servers with three replicas.

use super::{
    cluster::{BLIND, Cluster, level},
    values,
};
use clockwise_core::{
    canary::Canary,
    hints::HintBudget,
    ids::MemberNumber,
    message::Body,
    request::{Basis, Level, Need, Op, Outcome, Rejected, WriteAnswer},
    shard::LinkState,
    slot::Slot,
};

pub const SLOPPY: Level = Level { need: Need::Quorum, strict: false };
const STRICT: Level = Level { need: Need::Quorum, strict: true };

pub struct Five {
    pub cluster: Cluster,
    pub owners: Vec<u32>,
    pub others: Vec<u32>,
}

pub fn five() -> Five {
    let cluster = Cluster::new(5, 3, Canary::None);
    let layout = cluster.servers[0].shard.layout();
    let slot = Slot::of(b"k");
    let numbers = |members: &[MemberNumber]| members.iter().map(|member| member.0).collect::<Vec<_>>();
    let (owners, others) = (numbers(layout.owners(slot)), numbers(layout.stand_ins(slot)));
    Five { cluster, owners, others }
}

/// A stopped server is back: its links come up again.
pub fn back(cluster: &mut Cluster, number: u32) {
    cluster.servers[number as usize - 1].up = true;
    for other in 1..=cluster.servers.len() as u32 {
        if other != number && cluster.servers[other as usize - 1].up {
            cluster.link(other, number, LinkState::Up);
            cluster.link(number, other, LinkState::Up);
        }
    }
}

pub fn held(cluster: &Cluster, number: u32) -> u64 {
    cluster.servers[number as usize - 1].shard.stats().hints.held
}

pub fn all_held(cluster: &Cluster) -> u64 {
    (1..=cluster.servers.len() as u32).map(|number| held(cluster, number)).sum()
}

fn as_stand_in(answer: &WriteAnswer) -> Vec<u32> {
    answer.receipt.acks.iter().filter(|ack| !ack.owner).map(|ack| ack.member.0).collect()
}

/// Lets ticks pass, with every server's disk answering.
pub fn pass(cluster: &mut Cluster, ms: u64) {
    for _ in 0..ms / 10 {
        cluster.pass(10);
        for number in 1..=cluster.servers.len() as u32 {
            if cluster.servers[number as usize - 1].up {
                while cluster.load(number) {
                    cluster.settle();
                }
            }
        }
    }
}

#[test]
fn two_owners_down_still_take_writes_and_the_receipt_says_who_stood_in() {
    let Five { mut cluster, owners, others } = five();
    pass(&mut cluster, 50);
    cluster.stop(owners[1]);
    cluster.stop(owners[2]);
    let answer = cluster.set(owners[0], "k", "v", Basis::Plain, SLOPPY);
    assert_eq!(as_stand_in(&answer).len(), 1, "{:?}", answer.receipt);
    assert!(others.contains(&as_stand_in(&answer)[0]));
    cluster.settle();
    assert_eq!(all_held(&cluster), 2, "each owner that is down has its hint");
    assert_eq!(cluster.value(owners[0], "k", SLOPPY).as_deref(), Some("v"));
    let op = Op::Set { basis: Basis::Plain, value: "w".into(), expires_ms: None };
    let refused = cluster.run(owners[0], "k", op, STRICT);
    assert_eq!(refused, Outcome::Rejected(Rejected::NoQuorum { required: 2, alive: 1 }), "owners only");
}

#[test]
fn with_all_owners_down_stand_ins_mint_and_read() {
    let Five { mut cluster, owners, others } = five();
    pass(&mut cluster, 50);
    owners.iter().for_each(|&owner| cluster.stop(owner));
    let first = cluster.set(others[0], "k", "a", BLIND, SLOPPY);
    assert_eq!(as_stand_in(&first).len(), 2, "{:?}", first.receipt);
    cluster.set(others[1], "k", "b", Basis::Causal(first.token), SLOPPY);
    for &at in &others {
        assert_eq!(values(&cluster.get(at, "k", SLOPPY).record), ["b"], "from {at}");
    }
    owners.iter().for_each(|&owner| back(&mut cluster, owner));
    pass(&mut cluster, 3_000);
    assert_eq!(all_held(&cluster), 0, "everything was delivered");
    assert_eq!(values(&cluster.get(owners[2], "k", level(3, true)).record), ["b"]);
}

#[test]
fn an_owner_that_comes_back_gets_what_it_missed_and_the_hint_goes() {
    let Five { mut cluster, owners, .. } = five();
    pass(&mut cluster, 50);
    cluster.stop(owners[2]);
    for round in 0..40 {
        cluster.set(owners[0], "k", &format!("v{round}"), Basis::Plain, SLOPPY);
    }
    cluster.settle();
    assert_eq!(all_held(&cluster), 1, "the last write carries the others along");
    back(&mut cluster, owners[2]);
    pass(&mut cluster, 2_000);
    assert_eq!(all_held(&cluster), 0);
    cluster.stop(owners[0]);
    cluster.stop(owners[1]);
    assert_eq!(cluster.value(owners[2], "k", level(1, false)).as_deref(), Some("v39"), "without any repair");
}

#[test]
fn a_hint_stays_until_the_owner_has_it_on_disk() {
    let Five { mut cluster, owners, .. } = five();
    pass(&mut cluster, 50);
    cluster.stop(owners[2]);
    cluster.set(owners[0], "k", "v", Basis::Plain, SLOPPY);
    cluster.settle();
    cluster.servers[owners[2] as usize - 1].store.instant = false;
    back(&mut cluster, owners[2]);
    pass(&mut cluster, 1_000);
    assert_eq!(all_held(&cluster), 1, "taken, but not synced");
    let target = &mut cluster.servers[owners[2] as usize - 1].store;
    target.durable = target.last;
    cluster.with(owners[2], |shard, now, store, out| shard.on_durable(now, store, out));
    pass(&mut cluster, 1_000);
    assert_eq!(all_held(&cluster), 0);
}

#[test]
fn lost_deliveries_and_answers_only_delay() {
    let Five { mut cluster, owners, others } = five();
    pass(&mut cluster, 50);
    cluster.stop(owners[2]);
    cluster.set(owners[0], "k", "a", BLIND, SLOPPY);
    cluster.set(owners[0], "k", "b", BLIND, SLOPPY);
    cluster.settle();
    let holder = *others.iter().find(|&&other| held(&cluster, other) > 0).expect("somebody holds it");
    assert_eq!(held(&cluster, holder), 2, "blind writes are held beside each other");
    cluster.cut = vec![(owners[2], holder)];
    back(&mut cluster, owners[2]);
    pass(&mut cluster, 900);
    assert_eq!(held(&cluster, holder), 2, "no answer came");
    cluster.cut.clear();
    pass(&mut cluster, 8_000);
    assert_eq!(held(&cluster, holder), 0);
    assert_eq!(values(&cluster.get(owners[2], "k", level(1, false)).record), ["a", "b"]);
}

#[test]
fn a_restarted_stand_in_counts_what_it_holds_and_delivers_it() {
    let Five { mut cluster, owners, others } = five();
    pass(&mut cluster, 50);
    cluster.stop(owners[2]);
    cluster.set(owners[0], "k", "v", Basis::Plain, SLOPPY);
    cluster.settle();
    let holder = *others.iter().find(|&&other| held(&cluster, other) > 0).expect("somebody holds it");
    cluster.restart(holder);
    assert_eq!(held(&cluster, holder), 0, "not counted yet");
    pass(&mut cluster, 50);
    assert_eq!(held(&cluster, holder), 1);
    back(&mut cluster, owners[2]);
    pass(&mut cluster, 2_000);
    assert_eq!(all_held(&cluster), 0);
}

#[test]
fn over_its_budget_a_stand_in_refuses_and_nothing_counts_on_it() {
    let Five { mut cluster, owners, others } = five();
    for &other in &others {
        cluster.budget(other, HintBudget { target_bytes: 100, total_bytes: 100 });
    }
    pass(&mut cluster, 50);
    cluster.stop(owners[1]);
    cluster.stop(owners[2]);
    let op = || Op::Set { basis: BLIND, value: "x".into(), expires_ms: None };
    for _ in 0..2 {
        cluster.run(owners[0], "k", op(), SLOPPY);
    }
    let outcome = cluster.run(owners[0], "k", op(), SLOPPY);
    assert!(matches!(outcome, Outcome::Unknown { required: 2, acked: 1 }), "{outcome:?}");
    cluster.stop(owners[0]);
    let outcome = cluster.run(others[0], "k", op(), SLOPPY);
    assert_eq!(outcome, Outcome::Rejected(Rejected::Overloaded), "nothing was applied");
}

#[test]
fn slow_owners_are_hedged_by_stand_ins_at_sloppy_levels() {
    let Five { mut cluster, owners, .. } = five();
    pass(&mut cluster, 50);
    for &slow in &owners[1..] {
        cluster.servers[slow as usize - 1].store.instant = false;
    }
    let op = Op::Set { basis: Basis::Plain, value: "v".into(), expires_ms: None };
    let ticket = cluster.begin(owners[0], "k", op, SLOPPY);
    cluster.settle();
    pass(&mut cluster, 600);
    let Some(Outcome::Written(answer)) = cluster.replies.get(&ticket) else {
        panic!("{:?}", cluster.replies)
    };
    assert_eq!(as_stand_in(answer).len(), 1, "{:?}", answer.receipt);
}

#[test]
fn a_stand_in_that_delivered_everything_never_uses_a_dot_again() {
    let Five { mut cluster, owners, others } = five();
    pass(&mut cluster, 50);
    for round in 0..3 {
        owners.iter().for_each(|&owner| cluster.stop(owner));
        cluster.set(others[0], "k", &format!("v{round}"), BLIND, SLOPPY);
        cluster.settle();
        owners.iter().for_each(|&owner| back(&mut cluster, owner));
        pass(&mut cluster, 3_000);
        assert_eq!(all_held(&cluster), 0);
    }
    assert_eq!(values(&cluster.get(owners[0], "k", level(3, true)).record), ["v0", "v1", "v2"]);
}

#[test]
fn hints_for_a_server_that_owns_the_slot_no_more_go_to_those_that_do() {
    let Five { mut cluster, owners, .. } = five();
    pass(&mut cluster, 50);
    cluster.stop(owners[2]);
    cluster.set(owners[0], "k", "v", Basis::Plain, SLOPPY);
    cluster.settle();
    assert_eq!(all_held(&cluster), 1);
    let rest: Vec<u32> = (1..=5).filter(|number| *number != owners[2]).collect();
    let next = super::layout(2, &rest, 3);
    for &number in &rest {
        cluster.install(number, next.clone());
    }
    pass(&mut cluster, 3_000);
    assert_eq!(all_held(&cluster), 0, "delivered to the owners of now");
    for owner in next.owners(Slot::of(b"k")).to_vec() {
        let record = cluster.get(owner.0, "k", level(1, false)).record;
        assert_eq!(values(&record), ["v"], "at {owner}");
    }
}

#[test]
fn nobody_else_takes_a_hint() {
    let mut cluster = Cluster::new(3, 1, Canary::None);
    let layout = cluster.servers[0].shard.layout().clone();
    pass(&mut cluster, 50);
    let owner = layout.owners(Slot::of(b"k"))[0].0;
    let stand_in = layout.stand_ins(Slot::of(b"k"))[0].0;
    cluster.stop(owner);
    cluster.begin(
        stand_in,
        "k",
        Op::Set { basis: BLIND, value: "v".into(), expires_ms: None },
        level(2, false),
    );
    let held = cluster.hold(|body| matches!(body, Body::Hint { .. }));
    let (from, _, message) = held.into_iter().next().expect("the other stand-in is asked");
    cluster.servers[owner as usize - 1].up = true;
    cluster.with(owner, |shard, now, store, out| shard.on_message(from, message, now, store, out));
    assert_eq!(self::held(&cluster, owner), 0);
    assert!(cluster.servers[owner as usize - 1].store.is_empty());
}

#[test]
fn stand_ins_that_hold_nothing_do_not_say_that_there_is_nothing() {
    let Five { mut cluster, owners, others } = five();
    pass(&mut cluster, 50);
    cluster.set(owners[0], "k", "v", Basis::Plain, level(3, true));
    cluster.stop(owners[1]);
    cluster.stop(owners[2]);
    assert_eq!(cluster.value(others[0], "k", SLOPPY).as_deref(), Some("v"), "one owner and one stand-in");
    cluster.stop(owners[0]);
    let read = cluster.run(others[0], "k", Op::Get, SLOPPY);
    assert_eq!(read, Outcome::Rejected(Rejected::NoQuorum { required: 2, alive: 0 }));
}
