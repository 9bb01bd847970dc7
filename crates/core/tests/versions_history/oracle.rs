//! What a record ought to be, from the set of its writes alone; and the laws of joins.

use crate::history::{Ghost, Known, World, each, expand};
use clockwise_core::{
    hlc::Hlc,
    ids::{Actor, Dot},
    slot::Slot,
    version::{DigestKey, DotRange, Kind, Mark, Payload, Record, Value, Version},
};
use std::collections::BTreeSet;

impl World {
    /// The record is what its ghost says, sound, and the only one with its (seen, mark); its bytes are its own.
    pub fn check(&mut self, known: &Known) {
        let record = &known.record;
        let ghost = self.ghost(known);
        assert_eq!(record.check(), Ok(()));
        assert_eq!(expand(record.seen.ranges()), self.seen(known.joined));
        assert_eq!(record.mark, self.mark(ghost));
        let latest = each(ghost).map(|index| self.writes[index].write.time).max();
        assert_eq!(record.hi, latest.unwrap_or(Hlc::ZERO));
        assert_eq!(record.versions, self.versions(known, ghost));

        let mut full = record.clone();
        full.versions.iter_mut().for_each(|version| version.value = Value::Freed);
        let identity = (record.seen.clone(), record.mark);
        let first = self.by_identity.entry(identity).or_insert_with(|| full.clone());
        assert_eq!(*first, full, "equal (seen, mark) means equal record");

        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        assert_eq!(Record::decode(bytes.into()).as_ref(), Ok(record));
    }

    fn seen(&self, joined: Ghost) -> BTreeSet<Dot> {
        let mut seen = BTreeSet::new();
        for index in each(joined) {
            let write = &self.writes[index].write;
            seen.extend(expand(write.ctx.ranges()));
            seen.extend(claims(write.dot, write.lo));
        }
        seen
    }

    fn mark(&self, ghost: Ghost) -> Mark {
        let writes = each(ghost).map(|index| &self.writes[index].write);
        writes.filter(|write| write.kind == Kind::Register).map(|write| (write.time, write.dot)).max()
    }

    fn versions(&self, known: &Known, ghost: Ghost) -> Vec<Version> {
        let covered = each(ghost).fold(0, |all, index| all | self.writes[index].covers);
        let mut versions: Vec<Version> = each(ghost & !covered)
            .filter(|&index| !self.is_claimed(index, known.joined))
            .filter_map(|index| self.version(index, known.freed))
            .filter(|version| {
                version.kind == Kind::Causal || self.mark(ghost) == Some((version.time, version.dot))
            })
            .collect();
        versions.sort_by_key(|version| version.dot);
        versions
    }

    /// Whether a fill claimed the dot of a collected write, or a context over such a fill holds it.
    fn is_claimed(&self, index: usize, joined: Ghost) -> bool {
        let dot = self.writes[index].write.dot;
        let is_buried = self.buried >> index & 1 == 1;
        is_buried && self.seen(joined & !(1 << index)).contains(&dot)
    }

    fn version(&self, index: usize, freed: Ghost) -> Option<Version> {
        let write = &self.writes[index].write;
        let Payload::Value { bytes, expires_ms } = &write.payload else { return None };
        let is_freed = freed >> index & 1 == 1;
        Some(Version {
            dot: write.dot,
            ctx: write.ctx.clone(),
            time: write.time,
            expires_ms: *expires_ms,
            kind: write.kind,
            cmark: (write.kind == Kind::Causal).then_some(write.cmark),
            value: if is_freed { Value::Freed } else { Value::Bytes(bytes.clone()) },
        })
    }

    /// Three states that ever were: their joins are the oracle's, in any order, grouping and number.
    pub fn check_laws(&mut self) {
        if self.frames.is_empty() {
            return;
        }
        let pick = |rng: &mut fastrand::Rng| rng.usize(..self.frames.len());
        let [a, b, c] = [pick(&mut self.rng), pick(&mut self.rng), pick(&mut self.rng)]
            .map(|index| self.frames[index].known.clone());
        let join = |left: &Known, right: &Known| {
            let mut both = left.clone();
            both.join(right);
            both.record
        };
        let of = |left: &Record, right: &Record| {
            let mut both = left.clone();
            both.join(right);
            both
        };
        let (ab, bc) = (join(&a, &b), join(&b, &c));
        assert_eq!(ab, join(&b, &a), "commutative");
        assert_eq!(of(&ab, &c.record), of(&a.record, &bc), "associative");
        assert_eq!(of(&ab, &ab), ab, "idempotent");
        assert_eq!(of(&ab, &a.record), ab, "absorbing");
        let digest = |record: &Record| DigestKey([5; 16]).digest(Slot::of(b"k"), b"k", record);
        let identity = |record: &Record| (record.seen.clone(), record.mark);
        assert_eq!(digest(&ab) == digest(&bc), identity(&ab) == identity(&bc));
    }
}

/// The own counters `lo..=dot.counter` of a write.
fn claims(dot: Dot, lo: u64) -> impl Iterator<Item = Dot> {
    let Dot { actor, counter } = dot;
    expand(&[DotRange { actor, lo, hi: counter }]).into_iter()
}

/// The highest counter of an actor in a set of dots.
pub fn top(dots: &BTreeSet<Dot>, actor: Actor) -> u64 {
    dots.iter().filter(|dot| dot.actor == actor).map(|dot| dot.counter).max().unwrap_or(0)
}
