//! Plain writes against clocks: one that began after another completed at a majority never loses to it.

use super::{Lab, QUORUM, STRICT, plain};
use crate::{client::Answer, mix::Plan};
use clockwise_core::{canary::Canary, request::Level};

/// `SET` through s1, whose clock is ahead, while s2 hears nothing; then `SET` through s2. Both writes, and what is
/// read then.
fn slow_after_fast(canary: Canary, level: Level) -> (u64, u64, Vec<u64>) {
    let mut lab = Lab::new(3, canary);
    lab.skew_ms(1, 250);
    lab.skew_ms(2, -240);
    let cut = lab.cut(1, 2);
    let first = lab.set(1, level);
    let second = lab.set(2, level);
    lab.mend(1, 2, cut);
    lab.wait_ms(20);
    let read = lab.values(3, STRICT);
    (first, second, read)
}

#[test]
fn a_beaten_write_is_written_once_more() {
    let (_, second, read) = slow_after_fast(Canary::None, QUORUM);
    assert_eq!(read, [second]);
}

#[test]
fn without_the_second_round_it_would_lose() {
    let (first, _, read) = slow_after_fast(Canary::NoSecondRound, QUORUM);
    assert_eq!(read, [first]);
}

#[test]
fn a_second_round_does_not_bring_back_what_was_overwritten() {
    // A seed found it: a beaten write waits for its acknowledgement; a later one of the same server replaces it here,
    // completes, and others follow; then the second round comes.
    let mut lab = Lab::new(3, Canary::None);
    lab.skew_ms(1, 250);
    lab.skew_ms(2, -240);
    let cut = lab.cut(1, 2);
    lab.set(1, QUORUM);
    let slow = [lab.cut(3, 2), lab.cut(2, 1)];
    let beaten = lab.send(2, plain(), QUORUM, None);
    lab.wait_ms(5);
    let heir = lab.send(2, plain(), QUORUM, None);
    lab.wait_ms(5);
    lab.mend(1, 2, cut);
    lab.wait_ms(5);
    let last = lab.set(1, QUORUM);
    lab.mend(3, 2, slow[0]);
    lab.mend(2, 1, slow[1]);
    let ends = [lab.answer(beaten), lab.answer(heir)];
    lab.wait_ms(50);
    // Whichever order the three end in, an older completed one never follows a later one.
    let first_read = lab.values(3, STRICT);
    assert!(
        first_read == [last] || first_read == [heir] || first_read == [beaten],
        "{first_read:?} {ends:?}"
    );
    assert!(ends.iter().all(|end| matches!(end, Some(Answer::Written { .. } | Answer::Unknown))), "{ends:?}");
    for server in 1..=3 {
        assert_eq!(lab.values(server, STRICT), first_read);
    }
}

#[test]
fn a_strict_write_needs_no_second_round() {
    let (_, second, read) = slow_after_fast(Canary::NoSecondRound, STRICT);
    assert_eq!(read, [second]);
}

/// Five owners. A write through s2, whose clock is behind, gets stuck one copy short of W; it is read; a concurrent one
/// through s1, whose clock is ahead, completes and is read; then the first one goes on. The two values, and what
/// three strict readers got one after the other.
fn read_between_the_rounds(canary: Canary) -> (u64, u64, [Vec<u64>; 3]) {
    let mut lab = Lab::planned(Plan { replicas: 5, ..Plan::quiet(5, canary) });
    lab.skew_ms(1, 250);
    lab.skew_ms(2, -240);
    let to_first = lab.cut(2, 1);
    let from_first = lab.cut(1, 2);
    let acks = [lab.cut(4, 2), lab.cut(5, 2)];
    let asked = lab.cut(3, 1);
    let slow = lab.send(2, plain(), STRICT, None);
    lab.wait_ms(5);
    let before = lab.values(3, STRICT);
    let number = lab.send(1, plain(), STRICT, None);
    lab.mend(3, 1, asked);
    assert!(matches!(lab.answer(number), Some(Answer::Written { .. })));
    let between = lab.values(3, STRICT);
    lab.mend(2, 1, to_first);
    lab.mend(1, 2, from_first);
    lab.wait_ms(20);
    assert!(matches!(lab.answer(slow), Some(Answer::Written { .. })));
    let after = lab.values(3, STRICT);
    for (server, cut) in [4, 5].into_iter().zip(acks) {
        lab.mend(server, 2, cut);
    }
    (slow, number, [before, between, after])
}

#[test]
fn a_strict_write_is_not_read_before_it_has_its_name_for_good() {
    let (slow, fast, [before, between, after]) = read_between_the_rounds(Canary::None);
    assert_eq!((before, between), (vec![], vec![fast]));
    assert_eq!(after, [slow]);
}

#[test]
fn without_asking_first_a_value_would_come_back() {
    let (slow, fast, reads) = read_between_the_rounds(Canary::MarkNotAsked);
    assert_eq!(reads, [vec![slow], vec![fast], vec![slow]]);
}
