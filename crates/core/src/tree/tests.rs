//! The sums against a tree that is built anew from the records.

use super::{name, *};
use crate::{
    hlc::Hlc,
    ids::{Actor, Dot, MemberNumber},
    slot::Slot,
    version::{DigestKey, DotSet, Kind, Record, Value, Version},
};
use bytes::Bytes;
use proptest::prelude::*;
use std::{collections::BTreeMap, format, string::String, vec, vec::Vec};

const KEY: DigestKey = DigestKey([7; 16]);

fn slot() -> Slot {
    Slot::new(77).expect("a slot")
}

/// A record of one write; `expires_s` after it or never, or a delete.
fn record(counter: u64, at_s: u64, kind: u8, expires_s: u64) -> Record {
    let actor = Actor { member: MemberNumber(1), incarnation: 1 };
    let dot = Dot { actor, counter };
    let time = Hlc::from_wall_ms(at_s * 1_000 + 7);
    let mut seen = DotSet::default();
    seen.add_range(actor, 1, counter);
    let version = Version {
        dot,
        ctx: seen.without(dot),
        time,
        expires_ms: (kind == 2).then_some((at_s + expires_s) * 1_000),
        kind: Kind::Causal,
        cmark: None,
        value: Value::Bytes(Bytes::from_static(b"v")),
    };
    let versions = if kind == 0 { vec![] } else { vec![version] };
    Record { seen, mark: None, hi: time, versions }
}

type Held = BTreeMap<String, Record>;

fn rebuilt(held: &Held, depth: u8) -> Vec<Sum> {
    let mut sums = Sums::default();
    for (key, record) in held {
        let item = Item::new(&KEY, slot(), key.as_bytes(), record);
        for sum in delta(Item::default(), item, key_hash(&KEY, key.as_bytes()), depth) {
            sums.add(sum);
        }
    }
    sums.into_list()
}

/// A write of one of a few keys: key, kind, seconds, seconds to its expiry.
fn writes() -> impl Strategy<Value = Vec<(u8, u8, u64, u64)>> {
    prop::collection::vec((0u8..40, 0u8..4, 1_000u64..5_000, 0u64..100_000), 0..120)
}

fn play(writes: &[(u8, u8, u64, u64)], depth: u8) -> (Held, Vec<Sum>) {
    let (mut held, mut sums) = (Held::new(), Sums::default());
    for (at, &(key, kind, at_s, expires_s)) in writes.iter().enumerate() {
        let key = format!("key-{key}");
        let hash = key_hash(&KEY, key.as_bytes());
        let item = |held: &Held| {
            held.get(&key).map_or(Item::default(), |it| Item::new(&KEY, slot(), key.as_bytes(), it))
        };
        let old = item(&held);
        if kind == 3 {
            held.remove(&key);
        } else {
            held.insert(key.clone(), record(at as u64 + 1, at_s, kind, expires_s));
        }
        for sum in delta(old, item(&held), hash, depth) {
            sums.add(sum);
        }
        assert!(is_sound(sums.list()));
    }
    (held, sums.into_list())
}

proptest! {
    #[test]
    fn sums_kept_up_to_date_are_those_of_a_tree_built_anew(writes in writes(), depth in 4u8..9) {
        let (held, sums) = play(&writes, depth);
        prop_assert_eq!(&sums, &rebuilt(&held, depth));
        prop_assert_eq!(super::depth(&sums), if sums.iter().any(|sum| sum.name < 1 << 20) { depth } else { 4 });
    }

    #[test]
    fn trees_of_different_depths_compare(writes in writes(), one in 4u8..9, other in 4u8..9) {
        let held = play(&writes, 4).0;
        let (one, other) = (rebuilt(&held, one), rebuilt(&held, other));
        prop_assert_eq!(differing(&one, &other, Hlc::ZERO), vec![]);
        prop_assert_eq!(total(&one, Hlc::ZERO), total(&other, Hlc::ZERO));
    }

    #[test]
    fn what_differs_is_in_a_sum_that_is_named(writes in writes(), lost in 0u8..40, one in 4u8..7, other in 4u8..7) {
        let held = play(&writes, 4).0;
        let key = format!("key-{lost}");
        let mut less = held.clone();
        let gone = less.remove(&key);
        let names = differing(&rebuilt(&held, one), &rebuilt(&less, other), Hlc::ZERO);
        prop_assert_eq!(names.len(), usize::from(gone.is_some()));
        if let Some(gone) = gone {
            let item = Item::new(&KEY, slot(), key.as_bytes(), &gone);
            prop_assert!(holds(&names, item, key_hash(&KEY, key.as_bytes())));
        }
    }

    #[test]
    fn who_has_collected_and_who_has_not_compare_equal(writes in writes(), theta_s in 0u64..110_000) {
        let held = play(&writes, 4).0;
        let theta = Hlc::from_wall_ms(theta_s * 1_000);
        let mut collected = held.clone();
        collected.retain(|key, record| {
            let ends = Item::new(&KEY, slot(), key.as_bytes(), record).ends();
            ends.is_none_or(|end| end > theta)
        });
        let (all, less) = (rebuilt(&held, 4), rebuilt(&collected, 4));
        prop_assert_eq!(differing(&all, &less, theta), vec![]);
        prop_assert_eq!(total(&all, theta), total(&less, theta));
        if held.len() > collected.len() {
            prop_assert!(!differing(&all, &less, Hlc::ZERO).is_empty(), "above the line they count");
        }
    }

    #[test]
    fn a_bucket_ends_after_its_records_may_go(at_s in 0u64..1 << 36, expires_s in 0u64..1 << 50) {
        let record = record(1, at_s, 2, expires_s);
        let ends = Item::new(&KEY, slot(), b"k", &record).ends().expect("it expires");
        let die_ms = die(&record).expect("it expires");
        prop_assert!(ends > Hlc::from_wall_ms(die_ms) || ends.wall_ms() == (1 << 48) - 1);
        let late_ms = ends.wall_ms().saturating_sub(die_ms);
        prop_assert!(late_ms <= 16_000.max((die_ms - record.hi.wall_ms()) / 16), "and not much later");
    }

    #[test]
    fn any_name_has_an_end(name in any::<u64>()) {
        let _ = name::end(name);
        let _ = is_sound(&[Sum { name, value: 1 }]);
        let _ = differing(&[Sum { name, value: 1 }], &[], Hlc::ZERO);
    }
}

#[test]
fn leaves_are_split_and_put_together_with_a_wide_span_between() {
    assert_eq!((depth_for(2_000, 4), depth_for(2_001, 4), depth_for(5_000, 4)), (4, 5, 6));
    assert_eq!((depth_for(1_000, 5), depth_for(999, 5)), (5, 4));
    assert_eq!((depth_for(0, 10), depth_for(u64::MAX >> 20, 4)), (4, 10));
}
