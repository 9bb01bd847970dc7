//! A hash table that grows and shrinks a little at a time (linear hashing over small tables), so that no single
//! insertion moves more than a few hundred entries, however many there are. Hashes come from the caller; their low
//! and highest bits place an entry in its small table, others choose that table. Knows nothing of what it holds.

use hashbrown::HashTable;
use std::{iter::Flatten, vec::IntoIter};

/// Entries of a small table on the average. A part has from half of this to twice as many: the latter, like this, just
/// fits what hash tables make room for, so that they are between a half and nine tenths full most of the time.
const MEAN: usize = 832;
/// Where there are fewer than this in each on the average, parts are joined again.
const FEW: usize = MEAN / 4;

/// What a table gives when it is taken apart.
pub(crate) type Entries<T> = Flatten<IntoIter<HashTable<T>>>;

/// See the module.
pub(crate) struct SteadyTable<T> {
    /// At least one. Those from the middle of the next power of two on hold what a hash bit more sends there.
    parts: Vec<HashTable<T>>,
    /// The next power of two, less one.
    mask: usize,
    len: usize,
    /// When there are more entries, another part is due.
    most: usize,
    /// What the small tables take, in bytes.
    allocated: usize,
}

impl<T> SteadyTable<T> {
    /// An empty table, without memory but for a list of one.
    pub(crate) fn new() -> SteadyTable<T> {
        SteadyTable { parts: vec![HashTable::new()], mask: 0, len: 0, most: MEAN, allocated: 0 }
    }

    /// Entries.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Memory that it takes, in bytes.
    pub(crate) fn allocation_bytes(&self) -> usize {
        // A list of one is part of whoever holds the table.
        self.allocated + size_of::<HashTable<T>>() * (self.parts.capacity() - 1)
    }

    #[inline]
    fn part_of(&self, hash: u64) -> usize {
        let at = (hash >> 32) as usize & self.mask;
        if at < self.parts.len() { at } else { at & (self.mask >> 1) }
    }

    /// The entry of this hash that `same` accepts.
    #[inline]
    pub(crate) fn find(&self, hash: u64, same: impl FnMut(&T) -> bool) -> Option<&T> {
        self.parts[self.part_of(hash)].find(hash, same)
    }

    /// The entries that may have this hash.
    pub(crate) fn with_hash(&self, hash: u64) -> impl Iterator<Item = &T> {
        self.parts[self.part_of(hash)].iter_hash(hash)
    }

    /// As [`SteadyTable::find`]; what is done to the entry may not change its hash.
    #[inline]
    pub(crate) fn find_mut(&mut self, hash: u64, same: impl FnMut(&T) -> bool) -> Option<&mut T> {
        let part = self.part_of(hash);
        self.parts[part].find_mut(hash, same)
    }

    /// Inserts an entry that is not there; `hash_of` is asked about those that have to move.
    #[inline]
    pub(crate) fn insert_unique(&mut self, hash: u64, entry: T, hash_of: impl Fn(&T) -> u64) {
        let at = self.part_of(hash);
        let part = &mut self.parts[at];
        if part.len() < part.capacity() {
            part.insert_unique(hash, entry, &hash_of);
        } else {
            // It grows, or at least clears up.
            self.allocated -= part.allocation_size();
            part.insert_unique(hash, entry, &hash_of);
            self.allocated += part.allocation_size();
        }
        self.len += 1;
        if self.len > self.most {
            self.cut(hash_of);
        }
    }

    /// Removes the entry of this hash that `same` accepts.
    pub(crate) fn remove(
        &mut self,
        hash: u64,
        same: impl FnMut(&T) -> bool,
        hash_of: impl Fn(&T) -> u64,
    ) -> Option<T> {
        let at = self.part_of(hash);
        let (entry, _) = self.parts[at].find_entry(hash, same).ok()?.remove();
        self.len -= 1;
        if self.len < (self.parts.len() - 1) * FEW || self.len == 0 {
            self.join(hash_of);
        }
        Some(entry)
    }

    /// Removes what `stays` does not accept; takes as long as there are entries.
    pub(crate) fn retain(&mut self, mut stays: impl FnMut(&mut T) -> bool) {
        self.parts.iter_mut().for_each(|part| part.retain(&mut stays));
        self.len = self.parts.iter().map(HashTable::len).sum();
    }

    /// All entries, in no order; memory goes as they do.
    pub(crate) fn into_entries(self) -> Entries<T> {
        self.parts.into_iter().flatten()
    }

    /// All entries, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.parts.iter().flatten()
    }

    /// The part that gives entries to part `at`, and takes them back.
    fn origin_of(at: usize) -> usize {
        at & (((at + 1).next_power_of_two() - 1) >> 1)
    }

    fn count_parts(&mut self, parts: usize) {
        self.mask = parts.next_power_of_two() - 1;
        self.most = parts * MEAN;
    }

    /// Cuts the next part in two.
    #[cold]
    fn cut(&mut self, hash_of: impl Fn(&T) -> u64) {
        let (origin, added) = (Self::origin_of(self.parts.len()), self.parts.len());
        self.count_parts(added + 1);
        self.parts.push(HashTable::new());
        let old = std::mem::take(&mut self.parts[origin]);
        self.allocated -= old.allocation_size();
        let half = old.len() / 2 + old.len() / 64;
        let (mut low, mut high) = (HashTable::with_capacity(half), HashTable::with_capacity(half));
        for entry in old {
            let hash = hash_of(&entry);
            let to = if self.part_of(hash) == added { &mut high } else { &mut low };
            to.insert_unique(hash, entry, &hash_of);
        }
        self.allocated += low.allocation_size() + high.allocation_size();
        (self.parts[origin], self.parts[added]) = (low, high);
    }

    /// Joins the last part with the one that it came from.
    #[cold]
    fn join(&mut self, hash_of: impl Fn(&T) -> u64) {
        if self.len == 0 {
            *self = SteadyTable::new();
            return;
        }
        let Some(last) = self.parts.pop() else { return };
        let parts = self.parts.len();
        self.count_parts(parts);
        if self.parts.capacity() > 4 * parts {
            self.parts.shrink_to(2 * parts);
        }
        let origin = &mut self.parts[Self::origin_of(parts)];
        self.allocated -= last.allocation_size() + origin.allocation_size();
        for entry in last {
            origin.insert_unique(hash_of(&entry), entry, &hash_of);
        }
        origin.shrink_to(MEAN, &hash_of);
        self.allocated += origin.allocation_size();
    }
}

#[cfg(test)]
mod tests;
