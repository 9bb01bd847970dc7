//! The traces that convict each wrong variant of the algebra, from the tables of the specification (versions,
//! sections 2 and 8; records and deletes, section 8). The right algebra passes each. A test is named after the
//! mistake that it would catch.

use super::{Server, dot, dots, expiring, joined, values};
use crate::version::{DigestKey, Intent, Token, Value};
use crate::{canary::Canary, hlc::Hlc, slot::Slot};

const NOTHING: Token = Token::EMPTY;

#[test]
fn server_clock_without_dots() {
    let mut s1 = Server::new(1);
    s1.blind(0, 10);
    s1.blind(1, 20);
    assert_eq!(s1.values(), [0, 1]);
}

#[test]
fn context_taken_for_blind() {
    let mut s1 = Server::new(1);
    let w0 = s1.blind(0, 10);
    s1.put(&w0.reply, 1, 20);
    assert_eq!(s1.values(), [1]);
}

#[test]
fn counter_restarts_when_the_record_is_empty_of_values() {
    let mut s1 = Server::new(1);
    let w0 = s1.blind(0, 10);
    s1.remove(&w0.reply, 20);
    let w2 = s1.blind(2, 30);
    s1.put(&w0.reply, 3, 40);
    assert_eq!(w2.write.dot, dot(1, 3));
    assert_eq!(s1.values(), [2, 3]);
}

#[test]
fn read_token_pruned_to_two_pairs() {
    let (mut s1, mut s2, mut s3) = (Server::new(1), Server::new(2), Server::new(3));
    s1.blind(0, 10);
    let w1 = s2.blind(1, 10);
    s3.put(&w1.reply, 2, 20);
    s1.receive(&s2.record);
    s1.receive(&s3.record);
    s1.blind(3, 30);
    s1.put(&s1.token(), 4, 40);
    assert_eq!(s1.values(), [4]);
}

#[test]
fn seen_pruned_to_two_pairs() {
    let (mut s1, mut s2, mut s3) = (Server::new(1), Server::new(2), Server::new(3));
    let w0 = s1.blind(0, 10);
    s2.blind(1, 10);
    s3.receive(&s2.record);
    s3.put(&w0.reply, 2, 20);
    assert_eq!(values(&joined(&[&s3.record, &s1.record])), [1, 2]);
}

#[test]
fn pruned_clocks_compared() {
    // X = ([s1,2],[s2,1],[s3,1]) with s1 cut would pass for an ancestor of Y = ([s2,2],[s3,1]), which never saw it.
    let (mut s1, mut s2, mut s3) = (Server::new(1), Server::new(2), Server::new(3));
    s1.blind(0, 10);
    s2.blind(1, 10);
    s3.blind(2, 10);
    let of_two = joined(&[&s2.record, &s3.record]).token();
    s1.put(&of_two, 3, 20);
    s2.put(&of_two, 4, 20);
    s1.receive(&s2.record);
    assert_eq!(s1.values(), [0, 3, 4]);
}

#[test]
fn delta_rounded_up_to_a_vector_clock() {
    let (mut s1, mut s2) = (Server::new(1), Server::new(2));
    s1.blind(0, 10);
    let mut w1 = s1.clone();
    let w1 = w1.blind(1, 20);
    s2.put(&w1.reply, 2, 30);
    assert_eq!(s2.record.seen, dots(&[(1, 2, 2), (2, 1, 1)]), "what was not seen stays a gap");
    s1.receive(&s2.record);
    assert_eq!(s1.values(), [0, 2]);
}

#[test]
fn fill_claims_only_what_cannot_live() {
    // The coordinator has seen its first dot, so the second write's delta claims only the second.
    let mut s1 = Server::new(1);
    s1.blind(0, 10);
    let w1 = s1.blind(1, 20);
    assert_eq!((w1.write.lo, w1.write.dot), (2, dot(1, 2)));
    let mut s2 = Server::new(2);
    s2.receive_write(&w1);
    s1.receive(&s2.record);
    assert_eq!(s1.values(), [0, 1]);
}

#[test]
fn register_beats_causal() {
    let (mut s1, mut s2) = (Server::new(1), Server::new(2));
    s1.set(0, 90);
    s2.blind(1, 10);
    assert_eq!(values(&joined(&[&s1.record, &s2.record])), [0, 1]);
}

#[test]
fn plain_write_that_does_not_cover_what_it_saw() {
    let mut s1 = Server::new(1);
    s1.blind(0, 10);
    s1.set(1, 20);
    assert_eq!(s1.values(), [1]);
}

#[test]
fn tombstone_dropped_on_join() {
    let (mut s1, mut s2) = (Server::new(1), Server::new(2));
    let w0 = s1.blind(0, 10);
    s2.remove(&w0.reply, 20);
    assert_eq!(values(&joined(&[&s1.record, &s2.record])), []);
    assert_eq!(values(&joined(&[&s2.record, &s1.record])), []);
}

#[test]
fn token_without_mark() {
    let (mut s1, mut s2) = (Server::new(1), Server::new(2));
    let w1 = s1.set(1, 100);
    s2.put(&w1.reply, 2, 20);
    s2.set(3, 30);
    assert_eq!(values(&joined(&[&s1.record, &s2.record])), [3]);
}

#[test]
fn time_not_above_mark() {
    let (mut s1, mut s2) = (Server::new(1), Server::new(2));
    s1.set(0, 100);
    s2.receive(&s1.record);
    let w1 = s2.set(1, 20);
    assert_eq!(w1.write.time, Hlc(101));
    assert_eq!(values(&joined(&[&s1.record, &s2.record])), [1]);
}

#[test]
fn time_not_above_what_only_the_token_knows() {
    let (mut s1, mut s2) = (Server::new(1), Server::new(2));
    let w0 = s1.blind(0, 100);
    let w1 = s2.put(&w0.reply, 1, 20);
    assert_eq!(w1.write.time, Hlc(101));
    assert_eq!(w1.reply.hi, Hlc(101));
}

#[test]
fn no_mark_in_the_record() {
    let (mut s1, mut s2) = (Server::new(1), Server::new(2));
    s1.set(0, 10);
    s2.del(20);
    assert_eq!(values(&joined(&[&s1.record, &s2.record])), []);
    assert_eq!(values(&joined(&[&s2.record, &s1.record])), []);
}

#[test]
fn join_without_mark_is_not_associative() {
    let (mut a, mut b, mut c) = (Server::new(1), Server::new(2), Server::new(3));
    a.set(1, 10);
    b.set(2, 50);
    c.receive(&b.record);
    c.put(&c.token(), 3, 60);
    let left = joined(&[&joined(&[&a.record, &b.record]), &c.record]);
    let right = joined(&[&a.record, &joined(&[&b.record, &c.record])]);
    assert_eq!(left, right);
    assert_eq!(values(&left), [3]);
}

#[test]
fn mark_forgotten_in_a_write() {
    // Plain v0 beside a newer plain DEL v1; causal v2 over v1 must not bring v0 back.
    let (mut s1, mut s2, mut s3) = (Server::new(1), Server::new(2), Server::new(3));
    s1.set(0, 10);
    let v1 = s2.del(20);
    let v2 = s3.put(&v1.reply, 2, 30);
    s1.receive_write(&v2);
    assert_eq!(s1.values(), [2]);
    s1.receive_write(&v1);
    assert_eq!(s1.values(), [2]);
}

#[test]
fn put_reply_shows_all_that_the_server_has_seen() {
    let mut s1 = Server::new(1);
    s1.blind(0, 10);
    let w1 = s1.blind(1, 20);
    s1.put(&w1.reply, 2, 30);
    assert_eq!(s1.values(), [0, 2]);
}

#[test]
fn token_not_merged_into_seen() {
    let (mut s1, mut s2) = (Server::new(1), Server::new(2));
    let w0 = s1.blind(0, 10);
    s2.put(&w0.reply, 1, 20);
    s2.receive_write(&w0);
    assert_eq!(s2.values(), [1]);
}

#[test]
fn expiry_forgets_seen_or_mark() {
    // Freed: the bytes are gone, the entry stays; so what the value replaced or beat does not return.
    let (mut s1, mut s2) = (Server::new(1), Server::new(2));
    s1.set(0, 10);
    s2.write(Intent::Plain { learned: &NOTHING }, expiring(1, 1_000), 20);
    s2.record.versions[0].value = Value::Freed;
    s1.receive(&s2.record);
    assert_eq!(s1.values(), []);
    assert_eq!(s1.record.plain(0), None);
    s1.set(2, 30);
    s1.receive(&s2.record);
    assert_eq!(s1.values(), [2]);
}

#[test]
fn freed_and_full_copy_join_to_freed() {
    let mut s1 = Server::new(1);
    let minted = s1.write(Intent::Causal(&NOTHING), expiring(0, 1_000), 10);
    let full = s1.record.clone();
    s1.record.versions[0].value = Value::Freed;
    let freed = s1.record.clone();
    assert_eq!(joined(&[&full, &freed]), freed);
    assert_eq!(joined(&[&freed, &full]), freed);
    s1.receive_write(&minted);
    assert_eq!(s1.record, freed);
    let digest = |record| DigestKey([7; 16]).digest(Slot::of(b"key"), b"key", record);
    assert_eq!(digest(&full), digest(&freed));
}

#[test]
fn second_round_covers_what_it_learned() {
    let (mut s1, mut s2) = (Server::new(1), Server::new(2));
    s2.set(0, 100);
    let first = s1.set(1, 20);
    s2.receive_write(&first);
    assert_eq!(s2.values(), [0], "beaten");
    let second = s1.write(Intent::Plain { learned: &s2.token() }, super::value(1), 21);
    assert!(second.write.time > Hlc(100));
    s2.receive_write(&second);
    assert_eq!(s2.values(), [1]);
    assert_eq!(s1.record, s2.record);
    assert_eq!(s1.clocks(), ["([s1,2],[s2,1])"]);
}

#[test]
fn delete_covers_only_what_it_knows() {
    // A plain delete takes all that its server saw and each plain write below it; a causal value elsewhere stays.
    let (mut s1, mut s2, mut s3) = (Server::new(1), Server::new(2), Server::new(3));
    s1.set(0, 10);
    s2.blind(1, 10);
    s3.del(50);
    assert_eq!(values(&joined(&[&s1.record, &s2.record, &s3.record])), [1]);
    // A causal delete takes what its token covers, and raises no mark.
    let mut s4 = Server::new(4);
    s4.remove(&s2.token(), 60);
    assert_eq!(s4.record.mark, None);
    assert_eq!(values(&joined(&[&s1.record, &s2.record, &s4.record])), [0]);
}

#[test]
fn canary_none_is_the_plain_join() {
    let mut s1 = Server::with(1, Canary::None);
    s1.blind(0, 10);
    s1.blind(1, 20);
    let mut other = s1.record.clone();
    other.join_with(&s1.record, Canary::None);
    assert_eq!(other, s1.record);
}
