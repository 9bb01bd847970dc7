//! Join: the only way in which two states of a key meet.
//!
//! A version that one side has and the other has seen go, goes. Nothing here compares clocks or times, but for
//! the `mark`: of register versions only the one that carries it stays. The order, grouping and number of joins
//! never matter.

use super::{Kind, Record, Value, Version, Write};
use crate::{canary::Canary, ids::Dot};

impl Record {
    /// Incorporates another record of the same key (JOIN of the specification, with `hi`).
    pub fn join(&mut self, other: &Record) {
        self.join_with(other, Canary::None);
    }

    /// [`Record::join`], with a known bug for the simulator.
    pub fn join_with(&mut self, other: &Record, canary: Canary) {
        self.versions.retain_mut(|mine| match other.version(mine.dot) {
            Some(theirs) => {
                if matches!(theirs.value, Value::Freed) {
                    mine.value = Value::Freed;
                }
                mine.cmark = mine.cmark.or(theirs.cmark);
                true
            }
            None => !other.seen.contains(mine.dot),
        });
        let kept = self.versions.len();
        self.versions.extend(other.versions.iter().filter(|theirs| !self.seen.contains(theirs.dot)).cloned());
        if self.versions.len() > kept {
            self.versions.sort_unstable_by_key(|version| version.dot);
        }
        self.seen.union(&other.seen);
        self.mark = self.mark.max(other.mark);
        self.hi = self.hi.max(other.hi);
        self.keep_winners(canary);
    }

    /// Incorporates a write: joins `record(write)`.
    pub fn join_write(&mut self, write: &Write) {
        self.join_write_with(write, Canary::None);
    }

    /// [`Record::join_write`], with a known bug for the simulator. The same as joining [`Write::delta`], without
    /// building it.
    pub fn join_write_with(&mut self, write: &Write, canary: Canary) {
        let fresh = if self.seen.contains(write.dot) { None } else { write.version() };
        let has_value = write.has_value();
        self.versions.retain(|mine| if mine.dot == write.dot { has_value } else { !write.covers(mine.dot) });
        self.seen.union(&write.ctx);
        self.seen.add_range(write.dot.actor, write.lo, write.dot.counter);
        self.mark = self.mark.max(write.mark());
        self.hi = self.hi.max(write.time);
        if let Some(version) = fresh {
            self.insert(version);
        }
        self.keep_winners(canary);
    }

    /// The version with this dot.
    pub fn version(&self, dot: Dot) -> Option<&Version> {
        self.versions.binary_search_by_key(&dot, |version| version.dot).ok().map(|at| &self.versions[at])
    }

    /// Puts a version in its place.
    pub(super) fn insert(&mut self, version: Version) {
        let at = self.versions.partition_point(|other| other.dot < version.dot);
        self.versions.insert(at, version);
    }

    /// Drops each register version that is not the mark.
    pub(super) fn keep_winners(&mut self, canary: Canary) {
        let mark = self.mark;
        self.versions.retain(|it| it.kind == Kind::Causal || mark == Some((it.time, it.dot)));
        if canary.is(Canary::LastWriteWins) {
            let latest = self.versions.iter().map(|it| (it.time, it.dot)).max();
            self.versions.retain(|it| latest == Some((it.time, it.dot)));
        }
    }
}
