//! Single records, so that a hot key does not keep the cold ones in memory that share its block.
//!
//! Records lie one behind the other in segments: few bytes beside their own, nothing for the allocator to scatter. New
//! ones fill young segments. When room is needed, the oldest segment goes: the oldest young one while young segments
//! are more than their part, else the oldest of the others. What was asked for since it was written moves on to a
//! segment of the others. So what is asked for once falls out without having pushed out anything else.
//!
//! An entry says: "at stage `seen` of the cell, its tables said this of the key". Whoever asks names the stage that it
//! must have seen, and answers with it only if it has; see `engine/lookup.rs`. No call does more than a bounded piece of
//! work. Does not know tables, and takes what it is given: the budget is the cache's.

use super::pieces::Pieces;
use crate::{steady::SteadyTable, table::KeyRef};
use bytes::Bytes;
use std::collections::VecDeque;

/// Most bytes of keys and records in a segment.
const SEGMENT_BYTES: usize = 16 * 1024;
/// Least, where the budget is very small.
const LEAST_SEGMENT_BYTES: usize = 1_024;
/// Segments in a budget, at least.
const SEGMENTS: usize = 32;
/// Most entries of a segment: the bits of an entry's place below those of its segment.
const SEGMENT_ENTRIES: usize = 512;
/// What a segment's allocations cost beside their bytes, in bytes: reference count, and what the allocator adds.
const SEGMENT_OVERHEAD_BYTES: usize = 96;
/// Rounds that an entry survives without being asked for.
const MAX_USES: u8 = 3;
/// In the place of the uses: replaced by a newer entry, or gone.
const DEAD: u8 = u8::MAX;
/// Young segments are at most this part of all.
const YOUNG_PART: usize = 8;

/// See the module.
pub(super) struct Records {
    places: SteadyTable<u32>,
    segments: Pieces<Segment>,
    /// Numbers of segments that hold nothing.
    free: Vec<u32>,
    /// Full segments, the oldest first.
    young: VecDeque<u32>,
    old: VecDeque<u32>,
    /// What is being filled.
    filling_young: Option<u32>,
    filling_old: Option<u32>,
    /// Of all segments with their allocations.
    segment_bytes: usize,
}

struct Segment {
    bytes: Body,
    entries: Vec<Entry>,
    /// How much it is counted with.
    cost: usize,
}

enum Body {
    /// Not more than its capacity.
    Filling(Vec<u8>),
    /// Answers share it.
    Full(Bytes),
}

impl Body {
    fn bytes(&self) -> &[u8] {
        match self {
            Body::Filling(bytes) => bytes,
            Body::Full(bytes) => bytes,
        }
    }
}

/// A key with its record, which lie in the segment's bytes.
#[derive(Clone, Copy)]
struct Entry {
    hash: u64,
    seen: u64,
    /// Where the key begins; the record ends where the next entry begins.
    start: u16,
    slot: u16,
    key_bytes: u16,
    uses: u8,
}

/// The kinds of segments.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Young,
    Old,
}

impl Segment {
    fn range(&self, at: usize) -> (usize, usize) {
        let end = match self.entries.get(at + 1) {
            Some(next) => usize::from(next.start),
            None => self.bytes.bytes().len(),
        };
        (usize::from(self.entries[at].start), end)
    }

    #[inline]
    fn is(&self, at: usize, hash: u64, key: KeyRef<'_>) -> bool {
        let entry = &self.entries[at];
        let start = usize::from(entry.start);
        entry.hash == hash
            && entry.slot == key.slot.number()
            && usize::from(entry.key_bytes) == key.key.len()
            && self.bytes.bytes()[start..start + key.key.len()] == *key.key
    }

    fn cost_now(&self) -> usize {
        let bytes = match &self.bytes {
            Body::Filling(bytes) => bytes.capacity(),
            Body::Full(bytes) => bytes.len(),
        };
        bytes + self.entries.capacity() * size_of::<Entry>() + SEGMENT_OVERHEAD_BYTES
    }
}

fn split(place: u32) -> (usize, usize) {
    (place as usize / SEGMENT_ENTRIES, place as usize % SEGMENT_ENTRIES)
}

fn join(segment: u32, entry: usize) -> u32 {
    segment * SEGMENT_ENTRIES as u32 + entry as u32
}

/// How large segments are within a budget, in bytes.
fn fitting_bytes(budget_bytes: usize) -> usize {
    (budget_bytes / SEGMENTS).clamp(LEAST_SEGMENT_BYTES, SEGMENT_BYTES)
}

/// The longest key with its record that is taken in within a budget, in bytes.
pub(super) fn most_bytes(budget_bytes: usize) -> usize {
    fitting_bytes(budget_bytes) / 4
}

impl Records {
    pub(super) fn new() -> Records {
        Records {
            places: SteadyTable::new(),
            segments: Pieces::new(),
            free: Vec::new(),
            young: VecDeque::new(),
            old: VecDeque::new(),
            filling_young: None,
            filling_old: None,
            segment_bytes: 0,
        }
    }

    /// Bytes that it takes: records, and what it needs to find them.
    pub(super) fn used_bytes(&self) -> usize {
        let queues = self.free.capacity() + self.young.capacity() + self.old.capacity();
        self.segment_bytes
            + self.segments.allocation_bytes()
            + self.places.allocation_bytes()
            + queues * size_of::<u32>()
    }

    /// Entries.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    #[inline]
    fn find(&self, hash: u64, key: KeyRef<'_>) -> Option<u32> {
        let segments = &self.segments;
        let same = |&place: &u32| {
            let (segment, at) = split(place);
            segments.get(segment).is(at, hash, key)
        };
        self.places.find(hash, same).copied()
    }

    /// A key's record, if its entry has seen the stage `from`; then it has seen `now` as well.
    #[inline]
    pub(super) fn get(&mut self, hash: u64, key: KeyRef<'_>, from: u64, now: u64) -> Option<Bytes> {
        let (segment, at) = split(self.find(hash, key)?);
        let segment = self.segments.get_mut(segment);
        let entry = &mut segment.entries[at];
        if entry.seen < from {
            return None;
        }
        entry.seen = entry.seen.max(now);
        entry.uses = (entry.uses + 1).min(MAX_USES);
        let (start, end) = segment.range(at);
        let start = start + key.key.len();
        Some(match &segment.bytes {
            Body::Filling(bytes) => Bytes::copy_from_slice(&bytes[start..end]),
            Body::Full(bytes) => bytes.slice(start..end),
        })
    }

    /// Takes in what the tables said of a key at stage `seen`, or notes that they say so still. Key and record are not
    /// longer than [`most_bytes`] of the budget.
    pub(super) fn insert(
        &mut self,
        hash: u64,
        key: KeyRef<'_>,
        record: &[u8],
        seen: u64,
        budget_bytes: usize,
    ) {
        let mut entry =
            Entry { hash, seen, start: 0, slot: key.slot.number(), key_bytes: key.key.len() as u16, uses: 0 };
        if let Some(place) = self.find(hash, key) {
            let (segment, at) = split(place);
            let segment = self.segments.get_mut(segment);
            let (start, end) = segment.range(at);
            let same = segment.bytes.bytes()[start + key.key.len()..end] == *record;
            let old = &mut segment.entries[at];
            if same || old.seen >= seen {
                old.seen = old.seen.max(seen);
                return;
            }
            entry.uses = old.uses;
            old.uses = DEAD;
            self.forget(hash, place);
        }
        let place = self.append(Kind::Young, entry, key.key, record, budget_bytes);
        let segments = &self.segments;
        self.places.insert_unique(hash, place, |&place| hash_at(segments, place));
    }

    fn forget(&mut self, hash: u64, place: u32) {
        let segments = &self.segments;
        self.places.remove(hash, |&other| other == place, |&place| hash_at(segments, place));
    }

    /// Writes an entry to the segment that is being filled, and answers its place.
    fn append(
        &mut self,
        kind: Kind,
        mut entry: Entry,
        key: &[u8],
        record: &[u8],
        budget_bytes: usize,
    ) -> u32 {
        let length = key.len() + record.len();
        let number = self.with_room(kind, length, budget_bytes);
        let segment = self.segments.get_mut(number as usize);
        if let Body::Filling(bytes) = &mut segment.bytes {
            entry.start = bytes.len() as u16;
            bytes.extend_from_slice(key);
            bytes.extend_from_slice(record);
        }
        segment.entries.push(entry);
        let at = segment.entries.len() - 1;
        self.segment_bytes -= segment.cost;
        segment.cost = segment.cost_now();
        self.segment_bytes += segment.cost;
        join(number, at)
    }

    fn filling(&mut self, kind: Kind) -> (&mut Option<u32>, &mut VecDeque<u32>) {
        match kind {
            Kind::Young => (&mut self.filling_young, &mut self.young),
            Kind::Old => (&mut self.filling_old, &mut self.old),
        }
    }

    /// A segment that can take so many bytes more.
    fn with_room(&mut self, kind: Kind, length: usize, budget_bytes: usize) -> u32 {
        if let Some(number) = *self.filling(kind).0 {
            let segment = self.segments.get(number as usize);
            if let Body::Filling(bytes) = &segment.bytes
                && bytes.len() + length <= bytes.capacity()
                && segment.entries.len() < SEGMENT_ENTRIES
            {
                return number;
            }
            self.seal(kind);
        }
        let bytes = Vec::with_capacity(fitting_bytes(budget_bytes).max(length));
        let mut segment = Segment { bytes: Body::Filling(bytes), entries: Vec::new(), cost: 0 };
        segment.cost = segment.cost_now();
        self.segment_bytes += segment.cost;
        let number = match self.free.pop() {
            Some(number) => {
                *self.segments.get_mut(number as usize) = segment;
                number
            }
            None => {
                self.segments.push(segment);
                self.segments.len() as u32 - 1
            }
        };
        *self.filling(kind).0 = Some(number);
        number
    }

    /// Ends the segment that is being filled.
    fn seal(&mut self, kind: Kind) {
        let (filling, full) = self.filling(kind);
        let Some(number) = filling.take() else { return };
        full.push_back(number);
        let segment = self.segments.get_mut(number as usize);
        if let Body::Filling(bytes) = &mut segment.bytes {
            // A copy that is just large enough, as answers hold on to it.
            let full = std::mem::take(bytes).into_boxed_slice();
            segment.bytes = Body::Full(full.into());
        }
        segment.entries.shrink_to_fit();
        self.segment_bytes -= segment.cost;
        segment.cost = segment.cost_now();
        self.segment_bytes += segment.cost;
    }

    /// Takes one segment away. With `hard` at least half of its bytes are free afterwards, else those of entries that
    /// were not asked for. False if there is nothing.
    pub(super) fn evict(&mut self, hard: bool, budget_bytes: usize) -> bool {
        if self.young.is_empty() && self.old.is_empty() {
            self.seal(Kind::Young);
            self.seal(Kind::Old);
        }
        let young = self.young.len() * YOUNG_PART > self.young.len() + self.old.len();
        let kind =
            if (young && !self.young.is_empty()) || self.old.is_empty() { Kind::Young } else { Kind::Old };
        let Some(number) = self.filling(kind).1.pop_front() else { return false };
        let empty = Segment { bytes: Body::Full(Bytes::new()), entries: Vec::new(), cost: 0 };
        // Its entries are found here until they have moved or gone.
        let segment = std::mem::replace(self.segments.get_mut(number as usize), empty);
        self.segment_bytes -= segment.cost;
        let least = if hard { least_uses(&segment) } else { 1 };
        let bytes = segment.bytes.bytes();
        for (at, entry) in segment.entries.iter().enumerate() {
            if entry.uses == DEAD {
                continue;
            }
            let (place, (start, end)) = (join(number, at), segment.range(at));
            if entry.uses >= least {
                let (key, record) = bytes[start..end].split_at(usize::from(entry.key_bytes));
                let uses = if kind == Kind::Young { 0 } else { entry.uses.saturating_sub(1) };
                let moved = self.append(Kind::Old, Entry { uses, ..*entry }, key, record, budget_bytes);
                let found = self.places.find_mut(entry.hash, |&other| other == place);
                *found.expect("every entry has its place") = moved;
            } else {
                self.drop_place(entry.hash, place, &segment, number);
            }
        }
        self.free.push(number);
        if self.places.len() == 0 && self.free.len() == self.segments.len() {
            *self = Records::new();
        }
        true
    }

    /// Forgets the place of an entry of a segment that was taken out of the list.
    fn drop_place(&mut self, hash: u64, place: u32, taken: &Segment, number: u32) {
        let segments = &self.segments;
        let hash_of = |&place: &u32| {
            let (segment, at) = split(place);
            if segment == number as usize { taken.entries[at].hash } else { hash_at(segments, place) }
        };
        self.places.remove(hash, |&other| other == place, hash_of);
    }
}

fn hash_at(segments: &Pieces<Segment>, place: u32) -> u64 {
    let (segment, at) = split(place);
    segments.get(segment).entries[at].hash
}

/// The least uses with which entries may stay so that half of the bytes are free.
fn least_uses(segment: &Segment) -> u8 {
    let mut by_uses = [0; MAX_USES as usize + 1];
    for (at, entry) in segment.entries.iter().enumerate() {
        let (start, end) = segment.range(at);
        if entry.uses != DEAD {
            by_uses[usize::from(entry.uses)] += end - start;
        }
    }
    let most = segment.bytes.bytes().len() / 2;
    let mut staying: usize = by_uses.iter().sum();
    let mut least = 0;
    for bytes in by_uses {
        staying -= bytes;
        least += 1;
        if staying <= most {
            break;
        }
    }
    least
}
