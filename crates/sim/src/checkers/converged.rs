//! After healing every key can be read, every owner holds the same record in canonical form, and a read gives the
//! same through every server.

use super::Case;
use crate::history::{Held, Seen};
use clockwise_core::{
    hlc::Hlc,
    tree,
    version::{Record, Value},
};

pub(super) fn check(case: &Case<'_>, found: &mut Vec<String>) {
    let Some(last) = case.last else { return };
    let Some(read) = &last.read else {
        found.push("no read of all replicas succeeds after healing".to_owned());
        return;
    };
    let alive = |seen: &[Seen]| seen.iter().filter(|it| !it.expired).cloned().collect::<Vec<_>>();
    for other in last.others.iter().filter(|other| alive(other) != alive(read)) {
        found.push(format!("a read through another server got {other:?} instead of {read:?}"));
    }
    if last.holdings.len() != last.owners {
        found.push(format!("{} of {} owners say what they hold", last.holdings.len(), last.owners));
    }
    let mut first: Option<(u32, Held)> = None;
    for (member, record) in &last.holdings {
        let Some(record) = record else {
            found.push(format!("the copy of s{member} is damaged"));
            continue;
        };
        let record = canonical(record, last.until);
        match &first {
            None => first = Some((*member, record)),
            Some((_, other)) if *other == record => {}
            Some((other, theirs)) => {
                found.push(format!("s{member} holds {record:?}, s{other} holds {theirs:?}"));
            }
        }
    }
}

/// A copy without the bytes of values that expire, which each replica frees at its own pace; nothing, if it can be
/// collected at this instant.
pub(super) fn canonical(held: &Held, until: Hlc) -> Held {
    let mut held = held.clone();
    if let Held::Record(record) = &mut held {
        if tree::collectable_from(record).is_some_and(|from| from <= until) {
            *record = Record::default();
        }
        for version in record.versions.iter_mut().filter(|version| version.expires_ms.is_some()) {
            version.value = Value::Freed;
        }
    }
    held
}
