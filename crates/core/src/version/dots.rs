//! Exact sets of dots.
use crate::ids::{Actor, Dot};
use smallvec::SmallVec;

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
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct DotSet(SmallVec<[DotRange; 2]>);

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
    /// Whether the dot is in it.
    pub fn contains(&self, dot: Dot) -> bool {
        let _ = dot;
        todo!()
    }
    /// The highest counter of the actor, or 0.
    pub fn top(&self, actor: Actor) -> u64 {
        let _ = actor;
        todo!()
    }
    /// Adds the counters `lo..=hi` of the actor.
    pub fn add_range(&mut self, actor: Actor, lo: u64, hi: u64) {
        let _ = (actor, lo, hi);
        todo!()
    }
    /// Adds one dot.
    pub fn add(&mut self, dot: Dot) {
        self.add_range(dot.actor, dot.counter, dot.counter);
    }
    /// Adds all dots of `other`.
    pub fn union(&mut self, other: &DotSet) {
        let _ = other;
        todo!()
    }
    /// Whether every dot is in `other`.
    pub fn is_subset(&self, other: &DotSet) -> bool {
        let _ = other;
        todo!()
    }
}
