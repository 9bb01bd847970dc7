//! What must hold around a collection: floors, late writes, counters, trees.

use super::{ALL, COLLECTED_MS, MAJORITY, away, back, cluster, collected, delete, held, set};
use crate::{
    cluster::{BLIND, Cluster, level},
    values,
};
use bytes::Bytes;
use clockwise_core::{
    canary::Canary,
    collect::Step,
    hlc::Hlc,
    ids::{Actor, Dot, MemberNumber},
    message::{Body, Message, OpId, ReplicaSet, WriteVerdict},
    request::{Basis, Level, Need, Op, Outcome},
    slot::Slot,
    storage::Storage,
    tree,
    version::{DotSet, Kind, Payload, Record, SlotLines, Write},
};

const ONE: Level = Level { need: Need::One, strict: false };

fn lines(cluster: &Cluster, number: u32, key: &str) -> SlotLines {
    let stored = cluster.servers[number as usize - 1].store.lines(Slot::of(key.as_bytes()));
    stored.and_then(|bytes| SlotLines::decode(bytes).ok()).unwrap_or_default()
}

fn record(cluster: &Cluster, number: u32, key: &str) -> Record {
    let name = (Slot::of(key.as_bytes()), key.as_bytes().to_vec());
    let records = cluster.servers[number as usize - 1].store.records();
    records.get(&name).map(|bytes| Record::decode(bytes.clone()).expect("stored")).unwrap_or_default()
}

/// Five servers, three owners of the slot. A key of the slot is deleted; with all owners away another is written through a
/// stand-in. They come back, and what the stand-in holds for them does not arrive for half a minute.
fn a_late_hint(canary: Canary) -> (Cluster, Vec<u32>) {
    let mut cluster = cluster(5, canary);
    let layout = cluster.servers[0].shard.layout().clone();
    let owners: Vec<u32> = layout.owners(Slot::of(b"k")).iter().map(|owner| owner.0).collect();
    let others: Vec<u32> = layout.stand_ins(Slot::of(b"k")).iter().map(|other| other.0).collect();
    cluster.pass_with_disks(1_000);
    set(&mut cluster, owners[0], "{k}gone", "1");
    delete(&mut cluster, owners[0], "{k}gone");
    owners.iter().for_each(|&owner| cluster.stop(owner));
    cluster.set(others[0], "{k}", "held", Basis::Plain, ONE);
    cluster.lost = Some(|_, body| matches!(body, Body::Deliver { .. }));
    for &owner in &owners {
        crate::hints::back(&mut cluster, owner);
    }
    cluster.pass_with_disks(2 * COLLECTED_MS);
    (cluster, owners)
}

#[test]
fn a_collection_waits_for_what_a_stand_in_holds() {
    let (mut cluster, owners) = a_late_hint(Canary::None);
    assert_eq!(collected(&cluster), 0);
    let waits: Vec<_> = cluster.servers.iter().flat_map(|server| server.shard.collect_waits()).collect();
    assert!(!waits.is_empty() && waits.iter().all(|(member, _)| !owners.contains(&member.0)), "{waits:?}");
    cluster.lost = None;
    cluster.pass_with_disks(COLLECTED_MS);
    assert_eq!(cluster.value(owners[0], "{k}", MAJORITY).as_deref(), Some("held"));
    assert_eq!(collected(&cluster), 3);
}

#[test]
fn a_floor_that_ignores_hints_loses_one() {
    let (mut cluster, owners) = a_late_hint(Canary::FloorIgnoresHints);
    cluster.lost = None;
    cluster.pass_with_disks(COLLECTED_MS);
    assert_eq!(cluster.value(owners[0], "{k}", MAJORITY), None, "the bug is caught");
}

#[test]
fn a_stand_in_takes_nothing_below_what_it_promised() {
    let mut cluster = cluster(5, Canary::None);
    let layout = cluster.servers[0].shard.layout().clone();
    let (slot, hub) = (Slot::of(b"k"), layout.owners(Slot::of(b"k"))[0]);
    let stand_in = layout.stand_ins(slot)[0];
    let say = |body| Message {
        epoch: layout.epoch(),
        set: ReplicaSet::Current,
        deadline_ms: 0,
        time: Hlc::ZERO,
        slot: Some(slot),
        body,
    };
    let dot = Dot { actor: Actor { member: hub, incarnation: 1 }, counter: 1 };
    let write = |time| Write {
        key: "k".into(),
        dot,
        lo: 1,
        ctx: DotSet::default(),
        cmark: None,
        time,
        kind: Kind::Register,
        payload: Payload::Delete,
        epoch: layout.epoch(),
    };
    cluster.pass_with_disks(1_000);
    let now = Hlc::from_wall_ms(1_000_000 + cluster.mono_ms);
    let targets = [hub].into_iter().collect::<smallvec::SmallVec<[MemberNumber; 2]>>();
    let offer = |cluster: &mut Cluster, time| {
        let body = Body::Hint { op: Some(OpId(9)), targets: targets.clone(), write: write(time) };
        cluster.with(stand_in.0, |shard, now, store, out| {
            shard.on_message(hub, say(body), now, store, out);
        });
        let answers = cluster.hold(|body| matches!(body, Body::WriteAck { .. }));
        let (.., answer) = &answers[0];
        matches!(&answer.body, Body::WriteAck { verdict: WriteVerdict::Taken { .. }, .. })
    };
    let asked = Body::Rounds(vec![(slot, Step::Ask { round: 5 })]);
    cluster.with(stand_in.0, |shard, now, store, out| shard.on_message(hub, say(asked), now, store, out));
    assert!(!offer(&mut cluster, Hlc(now.0 - 1)), "below what was promised");
    assert!(offer(&mut cluster, now), "not below");
}

#[test]
fn a_write_from_before_is_refused_and_offered_again_to_its_deadline() {
    let mut cluster = cluster(3, Canary::None);
    set(&mut cluster, 1, "k", "1");
    // One more is under way to both others, and is not known there when all is closed.
    let key = Bytes::from_static(b"k");
    let op = Op::Set { basis: Basis::Causal(BLIND_TOKEN), value: "late".into(), expires_ms: None };
    let ticket = cluster.begin(1, "k", op, MAJORITY);
    let mut late = cluster.hold(|body| matches!(body, Body::Write { .. }));
    cluster.pass_with_disks(6_000);
    assert!(matches!(cluster.replies.remove(&ticket), Some(Outcome::Unknown { .. })), "nobody answered");
    delete(&mut cluster, 2, "k");
    cluster.pass_with_disks(2 * COLLECTED_MS);
    assert_eq!(held(&cluster), [0, 0, 0]);
    // The very write arrives: nothing of it is joined, at any owner.
    for (from, to, message) in std::mem::take(&mut late) {
        let Body::Write { write, .. } = &message.body else { continue };
        assert_eq!(write.key, key);
        cluster.with(to.0, |shard, now, store, out| shard.on_message(from, message, now, store, out));
        let answers = cluster.hold(|body| matches!(body, Body::WriteAck { .. }));
        let (.., answer) = &answers[0];
        assert!(matches!(answer.body, Body::WriteAck { verdict: WriteVerdict::TooOld, .. }), "{answer:?}");
    }
    assert_eq!(held(&cluster), [0, 0, 0]);
}

const BLIND_TOKEN: clockwise_core::version::Token = clockwise_core::version::Token::EMPTY;

#[test]
fn writes_after_a_collection_have_higher_counters_and_times() {
    let mut cluster = cluster(3, Canary::None);
    for key in ["plain", "blind"] {
        for value in ["1", "2", "3"] {
            set(&mut cluster, 1, key, value);
        }
        delete(&mut cluster, 1, key);
    }
    cluster.pass_with_disks(COLLECTED_MS);
    assert_eq!(held(&cluster), [0, 0, 0]);
    for (key, basis) in [("plain", Basis::Plain), ("blind", BLIND)] {
        let before = lines(&cluster, 1, key);
        assert!(before.collect <= before.refuse && before.collect > Hlc::ZERO);
        let written = cluster.set(1, key, "4", basis, ALL);
        let record = record(&cluster, 1, key);
        assert_eq!(record.versions[0].dot.counter, 5, "{key}");
        assert!(written.time > before.refuse);
        // What was collected is claimed, so that the set of dots stays one range.
        assert_eq!(record.seen.ranges().len(), 1);
    }
}

/// A token from before a collection, in a causal write after it, beside a write that the token's client never saw.
fn a_stale_token(canary: Canary) -> Vec<String> {
    let mut cluster = cluster(3, canary);
    set(&mut cluster, 1, "k", "old");
    let token = cluster.get(2, "k", ALL).record.token();
    delete(&mut cluster, 1, "k");
    cluster.pass_with_disks(COLLECTED_MS);
    assert_eq!(held(&cluster), [0, 0, 0]);
    cluster.set(1, "k", "new", BLIND, ALL);
    cluster.set(2, "k", "stale", Basis::Causal(token), ALL);
    values(&cluster.get(3, "k", ALL).record)
}

#[test]
fn a_token_from_before_a_collection_replaces_nothing_that_it_has_not_seen() {
    assert_eq!(a_stale_token(Canary::None), ["new", "stale"]);
}

#[test]
fn without_the_counters_of_collected_records_a_write_would_be_lost() {
    assert_eq!(a_stale_token(Canary::CollectForgetsUsed), ["stale"], "the bug is caught");
}

#[test]
fn trees_compare_equal_while_one_has_collected_and_another_has_not() {
    let mut cluster = cluster(3, Canary::None);
    let op = Op::Set { basis: Basis::Plain, value: "1".into(), expires_ms: Some(1_000_000 + 3_000) };
    assert!(matches!(cluster.run(1, "ttl", op, ALL), Outcome::Written(_)));
    set(&mut cluster, 1, "k", "1");
    delete(&mut cluster, 2, "k");
    // Server 3 never hears that the line has risen, and nobody compares with it.
    cluster.lost = Some(|to, body| match body {
        Body::Rounds(steps) => to.0 == 3 && steps.iter().any(|(_, step)| matches!(step, Step::Fact { .. })),
        body => to.0 == 3 && matches!(body, Body::Exchange(_)),
    });
    cluster.pass_with_disks(COLLECTED_MS);
    let uncollected = held(&cluster);
    assert!(uncollected.contains(&0) && uncollected.iter().any(|&held| held > 0), "{uncollected:?}");
    for key in ["ttl", "k"] {
        let slot = Slot::of(key.as_bytes());
        let collect = (1..=3).map(|number| lines(&cluster, number, key).collect).max().expect("three");
        let root =
            |number: usize| tree::total(cluster.servers[number].store.sums(slot).expect("known"), collect);
        assert!(root(0) == root(1) && root(1) == root(2), "{key}");
    }
    // The next comparison tells it, and it collects too.
    cluster.lost = None;
    cluster.pass_with_disks(COLLECTED_MS);
    assert_eq!(held(&cluster), [0, 0, 0]);
}

#[test]
fn a_strict_read_meets_an_owner_that_has_collected_and_one_that_has_not() {
    let mut cluster = cluster(3, Canary::None);
    set(&mut cluster, 1, "k", "1");
    delete(&mut cluster, 2, "k");
    cluster.lost = Some(|to, body| match body {
        Body::Rounds(steps) => to.0 != 1 && steps.iter().any(|(_, step)| matches!(step, Step::Fact { .. })),
        body => matches!(body, Body::Exchange(_)),
    });
    cluster.pass_with_disks(COLLECTED_MS);
    let uncollected = held(&cluster);
    assert!(uncollected.contains(&1) && uncollected.contains(&0), "{uncollected:?}");
    for at in 1..=3 {
        assert_eq!(cluster.value(at, "k", level(3, true)), None);
    }
    assert_eq!(held(&cluster), uncollected, "nothing is repaired");
    cluster.lost = Some(|_, body| matches!(body, Body::Exchange(_)));
    cluster.set(1, "k", "2", Basis::Plain, level(3, true));
    for at in 1..=3 {
        assert_eq!(cluster.value(at, "k", level(3, true)).as_deref(), Some("2"));
    }
}

#[test]
fn what_a_round_finds_at_one_owner_alone_reaches_all() {
    let mut cluster = cluster(3, Canary::None);
    for key in ["{s}a", "{s}b", "{s}c"] {
        set(&mut cluster, 1, key, "1");
    }
    // Each delete reaches one server only, and nobody compares.
    cluster.lost = Some(
        |_, body| matches!(body, Body::Exchange(ask) if matches!(ask, clockwise_core::exchange::Exchange::Roots { .. })),
    );
    for (at, key) in [(1, "{s}a"), (2, "{s}b"), (3, "{s}c")] {
        away(&mut cluster, at);
        let end = cluster.run(at, key, Op::Delete { basis: Basis::Plain }, ONE);
        assert!(matches!(end, Outcome::Written(_)), "{end:?}");
        back(&mut cluster, at);
        cluster.settle();
    }
    cluster.pass_with_disks(2 * COLLECTED_MS);
    assert_eq!(held(&cluster), [0, 0, 0]);
    assert_eq!(collected(&cluster), 9);
}
