//! Tests of what is held of one key.

use super::{HELD_WRITES, Held};
use crate::{
    canary::Canary,
    hlc::Hlc,
    ids::{Actor, Dot, Epoch, MemberNumber},
    version::{DotSet, Intent, MintInput, Payload, Record, SlotLines, Token, Write, mint},
};
use alloc::vec::Vec;
use bytes::Bytes;
use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

const ME: Actor = Actor { member: MemberNumber(1), incarnation: 1 };

fn minted(record: &mut Record, intent: Intent<'_>, time: u64) -> Write {
    let input = MintInput {
        key: &Bytes::from_static(b"key"),
        me: ME,
        lines: &SlotLines::default(),
        clock: Hlc(time),
        intent,
        payload: Payload::Value { bytes: Bytes::from_static(b"value"), expires_ms: None },
        epoch: Epoch(1),
        canary: Canary::None,
    };
    mint(record, input).expect("it can be minted").write
}

fn member(number: u32) -> MemberNumber {
    MemberNumber(number)
}

#[test]
fn a_plain_write_carries_those_before_it_along_for_the_owners_that_get_it() {
    let (mut record, nothing) = (Record::default(), Token::EMPTY);
    let first = minted(&mut record, Intent::Plain { learned: &nothing }, 1);
    let second = minted(&mut record, Intent::Plain { learned: &nothing }, 2);
    let mut held = Held::default();
    assert!(held.add(&first, &[member(3), member(2)]) && held.add(&second, &[member(2)]));
    assert_eq!(held.hints.len(), 2, "owner 3 does not get the second one from here");
    assert_eq!(&held.hints[0].targets[..], [member(3)]);
    assert!(held.add(&second, &[member(3)]));
    assert_eq!(&held.hints[1].targets[..], [member(2), member(3)]);
    assert!(held.delivered(first.dot, member(3)) && !held.delivered(first.dot, member(3)));
    assert_eq!(held.hints.len(), 1);
}

#[test]
fn blind_writes_are_held_beside_each_other_up_to_a_limit() {
    let (mut record, mut held) = (Record::default(), Held::default());
    for time in 0..HELD_WRITES as u64 {
        let write = minted(&mut record, Intent::Causal(&Token::EMPTY), time + 1);
        assert!(held.add(&write, &[member(2)]));
    }
    let view = held.view();
    assert_eq!(view.versions.len(), HELD_WRITES);
    let seen = view.token();
    let over = minted(&mut view.clone(), Intent::Causal(&seen), 1_000);
    assert!(held.add(&over, &[member(2)]), "it replaces all that is held");
    assert_eq!(held.hints.len(), 1);
}

proptest! {
    /// Whatever is dropped because a later write carries it along: who takes what is left knows the same.
    #[test]
    fn what_is_dropped_is_carried(plain in prop::collection::vec(any::<bool>(), 1..20), cuts in any::<u64>()) {
        let (mut record, mut held, mut all) = (Record::default(), Held::default(), Record::default());
        let nothing = Token::EMPTY;
        for (at, plain) in plain.into_iter().enumerate() {
            let seen = record.token();
            let intent = match (plain, cuts >> at & 1) {
                (true, _) => Intent::Plain { learned: &nothing },
                (false, 0) => Intent::Causal(&nothing),
                (false, _) => Intent::Causal(&seen),
            };
            let write = minted(&mut record, intent, at as u64 + 1);
            all.join_write(&write);
            prop_assert!(held.add(&write, &[member(2)]));
            prop_assert_eq!(&held.view(), &all);
            let mut bytes = Vec::new();
            held.encode(&mut bytes);
            prop_assert_eq!(&Held::decode(bytes.into()).expect("it was encoded"), &held);
        }
    }

    #[test]
    fn garbage_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(held) = Held::decode(Bytes::from(bytes.clone())) {
            let mut again = Vec::new();
            held.encode(&mut again);
            prop_assert_eq!(Held::decode(again.into()).expect("it was encoded"), held);
        }
    }
}

#[test]
fn bytes_are_golden() {
    let mut held = Held::default();
    let dot = Dot { actor: ME, counter: 7 };
    let payload = Payload::Value { bytes: Bytes::from_static(b"v"), expires_ms: None };
    let write = Write {
        key: Bytes::from_static(b"k"),
        dot,
        lo: 7,
        ctx: DotSet::EMPTY,
        cmark: None,
        time: Hlc(5),
        kind: crate::version::Kind::Causal,
        payload,
        epoch: Epoch(1),
    };
    held.add(&write, &[member(200), member(3)]);
    let mut bytes = Vec::new();
    held.encode(&mut bytes);
    assert_eq!(
        bytes,
        [
            1, 1, 2, 3, 200, 1, // format, one write, for two owners: 3 and 200
            1, 0, 1, b'k', 2, 7, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, b'v', // the write
        ]
    );
}
