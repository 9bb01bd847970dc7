//! Bounds of a mint: siblings, counters; and that an error leaves the record as it was (checked by the server).

use super::{Intent, Server, actor, value};
use crate::{
    limits::SIBLINGS,
    version::{COUNTER_MAX, MintError, SlotLines, Token},
};

const BLIND: Intent<'static> = Intent::Causal(&Token::EMPTY);

fn full() -> Server {
    let mut s1 = Server::new(1);
    for clock in 0..SIBLINGS as u64 {
        s1.blind(0, clock);
    }
    s1
}

#[test]
fn one_sibling_too_many_is_refused() {
    let mut s1 = full();
    assert_eq!(s1.try_write(BLIND, value(1), 100), Err(MintError::TooManySiblings));
    let mut fresh = Server::new(2);
    let elsewhere = fresh.blind(2, 90);
    let covers_nothing_here = Intent::Causal(&elsewhere.reply);
    assert_eq!(s1.try_write(covers_nothing_here, value(1), 100), Err(MintError::TooManySiblings));
}

#[test]
fn deletes_plain_writes_and_merges_are_taken_at_the_limit() {
    let mut s1 = full();
    let one = Token { seen: super::dots(&[(1, 5, 5)]), ..Token::EMPTY };
    s1.put(&one, 1, 100);
    assert_eq!(s1.record.versions.len(), SIBLINGS);
    s1.remove(&Token::EMPTY, 110);
    s1.remove(&Token { seen: super::dots(&[(1, 6, 9)]), ..Token::EMPTY }, 120);
    assert_eq!(s1.record.versions.len(), SIBLINGS - 4);
    let mut full = full();
    full.set(1, 100);
    assert_eq!(full.values(), [1]);
}

#[test]
fn a_beaten_plain_version_makes_room() {
    // The token's mark beats the register version, which goes; so the count does not grow.
    let mut s1 = Server::new(1);
    s1.set(0, 0);
    for clock in 1..SIBLINGS as u64 {
        s1.blind(0, clock);
    }
    let mut s2 = Server::new(2);
    let higher = s2.set(1, 1_000);
    s1.put(&higher.reply, 2, 100);
    assert_eq!(s1.record.versions.len(), SIBLINGS);
}

#[test]
fn above_the_limit_by_joins_the_way_back_is_open() {
    let mut s1 = full();
    let mut s2 = Server::new(2);
    s2.blind(1, 10);
    let over = s2.blind(2, 20);
    s1.receive(&s2.record);
    assert_eq!(s1.record.versions.len(), SIBLINGS + 2);
    assert_eq!(s1.try_write(BLIND, value(1), 100), Err(MintError::TooManySiblings));
    s1.put(&over.reply, 3, 100);
    s1.put(&s1.token(), 4, 110);
    assert_eq!(s1.values(), [4]);
}

#[test]
fn counters_end_below_two_to_the_63() {
    let mut s1 = Server::new(1);
    s1.lines = SlotLines { actor: Some(actor(1)), used: COUNTER_MAX - 1, ..SlotLines::default() };
    assert_eq!(s1.set(0, 10).write.dot.counter, COUNTER_MAX);
    assert_eq!(s1.record.check(), Ok(()));
    assert_eq!(s1.try_write(BLIND, value(1), 20), Err(MintError::CounterOverflow));
}

#[test]
fn plain_reply_covers_what_the_server_had_seen() {
    let mut s1 = Server::new(1);
    s1.blind(0, 10);
    let set = s1.set(1, 20);
    assert_eq!(set.reply, s1.token());
    assert_eq!(set.write.ctx, super::dots(&[(1, 1, 1)]));
    assert_eq!(set.write.cmark, None);
    assert_eq!(set.reply.mark, Some((set.write.time, set.write.dot)));
}
