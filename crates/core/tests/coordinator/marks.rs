//! Strict plain writes ask a majority before they are minted.

use super::{
    cluster::{Cluster, Sent, layout, level},
    values,
};
use clockwise_core::{
    canary::Canary,
    ids::{Epoch, MemberNumber},
    message::{Body, ReadVerdict},
    request::{Basis, Level, Need, Op, Outcome, Rejected, Ticket, WriteAnswer},
    slot::Slot,
};
use std::collections::BTreeSet;

const STRICT: Level = Level { need: Need::Quorum, strict: true };

fn plain(value: &'static str) -> Op {
    Op::Set { basis: Basis::Plain, value: value.into(), expires_ms: None }
}

fn written(cluster: &Cluster, ticket: Ticket) -> WriteAnswer {
    match cluster.replies.get(&ticket) {
        Some(Outcome::Written(answer)) => answer.clone(),
        other => panic!("{other:?}"),
    }
}

/// Two writes of one key through s1, one right behind the other, and the questions of the first one, which are not
/// delivered yet.
fn pipelined(cluster: &mut Cluster) -> (Ticket, Vec<Sent>, Ticket) {
    let first = cluster.begin(1, "k", plain("first"), STRICT);
    let held = cluster.hold(|body| matches!(body, Body::Read { .. }));
    assert_eq!(held.len(), 2, "one question to each of the others");
    let second = cluster.begin(1, "k", plain("second"), STRICT);
    (first, held, second)
}

fn assert_in_order(cluster: &mut Cluster, first: Ticket, second: Ticket) {
    let (first, second) = (written(cluster, first), written(cluster, second));
    assert!(first.time < second.time, "{first:?} {second:?}");
    assert!(first.token.seen.is_subset(&second.token.seen), "{first:?} {second:?}");
    assert_eq!(values(&cluster.get(2, "k", level(3, true)).record), ["second"]);
}

#[test]
fn a_pipeline_keeps_its_order_when_the_second_answer_comes_first() {
    let mut cluster = Cluster::new(3, 3, Canary::None);
    let (first, held, second) = pipelined(&mut cluster);
    cluster.settle();
    cluster.queue.extend(held);
    cluster.settle();
    assert_in_order(&mut cluster, first, second);
    let mints = cluster.servers[0].store.last;
    assert_eq!(mints, 2, "late answers to the first question change nothing");
}

#[test]
fn a_pipeline_keeps_its_order_when_the_first_answer_never_comes() {
    let mut cluster = Cluster::new(3, 3, Canary::None);
    let (first, _, second) = pipelined(&mut cluster);
    cluster.settle();
    assert_in_order(&mut cluster, first, second);
    // Nor does the first one's deadline change anything: its question ends unheard.
    cluster.pass(6_000);
    assert_eq!(values(&cluster.get(2, "k", level(3, true)).record), ["second"]);
    assert_eq!(cluster.servers[0].shard.stats().operations, 0);
}

#[test]
fn a_question_that_fails_after_a_later_one_answered_it_ends_nothing() {
    let mut cluster = Cluster::new(3, 3, Canary::None);
    // The log of s1 is slow and s3 hears nothing: both writes are minted, with one acknowledgement each.
    cluster.servers[0].store.instant = false;
    let (first, held, second) = pipelined(&mut cluster);
    cluster.cut = vec![(1, 3)];
    cluster.settle();
    assert_eq!(cluster.servers[0].store.last, 2);
    for (asker, asked, mut message) in held {
        let Body::Read { op, .. } = message.body else { panic!("{message:?}") };
        message.body = Body::ReadAck { op, verdict: ReadVerdict::Refused };
        cluster.queue.push_back((asked, asker, message));
    }
    cluster.settle();
    assert!(!cluster.replies.contains_key(&first), "{:?}", cluster.replies[&first]);
    let store = &mut cluster.servers[0].store;
    (store.instant, store.durable) = (true, store.last);
    cluster.with(1, |shard, now, store, out| shard.on_durable(now, store, out));
    cluster.cut = vec![];
    assert_in_order(&mut cluster, first, second);
}

#[test]
fn what_was_asked_before_another_write_began_does_not_answer_it() {
    let mut cluster = Cluster::new(3, 3, Canary::None);
    let (first, held, second) = pipelined(&mut cluster);
    let later = cluster.hold(|body| matches!(body, Body::Read { .. }));
    cluster.queue.extend(held);
    cluster.settle();
    written(&cluster, first);
    assert!(!cluster.replies.contains_key(&second));
    cluster.queue.extend(later);
    cluster.settle();
    assert_in_order(&mut cluster, first, second);
}

fn assert_nothing_anywhere(cluster: &Cluster) {
    for (at, server) in cluster.servers.iter().enumerate() {
        assert!(server.store.is_empty(), "s{} has a copy", at + 1);
    }
}

#[test]
fn a_strict_write_whose_question_finds_no_majority_is_rejected() {
    // Silence, after which a sloppy write would be unknown.
    let mut cluster = Cluster::new(3, 3, Canary::None);
    cluster.cut = vec![(2, 1), (3, 1)];
    let outcome = cluster.run(1, "k", plain("v"), STRICT);
    assert_eq!(outcome, Outcome::Rejected(Rejected::NoQuorum { required: 2, alive: 1 }));
    assert_nothing_anywhere(&cluster);
    // Links that break.
    let mut cluster = Cluster::new(3, 3, Canary::None);
    let ticket = cluster.begin(1, "k", plain("v"), STRICT);
    cluster.stop(2);
    assert!(!cluster.replies.contains_key(&ticket));
    cluster.stop(3);
    assert_eq!(cluster.replies[&ticket], Outcome::Rejected(Rejected::NoQuorum { required: 2, alive: 1 }));
    cluster.settle();
    cluster.pass(6_000);
    assert_nothing_anywhere(&cluster);
}

#[test]
fn no_write_of_a_pipeline_lands_when_none_gets_its_answer() {
    let mut cluster = Cluster::new(3, 3, Canary::None);
    let (first, _, second) = pipelined(&mut cluster);
    cluster.cut = vec![(2, 1), (3, 1)];
    cluster.pass(6_000);
    for ticket in [first, second] {
        let no_quorum = Rejected::NoQuorum { required: 2, alive: 1 };
        assert_eq!(cluster.replies[&ticket], Outcome::Rejected(no_quorum));
    }
    assert_nothing_anywhere(&cluster);
    assert_eq!(cluster.servers[0].shard.stats().operations, 0);
}

/// A key that s1, s2 and s3 own as long as there are five servers with three replicas.
fn key_of_the_first_three() -> String {
    let layout = layout(1, &[1, 2, 3, 4, 5], 3);
    let owned = |key: &String| {
        let owners = layout.owners(Slot::of(key.as_bytes()));
        [1, 2, 3].iter().all(|number| owners.contains(&MemberNumber(*number)))
    };
    (0..).map(|number| format!("key{number}")).find(owned).expect("one key of ten is")
}

#[test]
fn a_new_layout_between_question_and_mint_makes_a_write_ask_again() {
    let mut cluster = Cluster::new(5, 3, Canary::None);
    let key = key_of_the_first_three();
    cluster.set(1, &key, "old", Basis::Plain, level(3, true));
    cluster.servers[0].store.flush();
    // s4 and s5 work under the next layout already and complete a write there, by a clock that is ahead.
    let next = layout(2, &[1, 4, 5], 3);
    cluster.install(4, next.clone());
    cluster.install(5, next.clone());
    cluster.cut = vec![(4, 1)];
    cluster.servers[3].skew_ms = 400;
    cluster.set(4, &key, "fast", Basis::Plain, STRICT);
    cluster.cut = vec![];
    // s1 does not know of it yet, and neither do those that it asks.
    let ticket = cluster.begin(1, &key, plain("after"), STRICT);
    assert!(cluster.load(1), "its own answer");
    cluster.settle();
    let kept = cluster.servers[0].store.last;
    // The mint waits for the disk when the layout comes.
    assert!(!cluster.servers[0].store.jobs.is_empty());
    cluster.install(1, next);
    assert_eq!(cluster.servers[0].shard.layout().epoch(), Epoch(2));
    while cluster.queue.is_empty() {
        assert!(cluster.load(1), "the disk has answered, and nothing was sent");
    }
    assert_eq!(cluster.servers[0].store.last, kept, "nothing is minted yet");
    let questions = cluster.queue.iter().filter(|sent| matches!(sent.2.body, Body::Read { .. }));
    let asked: BTreeSet<u32> = questions.map(|sent| sent.1.0).collect();
    assert_eq!(asked, BTreeSet::from([4, 5]));
    cluster.settle_with_disk(1);
    written(&cluster, ticket);
    for at in [1, 4, 5] {
        let read = cluster.value(at, &key, STRICT);
        assert_eq!(read.as_deref(), Some("after"), "at s{at}: it began after \"fast\" had completed");
    }
}
