//! A sorted list of fences in memory, searched for the last one that is not behind a key. A fence is a short byte
//! string between the last key of a block and the first of the next: that block and all before it hold only keys
//! before it, the next one only keys from it on.
//!
//! Keys are spread evenly over slots, so the slot alone leads to a few neighbours; of these, as far as eight bytes
//! tell them apart, numbers are compared and not keys.

use super::{KeyRef, key::slot_of};
use clockwise_core::limits::{CELLS, STORED_SLOTS};

/// Fences from which on places by slot are kept: fewer are found about as fast by halving alone.
const BY_SLOT_FENCES: usize = 256;

/// The list.
#[derive(Default)]
pub(super) struct Fences {
    /// What all keys share behind the slot, as far as the fences show it.
    shared: Vec<u8>,
    /// Slot and the 6 bytes behind what is shared, as a number.
    numbers: Vec<u64>,
    /// For each slot of the cell in order, and one more: how many fences lie before it. Empty for few fences.
    by_slot: Vec<u32>,
    keys: Vec<u8>,
    ends: Vec<u32>,
}

/// The shortest fence between two stored keys; it has at least the slot.
pub(super) fn between<'a>(before: &[u8], first: &'a [u8]) -> &'a [u8] {
    let common = before.iter().zip(first).take_while(|(left, right)| left == right).count();
    &first[..first.len().min((common + 1).max(2))]
}

impl Fences {
    pub(super) fn push(&mut self, fence: &[u8]) {
        self.keys.extend_from_slice(fence);
        self.ends.push(self.keys.len() as u32);
    }

    /// Completes the list; before this nothing is found.
    pub(super) fn seal(&mut self) {
        let mut rests =
            self.iter().map(|fence| fence.get(2..).unwrap_or_default()).filter(|rest| !rest.is_empty());
        let first = rests.next().unwrap_or_default();
        let shared = rests.fold(first.len(), |shared, rest| {
            first[..shared].iter().zip(rest).take_while(|(left, right)| left == right).count()
        });
        self.shared = first[..shared].to_vec();
        self.numbers = (0..self.len()).map(|at| self.number_of_fence(at)).collect();
        if self.len() >= BY_SLOT_FENCES {
            let count = usize::from(STORED_SLOTS / CELLS);
            self.by_slot = (0..=count)
                .map(|place| {
                    let least = ((place * usize::from(CELLS)) as u64) << 48;
                    // The slots of a cell are equal modulo CELLS, so each lies at or above its place's first number.
                    self.numbers.partition_point(|&number| number < least) as u32
                })
                .collect();
        }
        self.keys.shrink_to_fit();
        self.ends.shrink_to_fit();
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let numbers = 8 * self.numbers.capacity() + 4 * (self.by_slot.capacity() + self.ends.capacity());
        numbers + self.shared.capacity() + self.keys.capacity()
    }

    pub(super) fn get(&self, at: usize) -> &[u8] {
        let start = if at == 0 { 0 } else { self.ends[at - 1] as usize };
        &self.keys[start..self.ends[at] as usize]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|at| self.get(at))
    }

    fn number_of_fence(&self, at: usize) -> u64 {
        let fence = self.get(at);
        let rest = fence.get(2..).unwrap_or_default();
        number(slot_of(fence), rest.get(self.shared.len()..).unwrap_or_default())
    }

    /// The number of a key: numbers are in the order of keys and fences, but for equal ones.
    #[inline]
    fn number_of(&self, key: KeyRef<'_>) -> u64 {
        let slot = key.slot.number();
        match key.key.strip_prefix(&self.shared[..]) {
            Some(rest) => number(slot, rest),
            None if *key.key < self.shared[..] => number(slot, &[]),
            None => number(slot, &[0xff; 6]),
        }
    }

    /// The last fence that is not behind the key; the first one if all are.
    #[inline]
    pub(super) fn floor(&self, key: KeyRef<'_>) -> usize {
        let wanted = self.number_of(key);
        let (mut low, mut high) = (0, self.len());
        if let [from, to] = *self.slot_range(key) {
            (low, high) = (from as usize, to as usize);
        }
        let numbers = &self.numbers[low..high];
        let (smaller, same) = {
            let smaller = numbers.partition_point(|&number| number < wanted);
            (smaller, numbers[smaller..].partition_point(|&number| number == wanted))
        };
        (low, high) = (low + smaller, low + smaller + same);
        while low < high {
            let middle = (low + high) / 2;
            if key.cmp_stored(self.get(middle)).is_lt() { high = middle } else { low = middle + 1 }
        }
        low.saturating_sub(1)
    }

    /// How many fences lie before a key's slot, and before the next; empty if that is not known.
    #[inline]
    fn slot_range(&self, key: KeyRef<'_>) -> &[u32] {
        let place = usize::from(key.slot.number() / CELLS);
        self.by_slot.get(place..place + 2).unwrap_or_default()
    }
}

/// The slot and up to 6 bytes, with zeros behind fewer.
#[inline]
fn number(slot: u16, rest: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    bytes[..2].copy_from_slice(&slot.to_be_bytes());
    match rest.first_chunk::<6>() {
        Some(six) => bytes[2..].copy_from_slice(six),
        None => bytes[2..2 + rest.len()].copy_from_slice(rest),
    }
    u64::from_be_bytes(bytes)
}
