//! Bytes that must never change without a new format number. The drawings are in `docs/formats/`.

use super::Server;
use crate::varint::Reader;
use crate::{
    slot::Slot,
    version::{DigestKey, Intent, Record, SlotLines, SlotState, Token, TokenKey, Value, Write},
};
use bytes::Bytes;
use std::{format, string::String, vec::Vec};

const T: u64 = 0x0102_0304_0506_0708;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn of_record(record: &Record) -> String {
    let mut bytes = Vec::new();
    record.encode(&mut bytes);
    assert_eq!(Record::decode(Bytes::from(bytes.clone())).as_ref(), Ok(record));
    hex(&bytes)
}

fn of_write(write: &Write) -> String {
    let mut bytes = Vec::new();
    write.encode(&mut bytes);
    assert_eq!(Write::decode(&mut Reader::new(Bytes::from(bytes.clone()))).as_ref(), Ok(write));
    hex(&bytes)
}

fn of_lines(lines: &SlotLines) -> String {
    let mut bytes = Vec::new();
    lines.encode(&mut bytes);
    hex(&bytes)
}

/// Plain `A` by s1, plain expiring `B` by s2 over it.
fn plain() -> (Server, Write) {
    let (mut s1, mut s2) = (Server::new(1), Server::new(2));
    s1.set(b'A', T);
    s2.receive(&s1.record);
    let intent = Intent::Plain { learned: &Token::EMPTY };
    let write = s2.write(intent, super::expiring(b'B', 1_000), T).write;
    (s2, write)
}

#[test]
fn records() {
    let (mut s2, _) = plain();
    assert_eq!(of_record(&s2.record), "010907060504030201020401040101040100010b040100e8070142");
    s2.record.versions[0].value = Value::Freed;
    assert_eq!(of_record(&s2.record), "010907060504030201020401040101040100010f040100e807");
    let mut s1 = Server::new(1);
    s1.blind(b'A', T);
    s1.blind(b'B', T);
    assert_eq!(of_record(&s1.record), "010907060504030201010402000210020101000001411002020000000142");
    // As it was stored before marks were kept.
    let before = Record::decode(Bytes::from_static(&[
        1, 9, 7, 6, 5, 4, 3, 2, 1, 1, 4, 2, 0, 2, 0, 2, 1, 1, 0, 1, 65, 0, 2, 2, 0, 0, 1, 66,
    ]))
    .expect("it was written once");
    assert!(before.versions.iter().all(|version| version.cmark.is_none()));
    let mut both = before.clone();
    both.join(&s1.record);
    assert_eq!(both, s1.record, "what is known of a mark stays known");
    let mut s3 = Server::new(3);
    s3.receive(&plain().0.record);
    s3.put(&s3.record.token(), b'C', T);
    assert_eq!(of_record(&s3.record), "010a0706050403020103040104010401010401010118060100010401010143");
    s1.me.incarnation = 2;
    s1.del(T);
    assert_eq!(of_record(&s1.record), "010a07060504030201020402020201010302010000");
}

#[test]
fn writes() {
    assert_eq!(of_write(&plain().1), "0103036b657904010009070605040302010101040101020101e8070142");
    let mut s1 = Server::new(1);
    s1.lines.actor = Some(s1.me);
    s1.lines.used = 200;
    let put = s1.blind(b'A', T);
    assert_eq!(of_write(&put.write), "0100036b657902c901c80108070605040302010100000141");
    assert_eq!(
        of_write(&s1.remove(&put.reply, T).write),
        "0104036b657902ca0100090706050403020101010501c8010000"
    );
}

#[test]
fn lines() {
    assert_eq!(of_lines(&SlotLines::default()), "0200000000000000000000000000000000000000000000000000");
    let before = Bytes::from([&[1][..], &[0; 24]].concat());
    assert_eq!(SlotLines::decode(before), Ok(SlotLines::default()));
    let filling = SlotLines { state: SlotState::Filling { lined: true }, ..SlotLines::default() };
    assert_eq!(of_lines(&filling), "0203000000000000000000000000000000000000000000000000");
    let (mut s2, _) = plain();
    s2.lines.refuse.0 = T + 9;
    s2.lines.collect.0 = T;
    s2.hand_over();
    assert_eq!(of_lines(&s2.lines), "0200110706050403020108070605040302010907060504030201040101");
}

#[test]
fn tokens() {
    let sealed = plain().0.token().seal(&TokenKey(*b"0123456789abcdef"), b"key").unwrap();
    assert_eq!(hex(&sealed), "0109070605040302010204010401010401000423f87e825e5868");
}

#[test]
fn digests() {
    let key = DigestKey(*b"0123456789abcdef");
    let digest = |record: &Record| format!("{:032x}", key.digest(Slot::of(b"key"), b"key", record));
    assert_eq!(digest(&plain().0.record), "3a05fcf8ae89a141d941938c5597aeee");
    let mut s1 = Server::new(1);
    s1.blind(b'A', T);
    assert_eq!(digest(&s1.record), "119743281c3f042319e2741e8b39b534");
    assert_eq!(key.digest(Slot::of(b"key"), b"key", &Record::default()), 0);
}
