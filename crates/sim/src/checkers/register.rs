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
    check_returns(&reads, found);
    let Some(survivors) = case.survivors() else { return };
    let got = plain(survivors);
    check_writes(case, u64::MAX, got, "the last read", found);
    for (earlier, _, before) in &reads {
        if let Some(what) = goes_back(case, *before, got) {
            found.push(format!("the last read went back behind read {earlier}: {what}"));
        }
    }
}

/// A value that a read saw replaced by another does not come back, under no time.
fn check_returns(reads: &[(u64, &Operation, Got<'_>)], found: &mut Vec<String>) {
    let value = |got: Got<'_>| got.and_then(|seen| seen.value);
    for (first, begin, old) in reads.iter().filter(|(.., got)| got.is_some()) {
        let later =
            |after: &&(u64, &Operation, Got<'_>), than: &Operation| after.1.invoked_us > than.ended_us;
        let replaced = reads.iter().filter(|read| later(read, begin) && value(read.2) != value(*old));
        let Some((between, replaced, _)) = replaced.min_by_key(|(_, read, _)| read.ended_us) else {
            continue;
        };
        let back = reads.iter().find(|read| later(read, replaced) && value(read.2) == value(*old));
        if let Some((last, ..)) = back {
            let old = value(*old);
            found.push(format!(
                "reads {first}, {between} and {last} got {old:?}, something else, and {old:?} again"
            ));
        }
    }
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
