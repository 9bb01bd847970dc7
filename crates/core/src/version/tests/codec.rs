//! Bytes of records and writes: round trips, and that no bytes at all can do harm.

use super::{actor, dots};
use crate::{
    hlc::Hlc,
    ids::{Actor, Dot, Epoch, MemberNumber},
    limits::{KEY_BYTES, VALUE_BYTES},
    varint::{Malformed, Reader},
    version::{DotSet, Kind, Mark, Payload, Record, SlotLines, Token, Value, Version, Write},
};
use bytes::Bytes;
use std::vec::Vec;

fn some_dot(rng: &mut fastrand::Rng) -> Dot {
    let incarnation = if rng.u8(..4) == 0 { rng.u32(1..4) } else { 1 };
    Dot { actor: Actor { member: MemberNumber(rng.u32(1..5)), incarnation }, counter: rng.u64(1..300) }
}

fn some_set(rng: &mut fastrand::Rng) -> DotSet {
    let mut set = DotSet::EMPTY;
    for _ in 0..rng.usize(0..6) {
        let dot = some_dot(rng);
        let lo = if rng.bool() { 1 } else { dot.counter };
        set.add_range(dot.actor, lo, dot.counter);
    }
    set
}

fn some_mark(rng: &mut fastrand::Rng) -> Mark {
    rng.bool().then(|| (Hlc(rng.u64(..)), some_dot(rng)))
}

fn some_bytes(rng: &mut fastrand::Rng) -> Bytes {
    let length = rng.usize(..200);
    (0..length).map(|_| rng.u8(..)).collect()
}

/// Any record that has a form, sound or not.
fn some_record(rng: &mut fastrand::Rng) -> Record {
    let mut seen = some_set(rng);
    seen.add(some_dot(rng));
    let mut versions: Vec<Version> = (0..rng.usize(0..4)).map(|_| some_version(rng, &seen)).collect();
    versions.sort();
    versions.dedup_by_key(|version| version.dot);
    Record { seen, mark: some_mark(rng), hi: Hlc(rng.u64(..)), versions }
}

fn some_version(rng: &mut fastrand::Rng, seen: &DotSet) -> Version {
    let dot = some_dot(rng);
    let kind = if rng.bool() { Kind::Causal } else { Kind::Register };
    Version {
        dot,
        ctx: if rng.bool() { seen.without(dot) } else { some_set(rng) },
        time: Hlc(rng.u64(..)),
        expires_ms: rng.bool().then(|| rng.u64(..)),
        kind,
        cmark: (kind == Kind::Causal && rng.bool()).then(|| some_mark(rng)),
        value: if rng.u8(..4) == 0 { Value::Freed } else { Value::Bytes(some_bytes(rng)) },
    }
}

fn some_write(rng: &mut fastrand::Rng) -> Write {
    let dot = some_dot(rng);
    let payload = match rng.bool() {
        true => Payload::Delete,
        false => Payload::Value { bytes: some_bytes(rng), expires_ms: rng.bool().then(|| rng.u64(..)) },
    };
    Write {
        key: some_bytes(rng),
        dot,
        lo: rng.u64(1..=dot.counter),
        ctx: some_set(rng),
        cmark: some_mark(rng),
        time: Hlc(rng.u64(..)),
        kind: if rng.bool() { Kind::Causal } else { Kind::Register },
        payload,
        epoch: Epoch(rng.u64(..)),
    }
}

fn of_record(record: &Record) -> Vec<u8> {
    let mut bytes = Vec::new();
    record.encode(&mut bytes);
    bytes
}

fn of_write(write: &Write) -> Vec<u8> {
    let mut bytes = Vec::new();
    write.encode(&mut bytes);
    bytes
}

fn read_write(bytes: &[u8]) -> Result<Write, Malformed> {
    let mut reader = Reader::new(Bytes::copy_from_slice(bytes));
    let write = Write::decode(&mut reader)?;
    reader.end().map(|()| write)
}

#[test]
fn the_empty_record_has_no_bytes() {
    assert_eq!(of_record(&Record::default()), []);
    assert_eq!(Record::decode(Bytes::new()), Ok(Record::default()));
    // Nor has it any other form.
    assert_eq!(Record::decode(Bytes::from_static(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])), Err(Malformed));
}

#[test]
fn everything_comes_back_as_it_was() {
    let mut rng = fastrand::Rng::with_seed(3);
    for _ in 0..3_000 {
        let record = some_record(&mut rng);
        assert_eq!(Record::decode(Bytes::from(of_record(&record))), Ok(record));
        let write = some_write(&mut rng);
        assert_eq!(read_write(&of_write(&write)), Ok(write));
    }
}

#[test]
fn values_share_the_buffer() {
    let bytes = Bytes::from(of_record(&only_version()));
    let record = Record::decode(bytes.clone()).unwrap();
    let Value::Bytes(value) = &record.versions[0].value else { panic!("a value") };
    assert!(bytes.as_ptr_range().contains(&value.as_ptr()));
}

fn only_version() -> Record {
    let seen = dots(&[(1, 1, 9), (2, 1, 5), (3, 1, 7)]);
    let dot = Dot { actor: actor(2), counter: 5 };
    let version = Version {
        dot,
        ctx: seen.without(dot),
        time: Hlc(1 << 57),
        expires_ms: None,
        kind: Kind::Causal,
        cmark: None,
        value: Value::Bytes(Bytes::from_static(b"value")),
    };
    Record { seen, mark: None, hi: Hlc(1 << 57), versions: Vec::from([version]) }
}

#[test]
fn a_usual_record_is_short() {
    assert_eq!(of_record(&only_version()).len(), 1 + 8 + 7 + 1 + 1 + 4 + 6);
}

#[test]
fn other_forms_of_the_same_record_are_refused() {
    let read = |versions: &[u8]| {
        // hi 0, seen s1: 1..2, no mark.
        let mut bytes = Vec::from([1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 4, 2, 0]);
        bytes.extend_from_slice(versions);
        Record::decode(Bytes::from(bytes))
    };
    // One version (s1, 2): its context as a flag, and written out.
    assert!(read(&[1, 8, 2, 2, 0, 0]).is_ok());
    assert_eq!(read(&[1, 0, 2, 2, 0, 1, 4, 1, 0]), Err(Malformed));
    // Two versions: the flag has no place, and their order is fixed.
    assert!(read(&[2, 0, 2, 1, 0, 0, 0, 0, 2, 2, 0, 1, 4, 1, 0]).is_ok());
    assert_eq!(read(&[2, 0, 2, 1, 0, 0, 0, 8, 2, 2, 0, 0]), Err(Malformed));
    assert_eq!(read(&[2, 0, 2, 2, 0, 1, 4, 1, 0, 0, 2, 1, 0, 0, 0]), Err(Malformed));
    assert_eq!(read(&[2, 0, 2, 1, 0, 0, 0, 0, 2, 1, 0, 0, 0]), Err(Malformed), "one dot twice");
    assert_eq!(read(&[1, 24, 2, 2, 0, 0]), Err(Malformed), "an unknown flag");
    assert_eq!(read(&[1, 8, 2, 0, 0, 0]), Err(Malformed), "counter 0");
}

#[test]
fn a_write_claims_counters_from_one_on() {
    let mut write = some_write(&mut fastrand::Rng::with_seed(8));
    write.lo = 1;
    assert!(read_write(&of_write(&write)).is_ok());
    write.lo = 0;
    assert_eq!(read_write(&of_write(&write)), Err(Malformed));
}

#[test]
fn cut_bytes_are_refused() {
    let record = of_record(&only_version());
    for end in 1..record.len() {
        assert_eq!(Record::decode(Bytes::copy_from_slice(&record[..end])), Err(Malformed));
    }
    let mut rng = fastrand::Rng::with_seed(4);
    let write = of_write(&some_write(&mut rng));
    for end in 0..write.len() {
        assert_eq!(read_write(&write[..end]), Err(Malformed));
    }
}

/// Whatever `bytes` are: no panic, and what decodes is the only form of what it says.
fn is_harmless(bytes: &[u8]) {
    let shared = Bytes::copy_from_slice(bytes);
    if let Ok(record) = Record::decode(shared.clone()) {
        assert_eq!(of_record(&record), bytes);
        let (mut twice, once) = (record.clone(), record.clone());
        twice.join(&once);
        let _ = record.check();
    }
    if let Ok(write) = read_write(bytes) {
        assert_eq!(of_write(&write), bytes);
        let mut record = Record::default();
        record.join_write(&write);
        record.join(&write.delta());
    }
    if let Ok(lines) = SlotLines::decode(shared.clone()) {
        let mut again = Vec::new();
        lines.encode(&mut again);
        match bytes[0] {
            // Slots had no state then.
            1 => assert_eq!(again[2..], bytes[1..]),
            _ => assert_eq!(again, bytes),
        }
    }
    let mut reader = Reader::new(shared);
    if let Ok(token) = Token::decode(&mut reader) {
        let mut again = Vec::new();
        token.encode(&mut again);
        assert_eq!(again, bytes[..bytes.len() - reader.remaining()]);
    }
}

fn bend(bytes: &mut Vec<u8>, rng: &mut fastrand::Rng) {
    for _ in 0..rng.usize(1..4) {
        let at = rng.usize(..=bytes.len());
        match rng.u8(..4) {
            0 => bytes.insert(at, rng.u8(..)),
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 if at < bytes.len() => bytes[at] ^= 1 << rng.u8(..8),
            _ if at < bytes.len() => bytes[at] = rng.u8(..),
            _ => {}
        }
    }
}

#[test]
fn random_bytes_are_harmless() {
    let mut rng = fastrand::Rng::with_seed(5);
    for _ in 0..20_000 {
        let mut bytes: Vec<u8> = (0..rng.usize(..40)).map(|_| rng.u8(..) >> rng.u8(..8)).collect();
        is_harmless(&bytes);
        if let Some(first) = bytes.first_mut() {
            *first = 1;
            is_harmless(&bytes);
        }
    }
}

#[test]
fn bent_bytes_are_harmless() {
    let mut rng = fastrand::Rng::with_seed(6);
    for _ in 0..20_000 {
        let mut bytes =
            if rng.bool() { of_record(&some_record(&mut rng)) } else { of_write(&some_write(&mut rng)) };
        bend(&mut bytes, &mut rng);
        is_harmless(&bytes);
    }
}

#[test]
fn keys_and_values_of_a_write_are_bounded() {
    let mut rng = fastrand::Rng::with_seed(7);
    let mut write = some_write(&mut rng);
    let zeros = |length: usize| Bytes::from(std::vec![0; length]);
    write.payload = Payload::Value { bytes: zeros(VALUE_BYTES), expires_ms: None };
    write.key = zeros(KEY_BYTES);
    assert!(read_write(&of_write(&write)).is_ok());
    write.key = zeros(KEY_BYTES + 1);
    assert!(read_write(&of_write(&write)).is_err());
    write.key = zeros(KEY_BYTES);
    write.payload = Payload::Value { bytes: zeros(VALUE_BYTES + 1), expires_ms: None };
    assert!(read_write(&of_write(&write)).is_err());
}

#[test]
fn announced_lengths_reserve_nothing() {
    // 2^62 of each, and nothing behind.
    let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3f];
    let mut actors = Vec::from([1, 0, 0, 0, 0, 0, 0, 0, 0]);
    actors.extend_from_slice(&huge);
    assert_eq!(Record::decode(Bytes::from(actors)), Err(Malformed));
    let mut versions = Vec::from([1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 4, 5, 0]);
    versions.extend_from_slice(&huge);
    assert_eq!(Record::decode(Bytes::from(versions)), Err(Malformed));
    let mut value = Vec::from([1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 4, 5, 0, 1, 8, 2, 5, 0]);
    value.extend_from_slice(&huge);
    assert_eq!(Record::decode(Bytes::from(value)), Err(Malformed));
}
