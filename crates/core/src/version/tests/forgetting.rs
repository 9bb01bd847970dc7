//! What a slot remembers when records leave: the cases of the specification, section 5, and the bytes of it.

use super::{Server, actor, dot, dots, joined, values};
use crate::{
    hlc::Hlc,
    ids::Actor,
    varint::Malformed,
    version::{MintError, Record, SlotLines, SlotState, Token, amnesia},
};
use bytes::Bytes;
use std::vec::Vec;

#[test]
fn floor_forgotten() {
    let (mut s1, mut s2) = (Server::new(1), Server::new(2));
    s1.del(10);
    s2.receive(&s1.record);
    s1.collect();
    let set = s1.set(1, 20);
    assert_eq!(set.write.dot, dot(1, 2));
    assert_eq!(values(&joined(&[&s1.record, &s2.record])), [1]);
}

#[test]
fn floor_without_time() {
    // s2 learned a mark from a fast clock, forgot it, and must not lose to its own earlier write elsewhere.
    let (mut s1, mut s2) = (Server::new(1), Server::new(2));
    s1.set(0, 70);
    s2.receive(&s1.record);
    s2.set(1, 20);
    s1.receive(&s2.record);
    s2.hand_over();
    let last = s2.set(2, 30);
    assert_eq!(last.write.time, Hlc(72));
    assert_eq!(values(&joined(&[&s1.record, &s2.record])), [2]);
}

#[test]
fn floor_of_all_actors() {
    // Another key of the slot was collected at s2; it must not make s2 claim to have seen s1's dots of this one.
    let (mut s1, mut s2, mut other_key) = (Server::new(1), Server::new(2), Server::new(2));
    let mut at_s1 = Server::new(1);
    at_s1.blind(8, 5);
    at_s1.blind(9, 6);
    other_key.receive(&at_s1.record);
    other_key.del(7);
    other_key.collect();
    s2.lines = other_key.lines;
    s1.blind(0, 10);
    s2.blind(1, 10);
    assert_eq!(values(&joined(&[&s1.record, &s2.record])), [0, 1]);
}

#[test]
fn fill_ignores_gone() {
    let (mut s1, mut s2) = (Server::new(1), Server::new(2));
    s1.blind(0, 10);
    s2.receive(&s1.record);
    s1.hand_over();
    let second = s1.blind(1, 20);
    assert_eq!(second.write.lo, 2);
    assert_eq!(s1.record.seen, dots(&[(1, 2, 2)]));
    assert_eq!(values(&joined(&[&s1.record, &s2.record])), [0, 1]);
}

#[test]
fn without_fill_a_hot_key_gets_a_range_per_put() {
    let mut s1 = Server::new(1);
    let mut token = Token::EMPTY;
    for round in 0..50 {
        s1.lines.actor = Some(s1.me);
        s1.lines.used = s1.lines.used.max(round * 7);
        token = s1.put(&token, 1, round).reply;
    }
    assert_eq!(s1.record.seen.ranges().len(), 1);
    assert_eq!(s1.token().seen.ranges().len(), 1, "a read's token is compact");
    assert_eq!(s1.values(), [1]);
}

#[test]
fn new_key_in_a_slot_with_a_floor_prints_a_gap() {
    let mut s1 = Server::new(1);
    s1.lines = SlotLines { actor: Some(s1.me), used: 50, ..SlotLines::default() };
    let first = s1.blind(0, 10);
    assert_eq!(s1.clocks(), ["([s1,51*])"]);
    assert_eq!((first.write.lo, s1.record.seen.clone()), (1, dots(&[(1, 1, 51)])));
    assert_eq!(first.reply.seen, dots(&[(1, 51, 51)]));
}

#[test]
fn recreated_by_another_owner_beside_an_uncollected_tombstone() {
    let (mut s1, mut s2, mut s3) = (Server::new(1), Server::new(2), Server::new(3));
    s2.blind(0, 10);
    s1.receive(&s2.record);
    s1.remove(&s1.token(), 20);
    s2.receive(&s1.record);
    s3.receive(&s1.record);
    s2.collect();
    s2.blind(1, 30);
    let all = joined(&[&s2.record, &s3.record]);
    assert_eq!(values(&all), [1]);
    assert_eq!(all.seen, dots(&[(1, 1, 1), (2, 1, 2)]));
}

#[test]
fn own_old_dots_stay_dead_after_recreation() {
    let mut s1 = Server::new(1);
    let w0 = s1.blind(0, 10);
    let old = s1.record.clone();
    s1.remove(&w0.reply, 20);
    s1.collect();
    s1.blind(1, 30);
    s1.receive(&old);
    assert_eq!(s1.values(), [1], "the fill claims the collected counters");
}

#[test]
fn old_token_after_a_collection_is_harmless() {
    let mut s1 = Server::new(1);
    let w0 = s1.blind(0, 10);
    s1.remove(&w0.reply, 20);
    s1.collect();
    s1.put(&w0.reply, 1, 30);
    assert_eq!(s1.values(), [1]);
    assert_eq!(s1.record.seen, dots(&[(1, 1, 3)]));
}

#[test]
fn same_seen_with_another_mark_is_another_record() {
    // s2 collected and wrote again; its fill claims counters whose mark s1 still has.
    let (mut s1, mut s2) = (Server::new(1), Server::new(2));
    s2.del(10);
    s1.receive(&s2.record);
    s2.collect();
    let again = s2.remove(&Token::EMPTY, 20);
    s1.receive_write(&again);
    assert_eq!(s1.record.seen, s2.record.seen);
    assert_ne!(s1.record.mark, s2.record.mark);
}

#[test]
fn incarnation_reused() {
    // A put leaves, a crash loses it; its token is evidence, answered by a new incarnation.
    let mut s1 = Server::new(1);
    let w0 = s1.blind(0, 10);
    let mut after_crash = Server::new(1);
    let intent = super::Intent::Causal(&w0.reply);
    assert_eq!(after_crash.try_write(intent.clone(), super::value(1), 20), Err(MintError::Amnesia));
    assert!(amnesia(&after_crash.record, &after_crash.lines, after_crash.me, &s1.record.seen));
    after_crash.me.incarnation = 2;
    assert!(!amnesia(&after_crash.record, &after_crash.lines, after_crash.me, &s1.record.seen));
    let w1 = after_crash.write(intent, super::value(1), 20);
    assert_eq!(w1.write.dot.actor, Actor { incarnation: 2, ..actor(1) });
    after_crash.receive_write(&w0);
    assert_eq!(after_crash.values(), [1]);
    assert_eq!(after_crash.clocks(), ["([s1,1],[s1.2,1])"]);
}

#[test]
fn amnesia_looks_at_the_floor_too() {
    let mut s1 = Server::new(1);
    let w0 = s1.del(10);
    s1.collect();
    assert!(!amnesia(&s1.record, &s1.lines, s1.me, &w0.reply.seen));
    s1.put(&w0.reply, 1, 20);
    assert!(amnesia(&Record::default(), &SlotLines::default(), s1.me, &w0.reply.seen));
}

#[test]
fn times_stay_above_every_line() {
    let lines = SlotLines { refuse: Hlc(70), collect: Hlc(60), time_floor: Hlc(50), ..SlotLines::default() };
    let mut s1 = Server::new(1);
    s1.lines = lines;
    assert_eq!(s1.blind(0, 10).write.time, Hlc(71));
    let mut s2 = Server::new(2);
    s2.lines = SlotLines { time_floor: Hlc(80), ..lines };
    assert_eq!(s2.set(0, 10).write.time, Hlc(81));
    let mut s3 = Server::new(3);
    s3.lines = lines;
    assert_eq!(s3.set(0, 90).write.time, Hlc(90), "the own clock is above what it gave before");
}

#[test]
fn lines_of_another_actor_count_as_nothing() {
    let mut s1 = Server::new(1);
    s1.set(0, 10);
    s1.hand_over();
    assert_eq!((s1.lines.used(s1.me), s1.lines.gone(s1.me), s1.lines.time_floor), (1, 1, Hlc(10)));
    let next_life = Actor { incarnation: 2, ..s1.me };
    assert_eq!((s1.lines.used(next_life), s1.lines.gone(next_life)), (0, 0));
    s1.me = next_life;
    s1.set(1, 20);
    s1.set(2, 30);
    s1.collect();
    assert_eq!((s1.lines.used(next_life), s1.lines.gone(next_life)), (2, 0));
    assert_eq!(s1.lines.time_floor, Hlc(10), "a collection needs no floor of time");
}

fn encoded(lines: &SlotLines) -> Vec<u8> {
    let mut bytes = Vec::new();
    lines.encode(&mut bytes);
    bytes
}

#[test]
fn lines_round_trip() {
    let empty = SlotLines::default();
    let some = SlotLines {
        refuse: Hlc(70),
        collect: Hlc(60),
        actor: Some(Actor { incarnation: 3, ..actor(300) }),
        used: 1 << 40,
        gone: 5,
        time_floor: Hlc(u64::MAX),
        state: SlotState::Filling { lined: true },
    };
    let salvaging = SlotLines { state: SlotState::Salvaging, ..some };
    for lines in [empty, some, salvaging] {
        assert_eq!(SlotLines::decode(Bytes::from(encoded(&lines))), Ok(lines));
    }
}

#[test]
fn lines_that_break_their_rules_are_refused() {
    let me = Some(actor(1));
    for lines in [
        SlotLines { refuse: Hlc(1), collect: Hlc(2), ..SlotLines::default() },
        SlotLines { actor: me, used: 1, gone: 2, ..SlotLines::default() },
        SlotLines { actor: me, used: 1 << 63, ..SlotLines::default() },
    ] {
        assert_eq!(SlotLines::decode(Bytes::from(encoded(&lines))), Err(Malformed));
    }
    let good = encoded(&SlotLines { actor: me, used: 3, gone: 2, ..SlotLines::default() });
    for end in 0..good.len() {
        // The form without an actor is the same up to there.
        let shorter = SlotLines::decode(Bytes::copy_from_slice(&good[..end]));
        assert_eq!(shorter.is_ok(), end == 26);
    }
}
