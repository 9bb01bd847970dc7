//! What was replaced, beaten or deleted does not come back.

use super::{Case, time_of};

pub(super) fn check(case: &Case<'_>, found: &mut Vec<String>) {
    let Some(survivors) = case.survivors() else { return };
    let acknowledged = || case.writes.iter().filter(|(_, (write, _))| write.acknowledged());
    for seen in survivors {
        let Some(value) = seen.value else { continue };
        let Some((write, writing)) = case.writes.get(&value) else { continue };
        for (by, (winner, over)) in acknowledged().filter(|(by, _)| **by != value) {
            if !over.plain {
                if case.replaced.get(by).is_some_and(|replaced| replaced.contains(&value)) {
                    found.push(format!("write {value} is back although write {by} replaced it"));
                }
                continue;
            }
            // The highest plain time stays in the record when its value has long gone.
            if writing.plain && time_of(winner).is_some_and(|time| seen.time < time) {
                found.push(format!("plain write {value} is back although write {by} beat it"));
            }
            // A plain write covers all that its coordinator has seen, and that was written through it.
            let same =
                write.life == winner.life && write.server == winner.server && write.owner && winner.owner;
            if !writing.plain && same && write.answered_us() < winner.invoked_us {
                found.push(format!(
                    "causal write {value} is back although write {by} on its server covered it"
                ));
            }
        }
    }
}
