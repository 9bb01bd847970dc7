//! What a stand-in holds of one key: the very writes that owners have missed, each with the owners that it is for.
//!
//! Writes stay writes (rule R6 of the specification): they are delivered one by one and judged by their own times.
//! Only a write whose every dot, mark and time a later one carries along goes before it is delivered: whoever takes
//! the later one knows all of it. What the stand-in itself reads is the join of the writes.

use crate::{
    ids::{Dot, MemberNumber},
    limits::{MEMBERS, REPLICAS, SIBLINGS},
    varint::{Malformed, Reader, put_u64},
    version::{Record, Write},
};
use alloc::vec::Vec;
use bytes::Bytes;
use smallvec::SmallVec;

/// First byte of the stored form.
const FORMAT: u8 = 1;
/// Most writes of one key that are held beside each other; one more is refused.
pub(crate) const HELD_WRITES: usize = SIBLINGS;

/// Owners that a write is for.
pub(crate) type Targets = SmallVec<[MemberNumber; 2]>;

/// A write that is held.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Hint {
    /// Exactly as it was minted.
    pub(crate) write: Write,
    /// Owners that have not got it from here, sorted; never empty.
    pub(crate) targets: Targets,
}

/// All hints for a key, in the order in which they came.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Held {
    pub(crate) hints: Vec<Hint>,
}

impl Held {
    /// Holds a write for these owners too. False: there is no room for another one.
    pub(crate) fn add(&mut self, write: &Write, targets: &[MemberNumber]) -> bool {
        if let Some(hint) = self.hints.iter_mut().find(|hint| hint.write.dot == write.dot) {
            targets.iter().for_each(|&target| insert(&mut hint.targets, target));
            return true;
        }
        let mut ours = Targets::new();
        targets.iter().for_each(|&target| insert(&mut ours, target));
        if ours.is_empty() {
            return true;
        }
        // What is carried along by this write needs no delivery to those who get it.
        for hint in self.hints.iter_mut().filter(|hint| carries(write, &hint.write)) {
            hint.targets.retain(|target| !ours.contains(target));
        }
        self.hints.retain(|hint| !hint.targets.is_empty());
        if self.hints.len() >= HELD_WRITES {
            return false;
        }
        self.hints.push(Hint { write: write.clone(), targets: ours });
        true
    }

    /// This owner has the write. True if that changes anything.
    pub(crate) fn delivered(&mut self, dot: Dot, target: MemberNumber) -> bool {
        let before = self.shape();
        for hint in self.hints.iter_mut().filter(|hint| hint.write.dot == dot) {
            hint.targets.retain(|other| *other != target);
        }
        self.hints.retain(|hint| !hint.targets.is_empty());
        before != self.shape()
    }

    /// Gives hints for servers that own nothing here any more to those that do.
    pub(crate) fn retarget(&mut self, owners: &[MemberNumber]) -> bool {
        let mut changed = false;
        for hint in &mut self.hints {
            if hint.targets.iter().any(|target| !owners.contains(target)) {
                hint.targets.clear();
                owners.iter().for_each(|&owner| insert(&mut hint.targets, owner));
                changed = true;
            }
        }
        changed
    }

    /// What the stand-in knows of the key.
    pub(crate) fn view(&self) -> Record {
        let mut view = Record::default();
        self.hints.iter().for_each(|hint| view.join_write(&hint.write));
        view
    }

    fn shape(&self) -> (usize, usize) {
        (self.hints.len(), self.hints.iter().map(|hint| hint.targets.len()).sum())
    }

    /// Appends the stored form; nothing if nothing is held.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        if self.hints.is_empty() {
            return;
        }
        out.push(FORMAT);
        put_u64(out, self.hints.len() as u64);
        for hint in &self.hints {
            put_u64(out, hint.targets.len() as u64);
            hint.targets.iter().for_each(|target| put_u64(out, u64::from(target.0)));
            hint.write.encode(out);
        }
    }

    /// Reads the stored form; keys and values share the buffer.
    pub(crate) fn decode(bytes: Bytes) -> Result<Held, Malformed> {
        if bytes.is_empty() {
            return Ok(Held::default());
        }
        let mut reader = Reader::new(bytes);
        if reader.u8()? != FORMAT {
            return Err(Malformed);
        }
        let count = reader.u64()?;
        if count == 0 || count > HELD_WRITES as u64 {
            return Err(Malformed);
        }
        let mut hints = Vec::new();
        for _ in 0..count {
            let targets = get_targets(&mut reader)?;
            hints.push(Hint { write: Write::decode(&mut reader)?, targets });
        }
        reader.end()?;
        Ok(Held { hints })
    }
}

/// Reads a list of members, sorted, none twice and not empty.
fn get_targets(reader: &mut Reader) -> Result<Targets, Malformed> {
    let count = reader.u64()?;
    if count == 0 || count > REPLICAS.min(MEMBERS) as u64 {
        return Err(Malformed);
    }
    let mut targets = Targets::new();
    for _ in 0..count {
        let target = MemberNumber(reader.u32()?);
        if targets.last().is_some_and(|last| *last >= target) {
            return Err(Malformed);
        }
        targets.push(target);
    }
    Ok(targets)
}

fn insert(targets: &mut Targets, target: MemberNumber) {
    if let Err(at) = targets.binary_search(&target) {
        targets.insert(at, target);
    }
}

/// Whether whoever takes `later` knows all that `earlier` says: then it is judged by the later time alone.
fn carries(later: &Write, earlier: &Write) -> bool {
    let (later_delta, delta) = (later.delta(), earlier.delta());
    delta.seen.is_subset(&later_delta.seen) && delta.mark <= later_delta.mark && earlier.time < later.time
}

#[cfg(test)]
#[path = "held/tests.rs"]
mod tests;
