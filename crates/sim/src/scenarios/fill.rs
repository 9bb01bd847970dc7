//! Slots that damage has hit: what can be read is told, the rest is fetched, and meanwhile others answer.

use super::{Lab, QUORUM, STRICT, plain};
use crate::{client::Answer, mix::Plan, server::Stop};
use clockwise_core::{
    canary::Canary,
    request::{Basis, Level, Need, Op},
};

/// Longer than a round of all cells with both others, and than a fill of all slots.
const LONG_MS: u64 = 24_000;
const ALONE: Level = Level { need: Need::One, strict: false };
const ALL: Level = Level { need: Need::All, strict: true };
/// All in one slot.
const KEYS: [&str; 5] = ["{tag}a", "{tag}b", "{tag}c", "{tag}d", "{tag}e"];

fn lab(canary: Canary) -> Lab {
    Lab::planned(Plan { exchange: true, ..Plan::quiet(3, canary) })
}

impl Lab {
    /// Every key has a value that all servers have in tables.
    fn in_tables(&mut self) {
        for key in KEYS {
            self.use_key(key);
            self.set(1, ALL);
        }
        for server in 0..3 {
            self.world.servers[server].flush_all();
        }
        self.wait_ms(500);
    }

    /// A bit flips in every table of a server, which is restarted for it.
    fn rot_tables(&mut self, server: usize) {
        self.stop(server, Stop::Clean);
        assert!(self.world.servers[server - 1].disk.damage_tables() > 0, "there are tables");
        self.start(server);
    }

    /// Somebody looks at a key of a server, and so meets the damage.
    fn look(&mut self, server: usize) {
        self.use_key(KEYS[0]);
        self.ask(server, Op::Get, ALONE, None);
        self.wait_ms(100);
    }

    fn slots_to_fill(&self, server: usize) -> u64 {
        let stats = self.world.servers[server - 1].stats().map(|stats| stats.fill);
        stats.map(|fill| fill.slots_filling + fill.slots_salvaging).sum()
    }

    fn is_filled(&mut self) {
        assert_eq!(self.world.slots_to_fill(), 0);
        for key in KEYS {
            self.use_key(key);
            assert!(self.all_hold_the_same(), "{key}: {:?}", self.records_held());
        }
    }
}

#[test]
fn the_damaged_block_with_the_newest_record_is_fetched_from_others() {
    let mut lab = lab(Canary::None);
    lab.in_tables();
    lab.rot_tables(3);
    lab.look(3);
    lab.wait_ms(LONG_MS);
    let fill: Vec<_> = lab.world.servers[2].stats().map(|stats| stats.fill).collect();
    assert!(fill.iter().any(|fill| fill.slots_filled > 0 && fill.records_fetched > 0), "{fill:?}");
    lab.is_filled();
    // A blind write there does not take the name of one that was lost.
    for key in KEYS {
        lab.use_key(key);
        let last = lab.set(3, QUORUM);
        assert_eq!(lab.values(1, QUORUM), [last]);
    }
}

#[test]
fn a_lost_piece_of_the_log_brings_nothing_deleted_back() {
    let mut damaged = 0;
    for before in [0, 10, 20, 30] {
        let mut lab = lab(Canary::None);
        lab.in_tables();
        // What rots is in the middle of the log: sooner or later the deletes. What is behind shows that they had been synced.
        for number in 0..60 {
            if number == before {
                for key in KEYS {
                    lab.use_key(key);
                    lab.delete(1, ALL);
                }
            }
            lab.use_key(&format!("{number}-{}", "x".repeat(300)));
            lab.set(2, ALL);
        }
        lab.stop(3, Stop::Kill);
        assert!(lab.world.servers[2].disk.files().expect("the engine keeps files").rot("log") > 0);
        lab.start(3);
        damaged += lab.world.servers[2].stats().map(|stats| stats.fill.slots_damaged).sum::<u64>();
        for key in KEYS {
            lab.use_key(key);
            assert!(lab.values(3, ALONE).is_empty() && lab.values(3, STRICT).is_empty());
        }
        lab.wait_ms(LONG_MS);
        lab.is_filled();
        for key in KEYS {
            lab.use_key(key);
            assert!(lab.values(3, ALONE).is_empty() && lab.values(1, ALL).is_empty());
        }
    }
    assert!(damaged > 0, "the log is damaged");
}

#[test]
fn what_only_the_damaged_server_had_comes_to_the_others() {
    for (canary, kept) in [(Canary::None, true), (Canary::SalvageSkipped, false)] {
        let mut lab = lab(canary);
        lab.in_tables();
        let cuts = [(1, 3), (3, 1), (2, 3), (3, 2)].map(|(a, b)| (a, b, lab.cut(a, b)));
        lab.wait_ms(1_500);
        // In a slot of its own cell's table and behind the bad block.
        lab.use_key("{tag}only");
        let only = lab.set(3, ALONE);
        lab.wait_ms(100);
        lab.rot_tables(3);
        lab.look(3);
        assert!(lab.slots_to_fill(3) > 0);
        for (a, b, cut) in cuts {
            lab.mend(a, b, cut);
        }
        lab.wait_ms(LONG_MS);
        lab.is_filled();
        lab.use_key("{tag}only");
        assert_eq!(lab.values(1, ALL) == [only], kept, "{canary:?}");
    }
}

#[test]
fn a_slot_that_is_filled_does_not_answer_reads() {
    for (canary, right) in [(Canary::None, true), (Canary::FillingServes, false)] {
        let mut lab = lab(canary);
        lab.in_tables();
        // s2 alone has the last value; s1, from which s3 is filled first, lacks it.
        lab.rot_tables(3);
        lab.stop(2, Stop::Clean);
        lab.wait_ms(100);
        lab.look(3);
        lab.wait_ms(2_000);
        assert!(lab.slots_to_fill(3) > 0, "s2 is awaited");
        lab.use_key(KEYS[1]);
        // Two of three answer only if the one that is filled counts.
        let answered = matches!(lab.ask(1, Op::Get, STRICT, None), Some(Answer::Read { .. }));
        assert_eq!(answered, !right, "{canary:?}");
        lab.start(2);
        lab.wait_ms(LONG_MS);
        lab.is_filled();
    }
}

#[test]
fn power_fails_in_the_middle_of_everything() {
    for pause_ms in [0, 5, 20, 60, 150, 400] {
        let mut lab = lab(Canary::None);
        lab.in_tables();
        lab.use_key(KEYS[2]);
        lab.delete(2, ALL);
        lab.rot_tables(3);
        // Without the others first, so that it stops while it salvages; then with one of them, while it is filled.
        lab.stop(1, Stop::Kill);
        if pause_ms >= 150 {
            lab.stop(2, Stop::Kill);
        }
        lab.look(3);
        lab.wait_ms(pause_ms);
        lab.stop(3, Stop::Power);
        lab.start(3);
        lab.wait_ms(pause_ms);
        lab.stop(3, Stop::Power);
        lab.start(3);
        lab.look(3);
        lab.start(1);
        if pause_ms >= 150 {
            lab.start(2);
        }
        lab.wait_ms(LONG_MS);
        lab.is_filled();
        lab.use_key(KEYS[2]);
        assert!(lab.values(3, ALONE).is_empty(), "it is deleted");
        lab.use_key(KEYS[1]);
        let last = lab.set(3, STRICT);
        assert_eq!(lab.values(2, STRICT), [last]);
    }
}

#[test]
fn two_owners_are_damaged_in_the_same_slot() {
    let mut lab = lab(Canary::None);
    lab.in_tables();
    let mut last = Vec::new();
    for key in KEYS {
        lab.use_key(key);
        last.push(lab.set(1, QUORUM));
    }
    lab.wait_ms(500);
    lab.rot_tables(2);
    lab.rot_tables(3);
    lab.look(2);
    lab.look(3);
    // Writes go on, acknowledged by the one that is whole and a buffer.
    let causal =
        Op::Set { basis: Basis::Causal(Default::default()), value: Default::default(), expires_ms: None };
    lab.use_key("{tag}meanwhile");
    let number = lab.send(1, causal, QUORUM, None);
    let during = lab.answer(number);
    lab.wait_ms(LONG_MS);
    lab.is_filled();
    for (key, last) in KEYS.into_iter().zip(last) {
        lab.use_key(key);
        assert_eq!(lab.values(3, STRICT), [last]);
    }
    if matches!(during, Some(Answer::Written { .. })) {
        lab.use_key("{tag}meanwhile");
        assert_eq!(lab.values(2, STRICT), [number]);
    }
}

#[test]
fn one_is_damaged_while_another_is_away() {
    let mut lab = lab(Canary::None);
    lab.in_tables();
    lab.stop(2, Stop::Kill);
    lab.wait_ms(100);
    lab.use_key(KEYS[0]);
    let last = lab.set(1, STRICT);
    lab.use_key(KEYS[1]);
    lab.delete(3, STRICT);
    lab.rot_tables(3);
    lab.look(3);
    lab.wait_ms(3_000);
    assert!(lab.slots_to_fill(3) > 0, "s2 may know what s1 does not");
    // Writes at a majority go on from s1 and the buffer.
    lab.use_key(KEYS[2]);
    let end = lab.ask(1, plain(), QUORUM, None);
    assert!(matches!(end, Some(Answer::Written { .. })), "{end:?}");
    lab.start(2);
    lab.wait_ms(LONG_MS);
    lab.is_filled();
    lab.use_key(KEYS[0]);
    assert_eq!(lab.values(2, STRICT), [last]);
    lab.use_key(KEYS[1]);
    assert!(lab.values(3, STRICT).is_empty() && lab.values(2, ALONE).is_empty());
}
