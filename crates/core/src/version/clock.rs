//! Vector clocks as clients see them, cut to the clock threshold.
//!
//! Only what is printed is cut. Stored contexts keep every dot, so a cut never loses or revives a version.

use super::Version;
use crate::ids::Actor;
use alloc::{string::String, vec::Vec};
use core::fmt::Write;

/// A printed clock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PrintedClock {
    /// Actor and counter, sorted by actor.
    pub pairs: Vec<(Actor, u64)>,
    /// The own dot is not the next after its context: printed with `*`.
    pub gap: Option<Actor>,
    /// Pairs that the threshold cut.
    pub cut: usize,
}

/// The clock of a version, at most `threshold` pairs; `retired` actors go first, then the oldest, the own dot never.
///
/// A pair has no time. "Oldest" is the lowest counter: whoever wrote the key least has most likely not written it
/// for long. Among equals the lower actor goes first, so that every server cuts alike. The own pair stays even at
/// threshold 0.
pub fn print_clock(version: &Version, threshold: usize, retired: &dyn Fn(Actor) -> bool) -> PrintedClock {
    let own = version.dot;
    let gap = (version.ctx.top(own.actor) + 1 < own.counter).then_some(own.actor);
    let mut dots = version.ctx.clone();
    dots.add(own);
    let groups = dots.ranges().chunk_by(|a, b| a.actor == b.actor);
    let mut pairs: Vec<(Actor, u64)> =
        groups.map(|group| (group[0].actor, group[group.len() - 1].hi)).collect();
    let cut = pairs.len().saturating_sub(threshold.max(1));
    if cut > 0 {
        // What stays comes first: the own pair, then those in office, then by falling counter.
        pairs.sort_unstable_by_key(|&(actor, counter)| {
            (actor != own.actor, retired(actor), u64::MAX - counter, core::cmp::Reverse(actor))
        });
        pairs.truncate(threshold.max(1));
        pairs.sort_unstable();
    }
    PrintedClock { pairs, gap, cut }
}

impl PrintedClock {
    /// `([s1,2],[s2,1])`, with `*` at a gap and `…` where pairs were cut.
    pub fn text(&self) -> String {
        let mut text = String::from("(");
        for (index, &(actor, counter)) in self.pairs.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let star = if self.gap == Some(actor) { "*" } else { "" };
            write!(text, "{comma}[{actor},{counter}{star}]").expect("writing to a String does not fail");
        }
        text.push_str(if self.cut > 0 { ",…)" } else { ")" });
        text
    }
}
