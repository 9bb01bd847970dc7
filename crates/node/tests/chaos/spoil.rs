//! A check that cannot fail is no check: the history of a run without a violation is spoiled in single places, each like a
//! bug that a server might have, and the checkers must convict each.

use clockwise_sim::{
    checkers,
    history::{Class, End, Held, History, What},
};
use std::collections::BTreeSet;

/// Spoils a history in one place, if it has one for that.
type Spoil = fn(&mut History) -> bool;

/// Which checkers convict.
fn convicting(history: &History) -> BTreeSet<&'static str> {
    checkers::check(history).iter().map(|violation| violation.checker).collect()
}

/// Spoils a clean history in several ways.
pub fn is_convicted(clean: &History) {
    assert!(convicting(clean).is_empty());
    let spoils: [(&str, &str, Spoil); 5] = [
        ("an acknowledged write is gone from every copy", "lost", lose),
        ("a strict read misses a completed write", "register", miss),
        ("one copy differs", "converged", differ),
        ("a rejected write is read", "invented", invent),
        ("a lone client sees a sibling", "lone", double),
    ];
    for (what, checker, spoil) in spoils {
        let mut history = clean.clone();
        assert!(spoil(&mut history), "this history has no place for: {what}");
        let by = convicting(&history);
        assert!(by.contains(checker), "{what}: convicted by {by:?} only");
        println!("convicted    {what}: by {by:?}");
    }
}

/// The causal value of a key that nobody deletes vanishes, although its write was acknowledged.
fn lose(history: &mut History) -> bool {
    let acknowledged: BTreeSet<u64> = (0u64..)
        .zip(&history.operations)
        .filter(|(_, operation)| operation.acknowledged() && operation.writing().is_some())
        .map(|(number, _)| number)
        .collect();
    for last in &mut history.finals {
        let key = &history.keys[last.key];
        let Some(read) = &mut last.read else { continue };
        let held = read.iter().any(|seen| seen.value.is_some_and(|value| acknowledged.contains(&value)));
        if key.class == Class::Chain && held {
            read.clear();
            last.others.iter_mut().for_each(Vec::clear);
            return true;
        }
    }
    false
}

/// A read of a register gives nothing although a write had completed.
fn miss(history: &mut History) -> bool {
    let mut written = BTreeSet::new();
    for operation in &mut history.operations {
        let register = history.keys[operation.key].class == Class::Register;
        if register && operation.acknowledged() {
            written.insert((operation.key, operation.ended_us));
        }
        let began = (operation.key, 0)..(operation.key, operation.invoked_us);
        if register && matches!(operation.end, End::Read(_)) && written.range(began).next().is_some() {
            operation.end = End::Read(Vec::new());
            return true;
        }
    }
    false
}

/// An owner holds something else.
fn differ(history: &mut History) -> bool {
    let copy = history.finals.iter_mut().find_map(|last| last.holdings.first_mut());
    copy.is_some_and(|(_, held)| held.replace(Held::Described("something else".to_owned())).is_some())
}

/// A write whose value was read turns out to have been rejected.
fn invent(history: &mut History) -> bool {
    let read: BTreeSet<u64> = history
        .operations
        .iter()
        .filter_map(|operation| operation.versions())
        .flatten()
        .filter_map(|seen| seen.value)
        .collect();
    let wrote = |number: &&u64| matches!(history.operations[**number as usize].what, What::Write(_));
    let Some(&number) = read.iter().find(wrote) else { return false };
    history.operations[number as usize].end = End::Rejected;
    true
}

/// A lone client's read gets the value twice, under two names.
fn double(history: &mut History) -> bool {
    for operation in &mut history.operations {
        let lone = matches!(history.keys[operation.key].class, Class::Chain | Class::Loner);
        let End::Read(seen) = &mut operation.end else { continue };
        if let Some(mut other) = seen.first().cloned().filter(|_| lone) {
            other.dot.counter += 1_000;
            seen.push(other);
            return true;
        }
    }
    false
}
