//! What was deleted or has expired long ago is gone from every owner.

use super::Case;
use crate::history::Held;
use clockwise_core::tree;

pub(super) fn check(case: &Case<'_>, found: &mut Vec<String>) {
    let Some(last) = case.last else { return };
    let Some(upto) = last.collected else { return };
    for (member, record) in last.unread.iter().flatten() {
        let Some(Held::Record(record)) = record else { continue };
        if !record.is_empty() && tree::collectable_from(record).is_some_and(|from| from <= upto) {
            found.push(format!("s{member} still has {record:?}"));
        }
    }
}
