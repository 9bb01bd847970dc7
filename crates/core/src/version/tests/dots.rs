//! Sets of dots against a set that holds each dot by itself.

use super::{actor, dot, dots};
use crate::{
    ids::{Actor, Dot, MemberNumber},
    varint::Reader,
    version::{COUNTER_MAX, DotSet},
};
use bytes::Bytes;
use std::{collections::BTreeSet, vec::Vec};

type Model = BTreeSet<Dot>;

fn some_actor(rng: &mut fastrand::Rng) -> Actor {
    Actor { member: MemberNumber(rng.u32(1..4)), incarnation: rng.u32(1..3) }
}

fn grow(set: &mut DotSet, model: &mut Model, rng: &mut fastrand::Rng) {
    let (actor, lo) = (some_actor(rng), rng.u64(1..40));
    let hi = if rng.bool() { lo } else { lo + rng.u64(0..6) };
    set.add_range(actor, lo, hi);
    model.extend((lo..=hi).map(|counter| Dot { actor, counter }));
}

fn agree(set: &DotSet, model: &Model) {
    assert!(set.is_well_formed(), "{set:?}");
    let members: Model = set
        .ranges()
        .iter()
        .flat_map(|range| (range.lo..=range.hi).map(|counter| Dot { actor: range.actor, counter }))
        .collect();
    assert_eq!(&members, model);
}

#[test]
fn every_operation_is_that_of_a_set() {
    let mut rng = fastrand::Rng::with_seed(1);
    for _ in 0..3_000 {
        let (mut a, mut b) = (DotSet::EMPTY, DotSet::EMPTY);
        let (mut model_a, mut model_b) = (Model::new(), Model::new());
        for _ in 0..rng.usize(0..30) {
            grow(&mut a, &mut model_a, &mut rng);
        }
        for _ in 0..rng.usize(0..30) {
            grow(&mut b, &mut model_b, &mut rng);
        }
        agree(&a, &model_a);
        for _ in 0..10 {
            let dot = Dot { actor: some_actor(&mut rng), counter: rng.u64(1..50) };
            assert_eq!(a.contains(dot), model_a.contains(&dot));
            let top = model_a.iter().filter(|it| it.actor == dot.actor).map(|it| it.counter).max();
            assert_eq!(a.top(dot.actor), top.unwrap_or(0));
            let mut less = model_a.clone();
            less.remove(&dot);
            agree(&a.without(dot), &less);
        }
        assert_eq!(a.is_subset(&b), model_a.is_subset(&model_b));
        let mut both = a.clone();
        both.union(&b);
        agree(&both, &model_a.union(&model_b).copied().collect());
        assert!(a.is_subset(&both) && b.is_subset(&both));
        let mut other_way = b.clone();
        other_way.union(&a);
        assert_eq!(both, other_way, "equal sets have equal ranges");
    }
}

#[test]
fn touching_ranges_become_one() {
    let mut set = dots(&[(1, 1, 3), (1, 5, 6), (1, 8, 9), (2, 1, 1)]);
    assert_eq!(set.ranges().len(), 4);
    set.add(dot(1, 4));
    assert_eq!(set, dots(&[(1, 1, 6), (1, 8, 9), (2, 1, 1)]));
    set.add_range(actor(1), 2, 20);
    assert_eq!(set, dots(&[(1, 1, 20), (2, 1, 1)]));
    set.add_range(actor(1), 7, 6);
    set.add_range(actor(3), 0, 0);
    assert_eq!(set, dots(&[(1, 1, 20), (2, 1, 1)]), "an empty range and counter 0 add nothing");
}

fn round_trip(set: &DotSet) -> usize {
    let mut bytes = Vec::new();
    set.encode(&mut bytes);
    let length = bytes.len();
    let mut reader = Reader::new(Bytes::from(bytes));
    assert_eq!(DotSet::decode(&mut reader).as_ref(), Ok(set));
    reader.end().unwrap();
    length
}

#[test]
fn forms_are_short_and_exact() {
    assert_eq!(round_trip(&DotSet::EMPTY), 1);
    assert_eq!(round_trip(&dots(&[(1, 1, 100), (2, 1, 100), (3, 1, 100)])), 7);
    assert_eq!(round_trip(&dots(&[(1, 51, 51)])), 5);
    round_trip(&dots(&[(1, COUNTER_MAX, COUNTER_MAX), (u32::MAX, 1, COUNTER_MAX)]));
    let lives = [(7, 1), (7, 2), (7, 9), (8, 0), (8, u32::MAX)];
    let mut set = DotSet::EMPTY;
    for (member, incarnation) in lives {
        set.add_range(Actor { member: MemberNumber(member), incarnation }, 2, 3);
    }
    round_trip(&set);
}

#[test]
fn other_forms_of_the_same_set_are_refused() {
    for bytes in [
        &[1, 4, 0][..],                                                      // highest counter 0
        &[1, 4, 0x85, 0],                                                    // a longer number than needed
        &[1, 6, 1, 5],                                                       // the first life written out
        &[1, 5, 1, 0, 4],       // one range from 1, in the long form
        &[1, 5, 0],             // no ranges
        &[2, 4, 5, 0, 5],       // the same actor twice
        &[2, 6, 3, 5, 2, 2, 5], // lives out of order
        &[1, 4],                // cut
        &[9, 4, 1],             // fewer actors than announced
        &[1, 5, 1, 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], // beyond 2^63
    ] {
        let mut reader = Reader::new(Bytes::copy_from_slice(bytes));
        assert!(DotSet::decode(&mut reader).is_err(), "{bytes:?}");
    }
}

#[test]
fn a_set_has_at_most_the_ranges_of_the_limit() {
    let limit = crate::limits::DOT_RANGES as u64;
    let spread = |ranges: u64| {
        let mut set = DotSet::EMPTY;
        for index in 0..ranges {
            set.add(dot(1, 2 * index + 1));
        }
        let mut bytes = Vec::new();
        set.encode(&mut bytes);
        DotSet::decode(&mut Reader::new(Bytes::from(bytes))).is_ok()
    };
    assert!(spread(limit));
    assert!(!spread(limit + 1));
}
