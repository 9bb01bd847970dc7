//! After healing and some quiet time every owner holds the same record in canonical form, although nobody has read it.

use super::{Case, converged::canonical};
use crate::history::Held;

pub(super) fn check(case: &Case<'_>, found: &mut Vec<String>) {
    let Some(last) = case.last else { return };
    let Some(held) = &last.unread else { return };
    let Some((first, Some(record))) = held.first() else {
        return found.push("no owner says what it holds".to_owned());
    };
    let canonical = |held: &Held| canonical(held, last.until);
    let record = canonical(record);
    for (member, other) in &held[1..] {
        match other.as_ref().map(canonical) {
            Some(other) if other == record => {}
            other => found.push(format!("unread, s{first} holds {record:?}, s{member} holds {other:?}")),
        }
    }
}
