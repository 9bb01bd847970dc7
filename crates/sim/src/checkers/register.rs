//! Strict plain reads and writes with R+W > N: a read sees every write that completed before it began; reads of at
//! least a majority never go back, across all clients.

use super::{Case, time_of};
use crate::history::{Class, Operation, Seen};

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

/// How often a value came back that a read had already found replaced by another: a beaten write is written once more,
/// and its first round may have been read. By time nobody goes back, so this is counted and not a violation; see
/// `docs/simulation.md`.
pub(super) fn flips(case: &Case<'_>) -> u64 {
    let strong = case.reads.iter().filter(|(_, read, _)| case.at_majority(read));
    let reads: Vec<(&Operation, Option<u64>)> =
        strong.map(|(_, read, versions)| (*read, plain(versions).and_then(|seen| seen.value))).collect();
    let flips = |(first, old): &&(&Operation, Option<u64>)| {
        let replaced = reads.iter().filter(|(read, value)| read.invoked_us > first.ended_us && value != old);
        let Some(since_us) = replaced.map(|(read, _)| read.ended_us).min() else { return false };
        reads.iter().any(|(read, value)| read.invoked_us > since_us && value == old)
    };
    reads.iter().filter(|(_, value)| value.is_some()).filter(flips).count() as u64
}

fn plain(versions: &[Seen]) -> Got<'_> {
    versions.iter().max_by_key(|seen| (seen.time, seen.dot))
}

fn check_writes(case: &Case<'_>, began_us: u64, got: Got<'_>, reader: &str, found: &mut Vec<String>) {
    for (number, (write, _)) in &case.writes {
        let Some(time) = time_of(write).filter(|_| write.ended_us < began_us) else { continue };
        match got {
            None => found.push(format!("{reader} got nothing although write {number} had completed")),
            Some(seen) if seen.time < time => {
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
