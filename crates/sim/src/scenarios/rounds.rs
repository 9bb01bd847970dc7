//! Plain writes against clocks: one that began after another completed at a majority never loses to it.

use super::{Lab, STRICT, plain};
use crate::client::Answer;
use clockwise_core::canary::Canary;

/// `SET` through s1, whose clock is ahead, while s2 hears nothing; then `SET` through s2. Both writes, and what is
/// read then.
fn slow_after_fast(canary: Canary) -> (u64, u64, Vec<u64>) {
    let mut lab = Lab::new(3, canary);
    lab.skew_ms(1, 250);
    lab.skew_ms(2, -240);
    let cut = lab.cut(1, 2);
    let first = lab.set(1, STRICT);
    let second = lab.set(2, STRICT);
    lab.mend(1, 2, cut);
    lab.wait_ms(20);
    let read = lab.values(3, STRICT);
    (first, second, read)
}

#[test]
fn a_beaten_write_is_written_once_more() {
    let (_, second, read) = slow_after_fast(Canary::None);
    assert_eq!(read, [second]);
}

#[test]
fn without_the_second_round_it_would_lose() {
    let (first, _, read) = slow_after_fast(Canary::NoSecondRound);
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
    lab.set(1, STRICT);
    let slow = [lab.cut(3, 2), lab.cut(2, 1)];
    let beaten = lab.send(2, plain(), STRICT, None);
    lab.wait_ms(5);
    let heir = lab.send(2, plain(), STRICT, None);
    lab.wait_ms(5);
    lab.mend(1, 2, cut);
    lab.wait_ms(5);
    let last = lab.set(1, STRICT);
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
