//! The invariants of a record. Whatever breaks one is a bug of ours or a lie of a peer; nothing is repaired here.

use super::{COUNTER_MAX, DotSet, Kind, Record};

impl Record {
    /// Checks the invariants of the specification; what fails is a bug.
    pub fn check(&self) -> Result<(), &'static str> {
        ensure(self.seen.is_well_formed(), "seen: ranges sorted, disjoint, maximal, counters in bounds")?;
        if self.is_empty() {
            return ensure(*self == Record::default(), "a record that has seen nothing holds nothing");
        }
        ensure(self.mark.is_none_or(|(time, _)| time <= self.hi), "the mark is not later than hi")?;
        ensure(self.versions.is_sorted_by(|a, b| a.dot < b.dot), "versions are sorted by dot, each once")?;
        for version in &self.versions {
            ensure(self.seen.contains(version.dot), "a live dot is in seen")?;
            ensure(
                version.ctx.is_well_formed(),
                "ctx: ranges sorted, disjoint, maximal, counters in bounds",
            )?;
            ensure(version.ctx.is_subset(&self.seen), "a context is in seen")?;
            ensure(version.time <= self.hi, "a version is not later than hi")?;
            let is_mark = self.mark == Some((version.time, version.dot));
            ensure(version.kind == Kind::Causal || is_mark, "a register version is the mark")?;
            ensure(
                version.kind == Kind::Causal || version.cmark.is_none(),
                "a register version names no mark",
            )?;
            ensure(version.cmark.is_none_or(|cmark| cmark <= self.mark), "a writer's mark is in the mark")?;
            let replaced = self.versions.iter().any(|other| other.ctx.contains(version.dot));
            ensure(!replaced, "no version is in a context of this record")?;
        }
        Ok(())
    }
}

impl DotSet {
    /// Sorted, disjoint, maximal, counters from 1 to [`COUNTER_MAX`].
    pub(super) fn is_well_formed(&self) -> bool {
        let behind =
            |a: &super::DotRange, b: &super::DotRange| (a.actor, a.hi.saturating_add(1)) < (b.actor, b.lo);
        self.ranges().iter().all(|range| 1 <= range.lo && range.lo <= range.hi && range.hi <= COUNTER_MAX)
            && self.ranges().is_sorted_by(behind)
    }
}

fn ensure(holds: bool, rule: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(rule) }
}
