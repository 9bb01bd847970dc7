//! Anti-entropy: what a server missed arrives without a read, whatever happens meanwhile.

use super::{Lab, QUORUM, plain};
use crate::{client::Answer, mix::Plan, server::Stop};
use clockwise_core::{
    canary::Canary,
    request::{Basis, Level, Need, Op},
    version::Record,
};

/// Longer than a round of all cells with both others.
const ROUND_MS: u64 = 8_000;

fn lab(canary: Canary) -> Lab {
    Lab::planned(Plan { exchange: true, ..Plan::quiet(3, canary) })
}

impl Lab {
    /// What the owners hold, without a read.
    pub(super) fn records_held(&mut self) -> Vec<Record> {
        let level = Level { need: Need::All, strict: true };
        match self.ask(1, Op::Explain, level, None) {
            Some(Answer::Explained(held)) => held.into_iter().filter_map(|(_, record)| record).collect(),
            other => panic!("asking what is held ends with {other:?}"),
        }
    }

    pub(super) fn all_hold_the_same(&mut self) -> bool {
        let held = self.records_held();
        held.len() == 3 && held.iter().all(|record| *record == held[0])
    }
}

fn delete() -> Op {
    Op::Delete { basis: Basis::Plain }
}

#[test]
fn a_server_that_was_away_gets_writes_and_deletes() {
    let mut lab = lab(Canary::None);
    let keys = ["a", "b", "c", "d"];
    for key in keys {
        lab.use_key(key);
        lab.set(1, QUORUM);
    }
    lab.wait_ms(50);
    lab.stop(3, Stop::Kill);
    lab.wait_ms(100);
    for (key, op) in keys.into_iter().zip([plain(), delete(), plain(), delete()]) {
        lab.use_key(key);
        assert!(matches!(lab.ask(2, op, QUORUM, None), Some(Answer::Written { .. })));
    }
    lab.start(3);
    lab.use_key("a");
    lab.wait_ms(ROUND_MS);
    for key in keys {
        lab.use_key(key);
        assert!(lab.all_hold_the_same(), "{key}: {:?}", lab.records_held());
    }
}

#[test]
fn a_list_without_tombstones_leaves_a_key_undeleted() {
    let mut lab = lab(Canary::ExchangeIgnoresTombstones);
    lab.set(1, QUORUM);
    lab.wait_ms(50);
    lab.stop(3, Stop::Kill);
    lab.wait_ms(100);
    lab.ask(2, delete(), QUORUM, None);
    lab.start(3);
    lab.wait_ms(2 * ROUND_MS);
    assert!(!lab.all_hold_the_same());
}

#[test]
fn an_exchange_that_races_writes_loses_nothing() {
    let mut lab = lab(Canary::None);
    lab.set(1, QUORUM);
    for _ in 0..4 {
        let cuts = [lab.cut(1, 3), lab.cut(2, 3)];
        lab.set(1, QUORUM);
        lab.mend(1, 3, cuts[0]);
        lab.mend(2, 3, cuts[1]);
        // Each server writes all the time while the others compare.
        for round in 0..300 {
            lab.set(1 + round % 3, QUORUM);
            lab.wait_ms(7);
        }
    }
    let last = lab.set(2, QUORUM);
    lab.wait_ms(ROUND_MS);
    assert!(lab.all_hold_the_same(), "{:?}", lab.records_held());
    assert_eq!(lab.values(3, Level { need: Need::One, strict: false }), [last]);
}
