//! Every value that anybody reads was written to this key by an operation that had begun and was not rejected; at
//! most one of the values is a plain one; causal writes stay causal.

use super::Case;
use crate::history::Seen;

pub(super) fn check(case: &Case<'_>, found: &mut Vec<String>) {
    for (number, read, versions) in &case.reads {
        judge(case, versions, read.ended_us, &format!("read {number}"), found);
    }
    if let Some(survivors) = case.survivors() {
        judge(case, survivors, u64::MAX, "the last read", found);
    }
}

fn judge(case: &Case<'_>, versions: &[Seen], at_us: u64, reader: &str, found: &mut Vec<String>) {
    if versions.iter().filter(|seen| seen.register).count() > 1 {
        found.push(format!("{reader} got two plain values"));
    }
    for seen in versions.iter().filter(|seen| !seen.freed) {
        let Some(value) = seen.value else {
            found.push(format!("{reader} got bytes that nobody wrote"));
            continue;
        };
        match case.writes.get(&value) {
            None if case.void.contains(&value) => {
                found.push(format!("{reader} got the value of write {value}, which was rejected"));
            }
            None => {
                found.push(format!("{reader} got the value of operation {value}, which is of another key"))
            }
            Some((write, _)) if write.invoked_us > at_us => {
                found.push(format!("{reader} got the value of write {value} before it began"));
            }
            Some((_, writing)) if writing.delete || writing.plain != seen.register => {
                found.push(format!("{reader} got write {value} as another kind of write"));
            }
            Some(_) => {}
        }
    }
}
