//! A lone client that passes on the context of its last reply never sees a sibling.

use super::Case;
use crate::history::Class;

pub(super) fn check(case: &Case<'_>, found: &mut Vec<String>) {
    if !matches!(case.key.class, Class::Chain | Class::Loner) {
        return;
    }
    for (number, _, versions) in case.reads.iter().filter(|(_, _, versions)| versions.len() > 1) {
        let values: Vec<_> = versions.iter().map(|seen| seen.value).collect();
        found.push(format!("read {number} got siblings {values:?}"));
    }
    if let Some(survivors) = case.survivors().filter(|survivors| survivors.len() > 1) {
        let values: Vec<_> = survivors.iter().map(|seen| seen.value).collect();
        found.push(format!("the last read got siblings {values:?}"));
    }
}
