//! Exact sets of dots.
//!
//! Always sorted by (actor, counter), disjoint and maximal: two ranges of one actor never touch. So equal sets
//! have equal ranges, and one range `1..=n` an actor, which is nearly always all there is, is a plain vector
//! clock. A set is never rounded up: a gap stays a gap until the dots in it are really there.

use crate::ids::{Actor, Dot};
use smallvec::SmallVec;

/// The highest counter that a dot may have.
pub const COUNTER_MAX: u64 = (1 << 63) - 1;

/// Ranges that need no heap block: a key is written through its owners, usually three, and each leaves one range.
const INLINE_RANGES: usize = 3;

/// Up to so many ranges are added one by one, in place; more are merged in one pass into a new list.
const FEW_RANGES: usize = 4;

/// The counters `lo..=hi` of one actor.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DotRange {
    /// Whose.
    pub actor: Actor,
    /// First counter, at least 1.
    pub lo: u64,
    /// Last counter, at least `lo`.
    pub hi: u64,
}

/// A set of dots as sorted, disjoint, maximal ranges. The usual case, one range `1..=n` an actor, is a plain
/// vector clock.
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct DotSet(SmallVec<[DotRange; INLINE_RANGES]>);

impl Clone for DotSet {
    fn clone(&self) -> DotSet {
        // `from_slice` copies as a block; the derived form would clone range by range.
        DotSet(SmallVec::from_slice(&self.0))
    }
}

impl DotSet {
    /// Nothing.
    pub const EMPTY: DotSet = DotSet(SmallVec::new_const());

    /// The ranges in order.
    pub fn ranges(&self) -> &[DotRange] {
        &self.0
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The last range that starts at or before this dot, if it is of the same actor.
    fn at_or_before(&self, dot: Dot) -> Option<usize> {
        let after = self.0.partition_point(|range| (range.actor, range.lo) <= (dot.actor, dot.counter));
        let at = after.checked_sub(1)?;
        (self.0[at].actor == dot.actor).then_some(at)
    }

    /// Whether the dot is in it.
    pub fn contains(&self, dot: Dot) -> bool {
        self.at_or_before(dot).is_some_and(|at| dot.counter <= self.0[at].hi)
    }

    /// The highest counter of the actor, or 0.
    pub fn top(&self, actor: Actor) -> u64 {
        self.at_or_before(Dot { actor, counter: u64::MAX }).map_or(0, |at| self.0[at].hi)
    }

    /// Adds the counters `lo..=hi` of the actor; nothing if `lo > hi`. Counter 0 is no dot and is left out.
    pub fn add_range(&mut self, actor: Actor, lo: u64, hi: u64) {
        let lo = lo.max(1);
        if lo > hi {
            return;
        }
        let start = self.0.partition_point(|range| (range.actor, range.hi.saturating_add(1)) < (actor, lo));
        let touches = |range: &&DotRange| range.actor == actor && range.lo <= hi.saturating_add(1);
        let end = start + self.0[start..].iter().take_while(touches).count();
        if start == end {
            self.0.insert(start, DotRange { actor, lo, hi });
            return;
        }
        let last_hi = self.0[end - 1].hi;
        let first = &mut self.0[start];
        first.lo = first.lo.min(lo);
        first.hi = last_hi.max(hi);
        if end > start + 1 {
            self.0.drain(start + 1..end);
        }
    }

    /// Adds one dot.
    pub fn add(&mut self, dot: Dot) {
        self.add_range(dot.actor, dot.counter, dot.counter);
    }

    /// Adds all dots of `other`.
    pub fn union(&mut self, other: &DotSet) {
        if self.is_empty() {
            *self = other.clone();
        } else if other.0.len() <= FEW_RANGES {
            for range in &other.0 {
                self.add_range(range.actor, range.lo, range.hi);
            }
        } else if !other.is_subset(self) {
            *self = merge(&self.0, &other.0);
        }
    }

    /// Whether every dot is in `other`.
    pub fn is_subset(&self, other: &DotSet) -> bool {
        let mut theirs = other.0.as_slice();
        self.0.iter().all(|mine| {
            while let [first, rest @ ..] = theirs
                && (first.actor, first.hi) < (mine.actor, mine.lo)
            {
                theirs = rest;
            }
            theirs.first().is_some_and(|it| it.actor == mine.actor && it.lo <= mine.lo && mine.hi <= it.hi)
        })
    }

    /// This set less one dot.
    pub fn without(&self, dot: Dot) -> DotSet {
        let mut rest = self.clone();
        let Some(at) = self.at_or_before(dot).filter(|&at| dot.counter <= self.0[at].hi) else { return rest };
        let DotRange { actor, lo, hi } = self.0[at];
        match (lo == dot.counter, hi == dot.counter) {
            (true, true) => drop(rest.0.remove(at)),
            (true, false) => rest.0[at].lo += 1,
            (false, true) => rest.0[at].hi -= 1,
            (false, false) => {
                rest.0[at].hi = dot.counter - 1;
                rest.0.insert(at + 1, DotRange { actor, lo: dot.counter + 1, hi });
            }
        }
        rest
    }

    /// Appends a range that lies behind all others and touches none. `false`, and nothing done, if it does not.
    pub(super) fn push_behind(&mut self, range: DotRange) -> bool {
        let fits = self.0.last().is_none_or(|last| {
            last.actor < range.actor || last.actor == range.actor && last.hi.saturating_add(1) < range.lo
        });
        if fits {
            self.0.push(range);
        }
        fits
    }
}

/// The union of two sorted lists of ranges, in one pass.
fn merge<'a>(mut left: &'a [DotRange], mut right: &'a [DotRange]) -> DotSet {
    let mut merged: SmallVec<[DotRange; INLINE_RANGES]> = SmallVec::with_capacity(left.len() + right.len());
    loop {
        let from_left = match (left.first(), right.first()) {
            (Some(a), Some(b)) => a <= b,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => return DotSet(merged),
        };
        let source = if from_left { &mut left } else { &mut right };
        let next = source[0];
        *source = &source[1..];
        match merged.last_mut() {
            Some(last) if last.actor == next.actor && next.lo <= last.hi.saturating_add(1) => {
                last.hi = last.hi.max(next.hi);
            }
            _ => merged.push(next),
        }
    }
}
