//! A slot that damage has hit, on a cluster without delay or loss: salvage, filling, and what is refused meanwhile.

use crate::cluster::{BLIND, Cluster, level};
use bytes::Bytes;
use clockwise_core::{
    canary::Canary,
    exchange::Exchange,
    hlc::Hlc,
    ids::{Actor, Dot, Epoch, MemberNumber},
    limits::FILL_REST_MS,
    message::{Body, Message, OpId, ReplicaSet, WriteVerdict},
    outbox::{Event, Outbox},
    request::{Basis, Op, Outcome},
    shard::LinkState,
    slot::Slot,
    storage::{Mutation, Storage},
    version::{DotSet, Kind, Payload, SlotLines, SlotState, Write},
};

const MAJORITY: clockwise_core::request::Level = level(2, true);
const ONE: clockwise_core::request::Level = level(1, false);
const TAG: &[u8] = b"tag";

fn cluster(canary: Canary) -> Cluster {
    let mut cluster = Cluster::new(3, 3, canary);
    // Hints are counted at the first tick: until then no buffer is known to have room.
    cluster.pass_with_disks(20);
    cluster
}

fn set(cluster: &mut Cluster, at: u32, key: &str, value: &str) {
    cluster.set(at, key, value, Basis::Plain, MAJORITY);
}

fn slot() -> Slot {
    Slot::of(TAG)
}

fn damaged(cluster: &mut Cluster, number: u32) {
    cluster.with(number, |shard, now, store, out| {
        shard.on_slots_damaged([slot()].into_iter(), now, store, out);
    });
}

fn lines(cluster: &Cluster, number: u32) -> SlotLines {
    let bytes: Option<Bytes> = cluster.servers[number as usize - 1].store.lines(slot());
    bytes.map_or(SlotLines::default(), |bytes| SlotLines::decode(bytes).expect("they were encoded"))
}

fn put_lines(cluster: &mut Cluster, number: u32, lines: SlotLines) {
    let mut encoded = Vec::new();
    lines.encode(&mut encoded);
    cluster.servers[number as usize - 1].store.apply(slot(), &[Mutation::Lines(&encoded)]);
}

fn state(cluster: &Cluster, number: u32) -> SlotState {
    lines(cluster, number).state
}

fn cut(cluster: &mut Cluster, a: u32, b: u32) {
    cluster.link(a, b, LinkState::Down);
    cluster.link(b, a, LinkState::Down);
    cluster.cut.extend([(a, b), (b, a)]);
}

fn mend(cluster: &mut Cluster) {
    cluster.cut.clear();
    for (a, b) in [(1, 2), (1, 3), (2, 1), (2, 3), (3, 1), (3, 2)] {
        cluster.link(a, b, LinkState::Up);
    }
}

fn are_the_same(cluster: &Cluster) -> bool {
    let of_keys = |number: usize| {
        let mut records = cluster.servers[number].store.records();
        records.retain(|(slot, _), _| !slot.keeps_hints());
        records
    };
    (1..3).all(|number| of_keys(number) == of_keys(0))
}

/// A write of another server as it would arrive late.
fn a_write(key: &'static [u8], time: Hlc) -> Write {
    Write {
        key: Bytes::from_static(key),
        dot: Dot { actor: Actor { member: MemberNumber(2), incarnation: 9 }, counter: 1 },
        lo: 1,
        ctx: DotSet::EMPTY,
        cmark: None,
        time,
        kind: Kind::Causal,
        payload: Payload::Value { bytes: Bytes::from_static(b"late"), expires_ms: None },
        epoch: Epoch(1),
    }
}

/// What server 1 answers to a write.
fn offer(cluster: &mut Cluster, write: Write) -> Option<WriteVerdict> {
    let body = Body::Write { op: OpId(77), write };
    let (epoch, set) = (Epoch(1), ReplicaSet::Current);
    let message = Message { epoch, set, deadline_ms: 1_000, time: Hlc(1), slot: Some(slot()), body };
    let mut answered = Outbox::default();
    cluster.with(1, |shard, now, store, out| {
        shard.on_message(MemberNumber(2), message, now, store, &mut answered);
        out.actions.append(&mut answered.actions);
    });
    answered.sends.into_iter().find_map(|send| match send.message.body {
        Body::WriteAck { verdict, .. } => Some(verdict),
        _ => None,
    })
}

#[test]
fn a_damaged_slot_is_filled_by_another_actor() {
    let mut cluster = cluster(Canary::None);
    for number in 0..20 {
        set(&mut cluster, 1, &format!("{{tag}}{number}"), "value");
    }
    cluster.run(2, "{tag}4", Op::Delete { basis: Basis::Plain }, MAJORITY);
    let before = cluster.servers[0].store.records();
    for number in [3, 7, 8] {
        cluster.servers[0].store.damage(slot(), format!("{{tag}}{number}").as_bytes());
    }
    damaged(&mut cluster, 1);
    assert_eq!(state(&cluster, 1), SlotState::Salvaging, "it is in the lines at once");
    assert!(cluster.events.iter().any(|(_, event)| *event == Event::Amnesia), "it is another actor");
    cluster.pass_with_disks(1_000);
    assert_eq!(state(&cluster, 1), SlotState::Complete);
    assert_eq!(cluster.servers[0].store.records(), before);
    assert!(are_the_same(&cluster));
    let stats = cluster.servers[0].shard.stats().fill;
    assert_eq!((stats.slots_damaged, stats.slots_filled, stats.slots_filling), (1, 1, 0), "{stats:?}");
    assert!(stats.writes_salvaged >= 10 && stats.records_fetched >= 20, "{stats:?}");
    set(&mut cluster, 1, "{tag}3", "newer");
    assert_eq!(cluster.value(2, "{tag}3", MAJORITY).as_deref(), Some("newer"));
}

#[test]
fn what_only_the_damaged_server_had_is_told_to_the_others() {
    for (canary, kept) in [(Canary::None, true), (Canary::SalvageSkipped, false)] {
        let mut cluster = cluster(canary);
        cluster.set(2, "{tag}causal", "seen", BLIND, MAJORITY);
        cut(&mut cluster, 1, 2);
        cut(&mut cluster, 1, 3);
        cluster.set(1, "{tag}plain", "only here", Basis::Plain, ONE);
        let token = cluster.get(1, "{tag}causal", ONE).record.token();
        cluster.set(1, "{tag}causal", "over it", Basis::Causal(token), ONE);
        cluster.set(1, "{tag}other", "sibling", BLIND, ONE);
        damaged(&mut cluster, 1);
        cluster.pass_with_disks(6_000);
        if kept {
            assert_eq!(state(&cluster, 1), SlotState::Salvaging, "nobody has taken it yet");
            let waits = cluster.servers[0].shard.fills_wait_for();
            assert_eq!(waits.values().copied().collect::<Vec<_>>(), [1, 1], "{waits:?}");
        }
        mend(&mut cluster);
        cluster.pass_with_disks(1_000);
        assert_eq!(state(&cluster, 1), SlotState::Complete);
        assert!(are_the_same(&cluster));
        let found = cluster.value(3, "{tag}plain", MAJORITY);
        assert_eq!(found.is_some(), kept, "{canary:?}");
        let record = cluster.get(2, "{tag}causal", MAJORITY).record;
        assert_eq!(record.versions.len(), 1);
        assert_eq!(record.plain(0).is_some_and(|version| !version.ctx.is_empty()), kept);
        assert_eq!(cluster.value(2, "{tag}other", MAJORITY).is_some(), kept);
    }
}

#[test]
fn what_is_deleted_elsewhere_does_not_come_back() {
    let mut cluster = cluster(Canary::None);
    set(&mut cluster, 1, "{tag}a", "old");
    cut(&mut cluster, 1, 2);
    cut(&mut cluster, 1, 3);
    cluster.run(2, "{tag}a", Op::Delete { basis: Basis::Plain }, MAJORITY);
    damaged(&mut cluster, 1);
    mend(&mut cluster);
    cluster.pass_with_disks(1_000);
    assert_eq!(state(&cluster, 1), SlotState::Complete);
    assert!(are_the_same(&cluster));
    assert_eq!(cluster.value(1, "{tag}a", MAJORITY), None);
}

#[test]
fn requests_go_to_other_owners_meanwhile() {
    let mut cluster = cluster(Canary::None);
    set(&mut cluster, 1, "{tag}a", "value");
    cut(&mut cluster, 1, 3);
    damaged(&mut cluster, 1);
    cluster.pass_with_disks(6_000);
    assert_eq!(state(&cluster, 1), SlotState::Filling { lined: true }, "s3 may know more than s2");
    assert_eq!(cluster.servers[0].shard.fills_wait_for().get(&MemberNumber(3)), Some(&1));
    // s1 hands on; s2 and s3 are a majority for reads, s1 and s2 for writes.
    assert_eq!(cluster.value(1, "{tag}a", MAJORITY).as_deref(), Some("value"));
    set(&mut cluster, 1, "{tag}b", "written meanwhile");
    assert_eq!(cluster.value(2, "{tag}b", MAJORITY).as_deref(), Some("written meanwhile"));
    assert!(cluster.servers[0].shard.stats().fill.writes_buffered > 0);
    assert!(matches!(cluster.run(1, "{tag}a", Op::Get, level(3, true)), Outcome::Rejected(_)));
    mend(&mut cluster);
    cluster.pass_with_disks(2_000);
    assert_eq!(state(&cluster, 1), SlotState::Complete);
    assert!(are_the_same(&cluster));
    assert_eq!(cluster.servers[0].store.live(slot().hints()), 0, "the buffer is empty again");
    assert_eq!(cluster.value(1, "{tag}a", level(3, true)).as_deref(), Some("value"));
}

#[test]
fn no_write_is_acknowledged_before_the_lines_of_a_complete_owner() {
    for (canary, expected) in [(Canary::None, false), (Canary::FillAckBeforeItsLine, true)] {
        let mut cluster = cluster(canary);
        cut(&mut cluster, 1, 2);
        cut(&mut cluster, 1, 3);
        // A round closed this time elsewhere, and s1 has lost all that it knew of it.
        let closed = SlotLines { refuse: Hlc(900 << 16), collect: Hlc(900 << 16), ..SlotLines::default() };
        put_lines(&mut cluster, 2, closed);
        put_lines(&mut cluster, 3, closed);
        damaged(&mut cluster, 1);
        cluster.pass_with_disks(500);
        assert_eq!(state(&cluster, 1), SlotState::Filling { lined: false });
        let verdict = offer(&mut cluster, a_write(b"{tag}late", Hlc(800 << 16)));
        let acknowledged = matches!(verdict, Some(WriteVerdict::Taken { .. }));
        assert_eq!(acknowledged, expected, "{canary:?}: {verdict:?}");
        mend(&mut cluster);
        cluster.pass_with_disks(1_000);
        assert_eq!(state(&cluster, 1), SlotState::Complete);
        // An acknowledged write would be lost: it is below the line, and known to nobody.
        assert!(cluster.servers[0].store.records().is_empty());
        let verdict = offer(&mut cluster, a_write(b"{tag}late", Hlc(800 << 16)));
        assert_eq!(verdict, Some(WriteVerdict::TooOld));
    }
}

#[test]
fn a_buffered_write_is_judged_by_the_collect_line_alone() {
    let mut cluster = cluster(Canary::None);
    cut(&mut cluster, 1, 3);
    damaged(&mut cluster, 1);
    cluster.pass_with_disks(500);
    let verdict = offer(&mut cluster, a_write(b"{tag}late", Hlc(800 << 16)));
    assert!(matches!(verdict, Some(WriteVerdict::Taken { durable: true, .. })), "{verdict:?}");
    // A round that never ended raised the refuse line above it.
    let raised = SlotLines { refuse: Hlc(900 << 16), collect: Hlc(700 << 16), ..SlotLines::default() };
    put_lines(&mut cluster, 3, raised);
    mend(&mut cluster);
    cluster.pass_with_disks(3_000);
    assert_eq!(state(&cluster, 1), SlotState::Complete);
    let held = cluster.servers[0].store.records();
    assert!(held.contains_key(&(slot(), b"{tag}late".to_vec())), "it was acknowledged");
    assert_eq!(lines(&cluster, 1).refuse, raised.refuse);
}

#[test]
fn a_fill_under_a_higher_collect_line_voids_what_was_given_before() {
    for (canary, kept) in [(Canary::None, false), (Canary::FillKeptAboveItsLine, true)] {
        let mut cluster = cluster(canary);
        // s3 still has what was deleted, and neither the delete nor the round that closed it.
        set(&mut cluster, 1, "{tag}a", "deleted since");
        for number in [0, 1] {
            let store = &mut cluster.servers[number].store;
            store.apply(slot(), &[Mutation::DropSlot]);
        }
        cut(&mut cluster, 1, 2);
        damaged(&mut cluster, 1);
        cluster.pass_with_disks(500);
        assert!(cluster.servers[0].store.records().contains_key(&(slot(), b"{tag}a".to_vec())));
        let closed = SlotLines { refuse: Hlc(1 << 50), collect: Hlc(1 << 50), ..SlotLines::default() };
        put_lines(&mut cluster, 2, closed);
        put_lines(&mut cluster, 3, closed);
        cluster.servers[2].store.apply(slot(), &[Mutation::DropSlot]);
        mend(&mut cluster);
        cluster.pass_with_disks(2_000);
        assert_eq!(state(&cluster, 1), SlotState::Complete);
        let back = cluster.servers[0].store.records().contains_key(&(slot(), b"{tag}a".to_vec()));
        assert_eq!(back, kept, "{canary:?}");
    }
}

#[test]
fn a_source_in_another_life_is_asked_for_everything_again() {
    let mut cluster = cluster(Canary::None);
    set(&mut cluster, 1, "{tag}a", "value");
    cut(&mut cluster, 1, 3);
    damaged(&mut cluster, 1);
    cluster.pass_with_disks(500);
    let fetched = cluster.servers[0].shard.stats().fill;
    assert_eq!((fetched.records_fetched, fetched.discarded), (1, 0));
    let listed = |life| [(MemberNumber(1), 2), (MemberNumber(2), life), (MemberNumber(3), 1)];
    for (life, discarded) in [(1, 0), (2, 1)] {
        cluster.with(1, |shard, now, store, out| {
            shard.fill_pulled(slot(), &listed(life), now, store, out);
        });
        assert_eq!(cluster.servers[0].shard.stats().fill.discarded, discarded);
    }
    cluster.pass_with_disks(500);
    // The hub has all that any owner has: nobody else is waited for.
    cluster.with(1, |shard, now, store, out| {
        shard.fill_pushed(slot(), MemberNumber(2), now, store, out);
    });
    cluster.pass_with_disks(500);
    assert_eq!(state(&cluster, 1), SlotState::Complete);
}

#[test]
fn a_restart_in_the_middle_begins_anew() {
    for early in [true, false] {
        let mut cluster = cluster(Canary::None);
        for number in 0..20 {
            set(&mut cluster, 1, &format!("{{tag}}{number}"), "value");
        }
        let before = cluster.servers[1].store.records();
        if early {
            cut(&mut cluster, 1, 2);
        }
        cut(&mut cluster, 1, 3);
        damaged(&mut cluster, 1);
        cluster.pass_with_disks(500);
        let expected = if early { SlotState::Salvaging } else { SlotState::Filling { lined: true } };
        assert_eq!(state(&cluster, 1), expected);
        let late = a_write(b"{tag}late", Hlc(2_000_000 << 16));
        let verdict = offer(&mut cluster, late.clone());
        assert_eq!(matches!(verdict, Some(WriteVerdict::Taken { .. })), !early);
        cluster.restart(1);
        // Before anything else is known the slot is not served.
        assert!(matches!(cluster.run(1, "{tag}1", Op::Get, ONE), Outcome::Read(_) | Outcome::Rejected(_)));
        assert_ne!(state(&cluster, 1), SlotState::Complete);
        mend(&mut cluster);
        cluster.pass_with_disks(2_000);
        assert_eq!(state(&cluster, 1), SlotState::Complete);
        let mut after = cluster.servers[0].store.records();
        assert_eq!(after.remove(&(slot(), b"{tag}late".to_vec())).is_some(), !early, "the buffer stayed");
        assert_eq!(after, before);
    }
}

#[test]
fn two_owners_that_are_filled_give_each_other_their_buffers() {
    let mut cluster = cluster(Canary::None);
    set(&mut cluster, 3, "{tag}a", "value");
    cut(&mut cluster, 1, 2);
    damaged(&mut cluster, 1);
    damaged(&mut cluster, 2);
    cluster.pass_with_disks(8_000);
    for number in [1, 2] {
        assert_eq!(state(&cluster, number), SlotState::Filling { lined: true });
    }
    // s2 alone has it, in its buffer; s1 has it nowhere.
    cut(&mut cluster, 1, 3);
    cluster.set(3, "{tag}b", "buffered", BLIND, MAJORITY);
    mend(&mut cluster);
    cluster.pass_with_disks(8_000);
    for number in [1, 2] {
        assert_eq!(state(&cluster, number), SlotState::Complete);
    }
    assert!(are_the_same(&cluster));
    assert_eq!(cluster.value(1, "{tag}b", MAJORITY).as_deref(), Some("buffered"));
}

#[test]
fn nobody_is_left_to_fill_from_until_an_operator_says_so() {
    let mut cluster = cluster(Canary::None);
    set(&mut cluster, 1, "{tag}a", "value");
    for number in 1..=3 {
        damaged(&mut cluster, number);
    }
    cluster.pass_with_disks(10_000);
    for number in 1..=3 {
        assert_eq!(state(&cluster, number), SlotState::Salvaging, "no owner is complete");
    }
    let forced =
        cluster.with(1, |shard, now, store, out| shard.force_complete([slot()].into_iter(), now, store, out));
    assert_eq!((forced, state(&cluster, 1)), (1, SlotState::Complete));
    cluster.pass_with_disks(20_000);
    for number in 2..=3 {
        assert_eq!(state(&cluster, number), SlotState::Complete, "s1 fills the others");
    }
    assert!(are_the_same(&cluster));
    assert_eq!(cluster.value(2, "{tag}a", MAJORITY).as_deref(), Some("value"));
}

#[test]
fn a_slot_that_is_filled_is_not_compared_and_gives_nothing() {
    for (canary, serves) in [(Canary::None, false), (Canary::FillingServes, true)] {
        let mut cluster = cluster(canary);
        set(&mut cluster, 1, "{tag}a", "value");
        cut(&mut cluster, 1, 3);
        damaged(&mut cluster, 1);
        cluster.pass_with_disks(FILL_REST_MS);
        let session = 5;
        let ask = |ask| Message {
            epoch: Epoch(1),
            set: ReplicaSet::Current,
            deadline_ms: 0,
            time: Hlc(1),
            slot: Some(slot()),
            body: Body::Exchange(ask),
        };
        let lines = clockwise_core::exchange::Lines::default();
        for question in [
            Exchange::Sums { session, lines, watch: false },
            Exchange::Keys { session, names: Vec::new(), after: None, above: None },
            Exchange::Want { session, lines, keys: vec![Bytes::from_static(b"{tag}a")] },
        ] {
            let mut out = Outbox::default();
            cluster.with(1, |shard, now, store, _| {
                shard.on_message(MemberNumber(2), ask(question), now, store, &mut out);
            });
            let refused = out
                .sends
                .iter()
                .any(|send| matches!(send.message.body, Body::Exchange(Exchange::Incomplete { session: 5 })));
            assert_eq!(refused, !serves);
        }
        assert_eq!(cluster.servers[0].shard.stats().fill.slots_filling, 1);
    }
}

#[test]
fn a_slot_with_one_owner_serves_what_can_be_read() {
    let mut cluster = Cluster::new(1, 1, Canary::None);
    cluster.set(1, "{tag}a", "value", Basis::Plain, ONE);
    damaged(&mut cluster, 1);
    cluster.pass_with_disks(500);
    assert_eq!(state(&cluster, 1), SlotState::Complete);
    assert_eq!(cluster.value(1, "{tag}a", ONE).as_deref(), Some("value"));
}
