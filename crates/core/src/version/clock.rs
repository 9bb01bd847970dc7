//! Vector clocks as clients see them, cut to the clock threshold.
use super::Version;
use crate::ids::Actor;
use alloc::{string::String, vec::Vec};

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
pub fn print_clock(version: &Version, threshold: usize, retired: &dyn Fn(Actor) -> bool) -> PrintedClock {
    let _ = (version, threshold, retired);
    todo!()
}

impl PrintedClock {
    /// `([s1,2],[s2,1])`, with `*` at a gap and `…` where pairs were cut.
    pub fn text(&self) -> String {
        todo!()
    }
}
