//! Strict plain reads and writes with R+W > N: a read sees every write that completed before it began; at a majority
//! and above, reads and writes are linearizable.
//!
//! Each value has one (time, dot), its tag, for as long as it lives; and of two operations of which one ended before
//! the other began, the later one never has the smaller tag, and a later write has the larger one. That is enough for
//! a register: order the operations by tag, each write before the reads of its tag, those by their beginning.

use super::{Case, time_of};
use crate::history::{Class, Operation, Seen};
use clockwise_core::{hlc::Hlc, ids::Dot};
use std::collections::BTreeMap;

/// What a read of a register returned.
type Got<'a> = Option<&'a Seen>;

pub(super) fn check(case: &Case<'_>, found: &mut Vec<String>) {
    if case.key.class != Class::Register {
        return;
    }
    let reads: Vec<(u64, &Operation, Got<'_>)> =
        case.reads.iter().map(|(number, read, versions)| (*number, *read, plain(versions))).collect();
    for &(number, read, got) in &reads {
        check_writes(case, read.invoked_us, got, &format!("read {number}"), found);
    }
    // A single answer cannot know whether a copy of what it found is where the next reader asks.
    let reads: Vec<_> = reads.into_iter().filter(|(_, read, _)| case.at_majority(read)).collect();
    check_names(case, found);
    check_order(case, &reads, found);
    for &(number, read, got) in &reads {
        for (earlier, _, before) in reads.iter().filter(|(_, earlier, _)| earlier.ended_us < read.invoked_us)
        {
            if let Some(what) = goes_back(case, *before, got) {
                found.push(format!("read {number} went back behind read {earlier}: {what}"));
            }
        }
    }
    let Some(survivors) = case.survivors() else { return };
    let got = plain(survivors);
    check_writes(case, u64::MAX, got, "the last read", found);
    for (earlier, _, before) in &reads {
        if let Some(what) = goes_back(case, *before, got) {
            found.push(format!("the last read went back behind read {earlier}: {what}"));
        }
    }
}

/// A value that goes under two names was written twice: whoever read it before may see it come back.
fn check_names(case: &Case<'_>, found: &mut Vec<String>) {
    let mut names: BTreeMap<u64, (Hlc, Dot)> = BTreeMap::new();
    for seen in case.sightings() {
        let Some(value) = seen.value else { continue };
        let name = (seen.time, seen.dot);
        let first = *names.entry(value).or_insert(name);
        if first != name {
            found.push(format!("{value} was read as {first:?} and as {name:?}"));
        }
    }
    for (value, (time, dot)) in names {
        let answered = case.writes.get(&value).and_then(|(write, _)| time_of(write));
        if let Some(answered) = answered.filter(|answered| *answered != time) {
            found.push(format!("{value} was acknowledged at {answered:?} and read as {:?}", (time, dot)));
        }
    }
}

/// A write is above every write that completed, and every value that was read, before it began.
fn check_order(case: &Case<'_>, reads: &[(u64, &Operation, Got<'_>)], found: &mut Vec<String>) {
    for (number, (write, _)) in &case.writes {
        let Some(time) = time_of(write) else { continue };
        for (other, (earlier, _)) in
            case.writes.iter().filter(|(_, (e, _))| e.answered_us() < write.invoked_us)
        {
            if time_of(earlier).is_some_and(|earlier| earlier >= time) {
                found.push(format!("write {number} is not above write {other}, completed before it began"));
            }
        }
        for (read, _, got) in reads.iter().filter(|(_, read, _)| read.ended_us < write.invoked_us) {
            if got.is_some_and(|seen| seen.time >= time) {
                found.push(format!("write {number} is not above what read {read} got before it began"));
            }
        }
    }
}

fn plain(versions: &[Seen]) -> Got<'_> {
    versions.iter().max_by_key(|seen| (seen.time, seen.dot))
}

fn check_writes(case: &Case<'_>, began_us: u64, got: Got<'_>, reader: &str, found: &mut Vec<String>) {
    for (number, (write, _)) in case.writes.iter().filter(|(_, (write, _))| write.answered_us() < began_us) {
        match got {
            None => found.push(format!("{reader} got nothing although write {number} had completed")),
            Some(seen) if time_of(write).is_some_and(|time| seen.time < time) => {
                found.push(format!(
                    "{reader} got {:?} of an earlier time than completed write {number}",
                    seen.value
                ));
            }
            Some(seen) if completed_before(case, seen, write.invoked_us) => {
                let value = seen.value;
                found.push(format!(
                    "{reader} got {value:?}, completed before the completed write {number} began"
                ));
            }
            Some(_) => {}
        }
    }
}

/// Whether the write of this value had completed at an instant.
fn completed_before(case: &Case<'_>, seen: &Seen, at_us: u64) -> bool {
    let write = seen.value.and_then(|value| case.writes.get(&value));
    write.is_some_and(|(write, _)| write.answered_us() < at_us)
}

/// What is wrong with reading `after` when `before` had been read.
fn goes_back(case: &Case<'_>, before: Got<'_>, after: Got<'_>) -> Option<String> {
    let before = before?;
    let Some(after) = after else { return Some(format!("nothing after {:?}", before.value)) };
    if (after.time, after.dot) < (before.time, before.dot) {
        return Some(format!("{:?} after the later {:?}", after.value, before.value));
    }
    let (write, _) = case.writes.get(&before.value?)?;
    let older = after.value != before.value && completed_before(case, after, write.invoked_us);
    older.then(|| format!("{:?}, completed before {:?} began", after.value, before.value))
}
