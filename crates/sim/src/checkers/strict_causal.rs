//! Strict causal reads and writes of at least a majority: a read sees, itself or by a write that replaced it, every
//! write that completed before it began and every value that an earlier read saw; and nothing of what these replaced.

use super::{Case, missing};
use crate::history::Class;
use std::collections::BTreeSet;

pub(super) fn check(case: &Case<'_>, found: &mut Vec<String>) {
    if case.key.class != Class::StrictCausal {
        return;
    }
    for (number, read, versions) in &case.reads {
        let completed = case.writes.iter().filter(|(_, (write, _))| write.answered_us() < read.invoked_us);
        let mut wanted: BTreeSet<u64> = completed.map(|(number, _)| *number).collect();
        for (_, _, seen) in case.reads.iter().filter(|(_, earlier, _)| earlier.ended_us < read.invoked_us) {
            wanted.extend(seen.iter().filter_map(|seen| seen.value));
        }
        for write in missing(case, &wanted, versions, read.ended_us) {
            found.push(format!(
                "read {number} got neither write {write}, completed or read before, nor what replaced it"
            ));
        }
        for value in versions.iter().filter_map(|seen| seen.value) {
            let replaced =
                |by: &&u64| case.replaced.get(by).is_some_and(|replaced| replaced.contains(&value));
            if let Some(by) = wanted.iter().find(replaced) {
                found.push(format!("read {number} got write {value}, which write {by} had replaced"));
            }
        }
    }
}
