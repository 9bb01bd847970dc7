//! Decompressed blocks within a byte budget, replaced by the CLOCK rule with a small use count, so that a scan
//! does not push out what is asked for again and again. One cache per shard: no lock. Memory is taken as blocks
//! come in. Does not read and does not know what blocks mean.

use bytes::Bytes;
use hashbrown::HashTable;

/// What a block costs beside its bytes, in bytes.
const OVERHEAD_BYTES: usize = 96;
/// Passes of the hand that a much used block survives.
const MAX_USES: u8 = 3;

/// A cache.
pub struct Cache {
    budget_bytes: usize,
    used_bytes: usize,
    places: HashTable<u32>,
    blocks: Vec<Cached>,
    free: Vec<u32>,
    hand: usize,
}

struct Cached {
    table: u64,
    block: u32,
    uses: u8,
    bytes: Option<Bytes>,
}

impl Cache {
    /// An empty cache of at most this many bytes.
    pub fn new(budget_bytes: usize) -> Cache {
        Cache {
            budget_bytes,
            used_bytes: 0,
            places: HashTable::new(),
            blocks: Vec::new(),
            free: Vec::new(),
            hand: 0,
        }
    }

    /// Bytes that it takes.
    pub fn used_bytes(&self) -> usize {
        self.used_bytes
    }

    /// The block of this number of the table of this name.
    #[inline]
    pub fn get(&mut self, table: u64, block: u32) -> Option<&Bytes> {
        let blocks = &self.blocks;
        let same = |&at: &u32| blocks[at as usize].table == table && blocks[at as usize].block == block;
        let at = *self.places.find(hash(table, block), same)?;
        let found = &mut self.blocks[at as usize];
        found.uses = (found.uses + 1).min(MAX_USES);
        found.bytes.as_ref()
    }

    /// Takes a block in, if it is not larger than an eighth of the budget and not there already.
    pub fn insert(&mut self, table: u64, block: u32, bytes: Bytes) {
        let cost = bytes.len() + OVERHEAD_BYTES;
        if cost > self.budget_bytes / 8 || self.get(table, block).is_some() {
            return;
        }
        while self.used_bytes + cost > self.budget_bytes {
            self.evict_one();
        }
        self.used_bytes += cost;
        let cached = Cached { table, block, uses: 0, bytes: Some(bytes) };
        let at = match self.free.pop() {
            Some(at) => {
                self.blocks[at as usize] = cached;
                at
            }
            None => {
                self.blocks.push(cached);
                (self.blocks.len() - 1) as u32
            }
        };
        let blocks = &self.blocks;
        let rehash = |&at: &u32| hash(blocks[at as usize].table, blocks[at as usize].block);
        self.places.insert_unique(hash(table, block), at, rehash);
    }

    /// Forgets all blocks of tables that are gone.
    pub fn purge(&mut self, gone: impl Fn(u64) -> bool) {
        for at in 0..self.blocks.len() {
            if self.blocks[at].bytes.is_some() && gone(self.blocks[at].table) {
                self.remove(at);
            }
        }
    }

    /// Moves the hand until a block falls out. There is one: the caller saw bytes in use.
    fn evict_one(&mut self) {
        loop {
            self.hand = if self.hand + 1 < self.blocks.len() { self.hand + 1 } else { 0 };
            let candidate = &mut self.blocks[self.hand];
            if candidate.bytes.is_none() {
                continue;
            }
            if candidate.uses == 0 {
                return self.remove(self.hand);
            }
            candidate.uses -= 1;
        }
    }

    fn remove(&mut self, at: usize) {
        let Cached { table, block, .. } = self.blocks[at];
        if let Ok(place) = self.places.find_entry(hash(table, block), |&other| other as usize == at) {
            place.remove();
        }
        if let Some(bytes) = self.blocks[at].bytes.take() {
            self.used_bytes -= bytes.len() + OVERHEAD_BYTES;
        }
        self.free.push(at as u32);
    }
}

#[inline]
fn hash(table: u64, block: u32) -> u64 {
    let mixed = (table ^ u64::from(block).rotate_left(40)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_within_its_budget_and_keeps_what_is_used() {
        let mut cache = Cache::new(100_000);
        let block = |byte| Bytes::from(vec![byte; 1000]);
        cache.insert(1, 0, block(7));
        for number in 1..2000 {
            assert_eq!(cache.get(1, 0), Some(&block(7)), "the hot block stays");
            cache.insert(2, number, block(1));
            assert!(cache.used_bytes() <= 100_000);
        }
        assert_eq!(cache.get(2, 1), None);
        assert_eq!(cache.get(2, 1999), Some(&block(1)));
        cache.purge(|table| table == 2);
        assert_eq!(cache.get(2, 1999), None);
        assert_eq!(cache.used_bytes(), 1000 + OVERHEAD_BYTES);
        cache.insert(3, 0, Bytes::from(vec![0; 50_000]));
        assert_eq!(cache.get(3, 0), None, "too large to be taken in");
    }
}
