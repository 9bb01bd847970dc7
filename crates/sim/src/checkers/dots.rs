//! No dot has two values, anywhere.

use super::Case;
use crate::history::Held;
use clockwise_core::{hlc::Hlc, ids::Dot, version::Value};
use std::collections::BTreeMap;

pub(super) fn check(case: &Case<'_>, found: &mut Vec<String>) {
    let mut known: BTreeMap<Dot, (Hlc, Option<u64>)> = BTreeMap::new();
    for seen in case.sightings() {
        let (time, value) = *known.entry(seen.dot).or_insert((seen.time, seen.value));
        let other = value.zip(seen.value).is_some_and(|(one, other)| one != other);
        if time != seen.time || other {
            found.push(format!(
                "{:?} names {value:?} at {time} and {:?} at {}",
                seen.dot, seen.value, seen.time
            ));
        }
    }
    let holdings = case.last.iter().flat_map(|last| &last.holdings).filter_map(|(_, held)| held.as_ref());
    let records = holdings.filter_map(|held| match held {
        Held::Record(record) => Some(record),
        Held::Described(_) => None,
    });
    for version in records.flat_map(|record| &record.versions) {
        let Some((time, _)) = known.get(&version.dot) else { continue };
        if *time != version.time && version.value != Value::Freed {
            found.push(format!("{:?} has the times {time} and {}", version.dot, version.time));
        }
    }
}
