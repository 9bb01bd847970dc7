//! Single rules of the coordinator and the replica, on a cluster without delay or loss.

mod cluster;

#[path = "coordinator/collect.rs"]
mod collect;
#[path = "coordinator/doubts.rs"]
mod doubts;
#[path = "coordinator/exchange.rs"]
mod exchange;
#[path = "coordinator/fill.rs"]
mod fill;
#[path = "coordinator/hints.rs"]
mod hints;
#[path = "coordinator/hot.rs"]
mod hot;
#[path = "coordinator/large.rs"]
mod large;
#[path = "coordinator/marks.rs"]
mod marks;
#[path = "coordinator/overtaken.rs"]
mod overtaken;

use clockwise_core::{
    canary::Canary,
    ids::MemberNumber,
    message::Body,
    outbox::Event,
    request::{Basis, Level, Need, Op, Outcome, Rejected},
    version::{Record, Value, Version, print_clock},
};
use cluster::{BLIND, Cluster, layout, level};

/// The values of all versions, sorted.
fn values(record: &Record) -> Vec<String> {
    let text = |version: &Version| match &version.value {
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::Freed => String::new(),
    };
    let mut values: Vec<String> = record.versions.iter().map(text).collect();
    values.sort();
    values
}

fn clocks(record: &Record) -> Vec<String> {
    let print = |version| print_clock(version, 10, &|_| false).text();
    record.versions.iter().map(print).collect()
}

#[test]
fn the_clocks_of_the_dynamo_paper_come_out_exactly() {
    let mut cluster = Cluster::new(3, 3, Canary::None);
    let all = Level { need: Need::All, strict: false };
    cluster.set(1, "k", "D1", BLIND, all);
    let d1 = cluster.get(1, "k", all).record;
    assert_eq!(clocks(&d1), ["([s1,1])"]);
    cluster.set(1, "k", "D2", Basis::Causal(d1.token()), all);
    let d2 = cluster.get(2, "k", all).record;
    assert_eq!(clocks(&d2), ["([s1,2])"]);
    cluster.set(2, "k", "D3", Basis::Causal(d2.token()), all);
    cluster.set(3, "k", "D4", Basis::Causal(d2.token()), all);
    let both = cluster.get(1, "k", all).record;
    assert_eq!(clocks(&both), ["([s1,2],[s2,1])", "([s1,2],[s3,1])"]);
    cluster.set(1, "k", "D5", Basis::Causal(both.token()), all);
    assert_eq!(clocks(&cluster.get(3, "k", all).record), ["([s1,3],[s2,1],[s3,1])"]);
}

#[test]
fn a_receipt_names_who_acknowledged_and_one_is_enough_at_w_1() {
    let mut cluster = Cluster::new(3, 3, Canary::None);
    let answer = cluster.set(2, "k", "v", Basis::Plain, level(1, false));
    assert_eq!(answer.receipt.acks.len(), 1);
    assert!(answer.receipt.acks.iter().all(|ack| ack.member == MemberNumber(2) && ack.owner && ack.durable));
    let answer = cluster.set(2, "k", "v", Basis::Plain, level(3, true));
    assert_eq!(answer.receipt.acks.len(), 3);
    assert!(answer.existed);
}

#[test]
fn too_few_owners_reject_before_anything_is_applied() {
    let mut cluster = Cluster::new(3, 3, Canary::None);
    cluster.stop(2);
    cluster.set(1, "k", "v", Basis::Plain, Level::DEFAULT);
    cluster.stop(3);
    let op = Op::Set { basis: Basis::Plain, value: "w".into(), expires_ms: None };
    let outcome = cluster.run(1, "k", op, Level::DEFAULT);
    assert_eq!(outcome, Outcome::Rejected(Rejected::NoQuorum { required: 2, alive: 1 }));
    assert_eq!(cluster.value(1, "k", level(1, false)).as_deref(), Some("v"));
}

#[test]
fn a_peer_that_falls_silent_makes_a_write_unknown_never_failed() {
    let mut cluster = Cluster::new(3, 3, Canary::None);
    cluster.cut = vec![(2, 1), (3, 1)];
    let op = Op::Set { basis: Basis::Plain, value: "v".into(), expires_ms: None };
    assert_eq!(cluster.run(1, "k", op, Level::DEFAULT), Outcome::Unknown { required: 2, acked: 1 });
}

#[test]
fn a_link_that_breaks_ends_what_waits_for_it() {
    let mut cluster = Cluster::new(3, 3, Canary::None);
    let op = Op::Set { basis: Basis::Plain, value: "v".into(), expires_ms: None };
    let ticket = cluster.begin(1, "k", op, level(3, true));
    cluster.stop(3);
    cluster.settle();
    assert_eq!(cluster.replies[&ticket], Outcome::Unknown { required: 3, acked: 1 });
}

#[test]
fn a_plain_write_after_another_completed_never_loses_to_its_faster_clock() {
    for (canary, winner) in [(Canary::None, "second"), (Canary::NoSecondRound, "first")] {
        let mut cluster = Cluster::new(3, 3, canary);
        cluster.servers[0].skew_ms = 400;
        // s3 hears nothing of the first write; it takes the second one with its own slow clock.
        cluster.cut = vec![(1, 3)];
        cluster.set(1, "k", "first", Basis::Plain, Level::DEFAULT);
        cluster.cut = vec![];
        cluster.set(3, "k", "second", Basis::Plain, Level::DEFAULT);
        for at in 1..=3 {
            let read = cluster.value(at, "k", level(3, true));
            assert_eq!(read.as_deref(), Some(winner), "{canary:?} at s{at}");
        }
        let rounds = cluster.events.iter().filter(|(_, event)| *event == Event::SecondRound).count();
        assert_eq!(rounds, usize::from(canary == Canary::None));
    }
}

#[test]
fn a_strict_read_repairs_before_it_answers() {
    for canary in [Canary::None, Canary::ReadRepairNotAwaited] {
        let mut cluster = Cluster::new(3, 3, canary);
        cluster.cut = vec![(1, 2), (1, 3)];
        let op = Op::Set { basis: Basis::Plain, value: "v".into(), expires_ms: None };
        cluster.run(1, "k", op, Level::DEFAULT);
        cluster.cut = vec![];
        // The answer of s2 is there; its repair is not delivered yet.
        let ticket = cluster.begin(1, "k", Op::Get, level(2, true));
        let mut answered_before_repair = false;
        while let Some((from, to, message)) = cluster.queue.pop_front() {
            let repair = matches!(message.body, Body::Repair { .. });
            if repair && cluster.replies.contains_key(&ticket) {
                answered_before_repair = true;
            }
            cluster.with(to.0, |shard, now, store, out| shard.on_message(from, message, now, store, out));
        }
        assert!(matches!(cluster.replies[&ticket], Outcome::Read(_)));
        assert_eq!(answered_before_repair, canary == Canary::ReadRepairNotAwaited);
        assert_eq!(cluster.value(2, "k", level(1, false)).as_deref(), Some("v"));
    }
}

#[test]
fn a_lagging_replica_is_repaired_in_the_background_too() {
    let mut cluster = Cluster::new(3, 3, Canary::None);
    cluster.cut = vec![(1, 3)];
    cluster.set(1, "k", "v", Basis::Plain, Level::DEFAULT);
    cluster.cut = vec![];
    assert_eq!(cluster.value(3, "k", level(1, false)), None, "R + W <= N may read stale");
    cluster.get(1, "k", Level::DEFAULT);
    assert_eq!(cluster.value(3, "k", level(1, false)).as_deref(), Some("v"));
}

#[test]
fn a_server_without_a_replica_hands_the_request_on() {
    let mut cluster = Cluster::new(5, 3, Canary::None);
    for key in 0..20 {
        let key = format!("key{key}");
        for at in 1..=5 {
            cluster.set(at, &key, &format!("{key} by {at}"), Basis::Plain, Level::DEFAULT);
            let other = at % 5 + 1;
            let read = cluster.value(other, &key, Level::DEFAULT);
            assert_eq!(read, Some(format!("{key} by {at}")));
        }
    }
}

#[test]
fn acknowledgements_wait_for_the_log() {
    for canary in [Canary::None, Canary::AckBeforeSync] {
        let mut cluster = Cluster::new(1, 1, canary);
        cluster.servers[0].store.instant = false;
        let op = Op::Set { basis: Basis::Plain, value: "v".into(), expires_ms: None };
        let ticket = cluster.begin(1, "k", op, Level::DEFAULT);
        assert_eq!(cluster.replies.contains_key(&ticket), canary == Canary::AckBeforeSync);
        cluster.servers[0].store.durable = 1;
        cluster.with(1, |shard, now, store, out| shard.on_durable(now, store, out));
        assert!(matches!(cluster.replies[&ticket], Outcome::Written(_)));
    }
}

#[test]
fn an_older_layout_is_refused_and_learns_the_newer_one() {
    let mut cluster = Cluster::new(4, 3, Canary::None);
    let newer = layout(2, &[1, 2, 3, 4], 2);
    for at in [2, 3, 4] {
        cluster.install(at, newer.clone());
    }
    for key in 0..40 {
        let key = format!("key{key}");
        cluster.set(1, &key, "v", Basis::Plain, Level::DEFAULT);
        assert_eq!(cluster.servers[0].shard.layout().epoch().0, 2);
        assert_eq!(cluster.value(2, &key, Level::DEFAULT).as_deref(), Some("v"));
    }
}

#[test]
fn siblings_have_a_limit_with_a_clear_error() {
    let mut cluster = Cluster::new(3, 3, Canary::None);
    let blind = || Op::Set { basis: BLIND, value: "v".into(), expires_ms: None };
    for _ in 0..clockwise_core::limits::SIBLINGS {
        assert!(matches!(cluster.run(1, "k", blind(), Level::DEFAULT), Outcome::Written(_)));
    }
    let outcome = cluster.run(1, "k", blind(), Level::DEFAULT);
    assert_eq!(outcome, Outcome::Rejected(Rejected::TooManySiblings));
    cluster.set(1, "k", "one", Basis::Plain, Level::DEFAULT);
    assert_eq!(cluster.get(2, "k", Level::DEFAULT).record.versions.len(), 1);
}

#[test]
fn a_sloppy_read_that_repairs_its_own_replica_at_once_is_answered_once() {
    // The cluster checks the "once". s3 has missed the write; one other answer is enough, and one is still to come.
    let mut cluster = Cluster::new(3, 3, Canary::None);
    cluster.cut = vec![(1, 3)];
    cluster.set(1, "k", "v", Basis::Plain, Level::DEFAULT);
    cluster.cut = vec![];
    let read = cluster.begin(3, "k", Op::Get, Level::DEFAULT);
    cluster.settle();
    assert!(cluster.events.contains(&(MemberNumber(3), Event::ReadRepair)));
    assert!(matches!(&cluster.replies[&read], Outcome::Read(answer) if answer.record.versions.len() == 1));
}

#[test]
fn nothing_overtakes_a_lookup_whose_questions_a_new_layout_refused() {
    let mut cluster = Cluster::new(3, 3, Canary::None);
    cluster.set(1, "k", "old", Basis::Plain, level(3, false));
    cluster.servers[0].store.flush();
    // A write of s2 waits for the disk of s1 when a new layout comes there: s2 is to offer it once more.
    let plain = Op::Set { basis: Basis::Plain, value: "new".into(), expires_ms: None };
    let write = cluster.begin(2, "k", plain, level(3, false));
    cluster.settle();
    cluster.install(1, layout(2, &[1, 2, 3], 3));
    cluster.settle();
    cluster.pass(20);
    assert_eq!(cluster.servers[1].shard.layout().epoch().0, 2, "it was refused and told why");
    assert!(!cluster.replies.contains_key(&write));
    assert!(cluster.load(1), "the first lookup is under way the whole time");
    cluster.settle();
    assert!(matches!(cluster.replies[&write], Outcome::Written(_)), "{:?}", cluster.replies[&write]);
    // What was written goes to the disk too. Whatever an older lookup may still bring is of no account any more.
    cluster.servers[0].store.flush();
    cluster.cut = vec![(1, 2), (1, 3)];
    let blind = Op::Set { basis: BLIND, value: "beside".into(), expires_ms: None };
    let beside = cluster.begin(1, "k", blind, level(1, false));
    cluster.settle_with_disk(1);
    assert!(matches!(cluster.replies[&beside], Outcome::Written(_)));
    let record = cluster.get(1, "k", level(1, false)).record;
    assert_eq!(values(&record), ["beside", "new"], "s1 forgets nothing that it has acknowledged");
}
