//! What was promised, checked from what the clients saw. One property a file.
//!
//! None of them looks into a server: they get the history of the clients and what was read after healing. What the
//! words mean is in `docs/simulation.md`.

mod collected;
mod converged;
mod dots;
mod invented;
mod lone;
mod lost;
mod register;
mod returned;
mod strict_causal;
mod unread;

use crate::history::{End, Final, History, Operation, Seen, Writing};
use clockwise_core::hlc::Hlc;
use std::collections::{BTreeMap, BTreeSet};

/// A promise that was broken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// The checker that found it.
    pub checker: &'static str,
    /// The key.
    pub key: String,
    /// What happened.
    pub what: String,
}

/// One property.
type Checker = fn(&Case<'_>, &mut Vec<String>);

/// Name, whether it also holds for keys that a new layout left behind, and the checker.
const CHECKERS: [(&str, bool, Checker); 10] = [
    ("lost", false, lost::check),
    ("returned", false, returned::check),
    ("invented", true, invented::check),
    ("lone", false, lone::check),
    ("register", false, register::check),
    ("strict-causal", false, strict_causal::check),
    ("converged", false, converged::check),
    ("unread", false, unread::check),
    ("collected", false, collected::check),
    ("dots", true, dots::check),
];

/// The names of all checkers.
pub fn names() -> impl Iterator<Item = &'static str> {
    CHECKERS.iter().map(|(name, ..)| *name)
}

/// One key's part of the history.
struct Case<'a> {
    key: &'a crate::history::Key,
    /// Writes that may have landed, by number.
    writes: BTreeMap<u64, (&'a Operation, &'a Writing)>,
    /// Writes that cannot have landed.
    void: BTreeSet<u64>,
    /// Reads that were answered.
    reads: Vec<(u64, &'a Operation, &'a [Seen])>,
    /// How many owners it has.
    owners: usize,
    /// Whether there are servers that may stand in for them.
    stand_ins: bool,
    /// What was read after healing; `None` for keys of an earlier phase.
    last: Option<&'a Final>,
    /// For each write all writes that it is known to have replaced.
    replaced: BTreeMap<u64, BTreeSet<u64>>,
}

/// Runs every checker over every key.
pub fn check(history: &History) -> Vec<Violation> {
    let mut by_key: BTreeMap<usize, Vec<(u64, &Operation)>> = BTreeMap::new();
    for (number, operation) in (0u64..).zip(&history.operations) {
        by_key.entry(operation.key).or_default().push((number, operation));
    }
    let finals: BTreeMap<usize, &Final> = history.finals.iter().map(|last| (last.key, last)).collect();
    let mut violations = Vec::new();
    for (key, info) in history.keys.iter().enumerate() {
        let operations = by_key.remove(&key).unwrap_or_default();
        let case = Case::new(info, &operations, finals.get(&key).copied(), history);
        // Nothing moves data to the owners of a new layout yet: keys of earlier phases promise less.
        let current = info.phase == history.phase;
        for (checker, _, run) in CHECKERS.into_iter().filter(|(_, everywhere, _)| current || *everywhere) {
            let mut found = Vec::new();
            run(&case, &mut found);
            let key = String::from_utf8_lossy(&info.name).into_owned();
            let violation = |what| Violation { checker, key: key.clone(), what };
            violations.extend(found.into_iter().map(violation));
        }
    }
    violations
}

impl<'a> Case<'a> {
    fn new(
        key: &'a crate::history::Key,
        operations: &[(u64, &'a Operation)],
        last: Option<&'a Final>,
        history: &History,
    ) -> Case<'a> {
        let mut case = Case {
            key,
            writes: BTreeMap::new(),
            void: BTreeSet::new(),
            reads: Vec::new(),
            owners: history.owners,
            stand_ins: history.stand_ins,
            last,
            replaced: BTreeMap::new(),
        };
        for &(number, operation) in operations {
            if let Some(versions) = operation.versions() {
                case.reads.push((number, operation, versions));
            }
            let Some(writing) = operation.writing() else { continue };
            if operation.void() {
                case.void.insert(number);
                continue;
            }
            // A context is of an earlier operation, so its closure is known already.
            let mut replaced: BTreeSet<u64> = writing.direct.iter().copied().collect();
            for direct in &writing.direct {
                if let Some(more) = case.replaced.get(direct) {
                    replaced.extend(more);
                }
            }
            case.replaced.insert(number, replaced);
            case.writes.insert(number, (operation, writing));
        }
        case
    }

    /// The versions that were read after healing.
    fn survivors(&self) -> Option<&'a [Seen]> {
        self.last.and_then(|last| last.read.as_deref())
    }

    /// Whether an operation, if it succeeds, does so at a majority of the owners: a stand-in is none.
    fn at_majority(&self, operation: &Operation) -> bool {
        // Two majorities that stand-ins helped to make need not have an owner in common.
        let owners_only = operation.level.strict || !self.stand_ins;
        owners_only && operation.level.need.of(self.owners) > self.owners / 2
    }

    /// Everything that anybody ever read of the key.
    fn sightings(&self) -> impl Iterator<Item = &'a Seen> {
        let last = self.last.into_iter().flat_map(|last| last.read.iter().chain(&last.others).flatten());
        self.reads.iter().flat_map(|(_, _, versions)| versions.iter()).chain(last)
    }
}

/// The time of an acknowledged write, if it is known.
fn time_of(operation: &Operation) -> Option<Hlc> {
    match operation.end {
        End::Written(time) => time,
        _ => None,
    }
}

/// Which of the `wanted` writes are neither among the `present` values nor excused by a write that began before
/// `until_us`: replaced by a write whose context held it, or covered or beaten by a plain write.
fn missing(case: &Case<'_>, wanted: &BTreeSet<u64>, present: &[Seen], until_us: u64) -> BTreeSet<u64> {
    let began = |number: &u64| case.writes.get(number).filter(|(write, _)| write.invoked_us < until_us);
    let mut excused: BTreeSet<u64> = present.iter().filter_map(|seen| seen.value).collect();
    let gone = |writing: &Writing| writing.delete || writing.expires;
    excused.extend(case.writes.iter().filter(|(n, (_, w))| gone(w) && began(n).is_some()).map(|(n, _)| *n));
    let mut work: Vec<u64> = excused.iter().copied().collect();
    while let Some(by) = work.pop() {
        let Some((winner, writing)) = began(&by) else { continue };
        if !writing.plain {
            work.extend(writing.direct.iter().filter(|direct| excused.insert(**direct)));
            continue;
        }
        for (number, (loser, over)) in &case.writes {
            if may_lose(case, (loser, over), winner) && excused.insert(*number) {
                work.push(*number);
            }
        }
    }
    wanted.difference(&excused).copied().collect()
}

/// Whether a plain write may have covered or beaten another write.
fn may_lose(case: &Case<'_>, (loser, over): (&Operation, &Writing), winner: &Operation) -> bool {
    // Both what a plain write covers and what it beats has an earlier time, or the same and a lower dot.
    let earlier = match (time_of(loser), time_of(winner)) {
        (Some(loser), Some(winner)) => loser <= winner,
        _ => true,
    };
    let after = winner.answered_us() < loser.invoked_us;
    if !over.plain {
        // Not beaten by any time: the winner must have seen it.
        return earlier && !after;
    }
    // A plain write that began after another completed at a majority never loses to it.
    let majorities = [loser, winner].iter().all(|write| case.at_majority(write));
    if after && loser.acknowledged() && majorities {
        return false;
    }
    // Of two that overlap either may have won: the second round of one may have lifted the value of the other.
    let overlap = winner.invoked_us < loser.answered_us() && !after;
    earlier || overlap
}
