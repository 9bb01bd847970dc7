//! Every acknowledged causal write is there after healing, or covered by a write whose context held it; every
//! acknowledged plain write is there, covered, or beaten by a plain write with a later time.

use super::{Case, missing};
use std::collections::BTreeSet;

pub(super) fn check(case: &Case<'_>, found: &mut Vec<String>) {
    let Some(survivors) = case.survivors() else { return };
    let wanted: BTreeSet<u64> = case
        .writes
        .iter()
        .filter(|(_, (write, _))| write.acknowledged())
        .map(|(number, _)| *number)
        .collect();
    for number in missing(case, &wanted, survivors, u64::MAX) {
        found.push(format!("acknowledged write {number} is neither there nor replaced"));
    }
}
