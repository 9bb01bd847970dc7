//! Which ranges a put's reply token gives up when it is too long.
//!
//! Ranges become many when one client chains the replies of its writes through one server without ever reading,
//! while others write there too: every second counter is its own. Then the lowest ranges of that actor are the
//! client's oldest writes. So a range is worth less the more ranges of the same actor lie above it.

use super::{DotRange, DotSet};
use crate::ids::Dot;
use alloc::vec::Vec;

/// The ranges of a set, the one to keep longest first.
pub(super) struct ByWorth(Vec<DotRange>);

impl DotSet {
    /// First the range that holds `newest`, then the top range of each actor, then the second from the top of each,
    /// and so on; among those of one rank the highest counter first.
    pub(super) fn by_worth(&self, newest: Dot) -> ByWorth {
        let holds =
            |range: &DotRange| range.actor == newest.actor && (range.lo..=range.hi).contains(&newest.counter);
        let groups = self.ranges().chunk_by(|a, b| a.actor == b.actor);
        let mut ranked: Vec<(bool, usize, u64, DotRange)> = groups
            .flat_map(|group| group.iter().rev().enumerate())
            .map(|(rank, range)| (!holds(range), rank, u64::MAX - range.hi, *range))
            .collect();
        ranked.sort_unstable();
        ByWorth(ranked.into_iter().map(|(.., range)| range).collect())
    }
}

impl ByWorth {
    /// The set of the `count` worthiest ranges.
    pub(super) fn first(&self, count: usize) -> DotSet {
        let mut kept = DotSet::EMPTY;
        for range in &self.0[..count] {
            kept.add_range(range.actor, range.lo, range.hi);
        }
        kept
    }
}
