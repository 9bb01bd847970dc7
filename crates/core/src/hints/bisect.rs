//! Past damage: where does a slot become readable again? Keys are searched as if they were fractions in base 256.
//!
//! A walk that ends at a damaged block knows the last key before it and nothing behind it. It looks behind that key in
//! growing steps until something can be read, and halves the last step to find the first key behind the block, all in a
//! bounded number of looks. An island between two bad blocks that is smaller than they are may be missed.

use crate::{
    limits::{DAMAGE_LOOKS, DELIVERED_WRITES, HINT_PAGE_BYTES, KEY_BYTES},
    storage::{LoadError, Page, PageEnd, PageLimit},
};
use alloc::vec::Vec;
use bytes::Bytes;

/// How far a slot was read, page by page, past whatever is damaged.
#[derive(Debug, Default)]
pub(crate) struct Cursor {
    /// Keys up to here were read.
    after: Option<Bytes>,
    past: Option<Bisect>,
    /// Behind this key a look was asked for.
    looking: Option<Bytes>,
    /// Something could not be read.
    pub(super) damaged: bool,
}

/// What a page came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Progress {
    /// There may be more behind it.
    More,
    /// That was all.
    Done,
    /// The disk did not answer.
    Retry,
}

impl Cursor {
    /// The page to ask for.
    pub(crate) fn next(&mut self) -> (Option<Bytes>, PageLimit) {
        self.looking = self.past.as_ref().and_then(Bisect::next);
        let records = if self.looking.is_some() { 1 } else { DELIVERED_WRITES };
        let after = self.looking.clone().or_else(|| self.after.clone());
        (after, PageLimit { records, bytes: HINT_PAGE_BYTES })
    }

    /// The page is there: its records, and how to go on.
    pub(crate) fn read<'a>(&mut self, page: &'a Page) -> (&'a [(Bytes, Bytes)], Progress) {
        if page.result == Err(LoadError::Io) {
            return (&[], Progress::Retry);
        }
        if let (Some(at), Some(past)) = (self.looking.take(), &mut self.past) {
            past.looked(at, page.result.is_ok() || !page.records.is_empty());
            return (&[], self.look_on());
        }
        self.after = page.records.last().map(|(key, _)| key.clone()).or(self.after.take());
        let progress = match page.result {
            Ok(PageEnd::More) => Progress::More,
            Ok(PageEnd::Done) => Progress::Done,
            Err(_) => {
                self.damaged = true;
                self.past = Some(Bisect::new(self.after.clone()));
                self.look_on()
            }
        };
        (&page.records, progress)
    }

    fn look_on(&mut self) -> Progress {
        if self.past.as_ref().is_some_and(|past| past.next().is_some()) {
            return Progress::More;
        }
        match self.past.take().and_then(Bisect::found) {
            Some(found) => {
                self.after = Some(found);
                Progress::More
            }
            None => Progress::Done,
        }
    }
}

/// A search under way.
#[derive(Debug)]
struct Bisect {
    /// Reading behind this ends at once.
    bad: Bytes,
    /// Reading behind this goes on; `None`: the end of the slot.
    good: Option<Bytes>,
    /// Where it began.
    from: Bytes,
    /// The size of the next step, as a power of two of the smallest one.
    step: usize,
    looks: u16,
}

impl Bisect {
    /// Begins behind the last key that could be read.
    fn new(last: Option<Bytes>) -> Bisect {
        let from = last.unwrap_or_default();
        Bisect { bad: from.clone(), good: None, from, step: 0, looks: 0 }
    }

    /// The key behind which to look next; `None`: close enough.
    fn next(&self) -> Option<Bytes> {
        let at = match &self.good {
            None => step(&self.from, self.step)?,
            Some(good) => middle(&self.bad, good),
        };
        let new = at[..] > self.bad[..] && self.good.as_ref().is_none_or(|good| at[..] < good[..]);
        (self.looks < DAMAGE_LOOKS && new && at.len() <= KEY_BYTES + FINER).then(|| at.into())
    }

    /// What such a look came to.
    fn looked(&mut self, at: Bytes, readable: bool) {
        self.looks += 1;
        // Long keys are not gone through bit by bit.
        self.step += 1 + self.step / 128;
        match readable {
            true => self.good = Some(at),
            false => self.bad = at,
        }
    }

    /// Where reading goes on; `None`: nothing behind the damage can be read.
    fn found(self) -> Option<Bytes> {
        self.good
    }
}

/// Digits behind the last one of a key in which the first steps are made.
const FINER: usize = 2;

/// A key and a power of two of the smallest step; `None`: past the end.
fn step(key: &[u8], power: usize) -> Option<Vec<u8>> {
    let mut digits = key.to_vec();
    digits.resize(key.len() + FINER, 0);
    let at = digits.len().checked_sub(1 + power / 8)?;
    let mut carry = 1u16 << (power % 8);
    for digit in digits[..=at].iter_mut().rev() {
        carry += u16::from(*digit);
        *digit = carry as u8;
        carry >>= 8;
    }
    digits.truncate(at + 1);
    (carry == 0).then_some(digits)
}

/// Half way between two keys.
fn middle(low: &[u8], high: &[u8]) -> Vec<u8> {
    let digits = low.len().max(high.len()) + 1;
    let digit = |key: &[u8], at: usize| u16::from(key.get(at).copied().unwrap_or(0));
    let mut sum: Vec<u16> = (0..digits).map(|at| digit(low, at) + digit(high, at)).collect();
    let mut carry = 0;
    for digit in sum.iter_mut().rev() {
        *digit += carry;
        carry = *digit >> 8;
        *digit &= 0xff;
    }
    let mut rest = carry;
    let mut half = Vec::with_capacity(digits);
    for digit in sum {
        let whole = (rest << 8) + digit;
        half.push((whole >> 1) as u8);
        rest = whole & 1;
    }
    while half.last() == Some(&0) {
        half.pop();
    }
    half
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, string::String, vec};

    fn search(keys: &[String], bad: core::ops::Range<usize>) -> Option<Bytes> {
        let last = bad.start.checked_sub(1).map(|at| Bytes::from(keys[at].clone()));
        let mut bisect = Bisect::new(last);
        while let Some(at) = bisect.next() {
            // The first key behind it is in a bad block, or it is not.
            let behind = keys.iter().position(|key| key.as_bytes() > &at[..]);
            let readable = behind.is_none_or(|behind| !bad.contains(&behind));
            bisect.looked(at, readable);
        }
        bisect.found()
    }

    #[test]
    fn the_first_key_behind_the_damage_is_found() {
        let keys: Vec<String> = (0..500).map(|number| format!("user:{number:06}")).collect();
        for bad in [0..40, 17..18, 100..300, 460..499] {
            let found = search(&keys, bad.clone()).expect("there is something behind it");
            let next = keys.iter().position(|key| key.as_bytes() > &found[..]);
            assert_eq!(next, Some(bad.end), "{bad:?}");
        }
    }

    #[test]
    fn long_keys_take_no_more_looks_than_are_allowed() {
        let long = "x".repeat(KEY_BYTES - 10);
        let keys: Vec<String> = (0..50).map(|number| format!("{long}{number:02}")).collect();
        let next = search(&keys, 20..30).and_then(|at| keys.iter().position(|key| key.as_bytes() > &at[..]));
        assert_eq!(next, Some(30));
        let behind = |at: Bytes| keys.iter().all(|key| key.as_bytes() <= &at[..]);
        assert!(search(&keys, 0..50).is_none_or(behind));
    }

    #[test]
    fn at_the_end_nothing_is_left() {
        let keys: Vec<String> = (0..50).map(|number| format!("k{number:02}")).collect();
        let found = search(&keys, 20..50);
        assert!(found.is_none_or(|found| &found[..] >= keys[49].as_bytes()));
    }

    #[test]
    fn halves_lie_between() {
        assert_eq!(middle(b"a", b"b"), [b'a', 0x80]);
        assert_eq!(middle(&[1], &[1, 0, 2]), [1, 0, 1]);
        assert_eq!(middle(&[0xff, 0xff], &[0xff, 0xff, 2]), [0xff, 0xff, 1]);
        assert_eq!(step(b"a", 0), Some(vec![b'a', 0, 1]));
        assert_eq!(step(&[1, 0xff], 17), Some(vec![2, 1]));
        assert_eq!(step(&[0xff], 16), None);
    }
}
