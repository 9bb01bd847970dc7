//! Decompressed blocks within a byte budget, replaced by the CLOCK rule with a small use count, so that a scan
//! does not push out what is asked for again and again. One cache per shard: no lock. Memory is taken as blocks
//! come in, and what the cache itself needs is part of the budget. Does not read and does not know what blocks mean.

use bytes::Bytes;
use hashbrown::HashTable;

/// What a block's allocation costs beside its bytes, in bytes: its reference count, and what the allocator adds.
const BLOCK_OVERHEAD_BYTES: usize = 64;
/// Passes of the hand that a much used block survives.
const MAX_USES: u8 = 3;

/// A cache.
pub struct Cache {
    budget_bytes: usize,
    /// Of the blocks with their allocations.
    block_bytes: usize,
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
            block_bytes: 0,
            places: HashTable::new(),
            blocks: Vec::new(),
            free: Vec::new(),
            hand: 0,
        }
    }

    /// Bytes that it takes: blocks, and what it needs to find them.
    pub fn used_bytes(&self) -> usize {
        self.block_bytes + self.own_bytes()
    }

    /// The most that it may take, in bytes.
    pub fn budget_bytes(&self) -> usize {
        self.budget_bytes
    }

    fn own_bytes(&self) -> usize {
        let lists = size_of::<Cached>() * self.blocks.capacity() + 4 * self.free.capacity();
        lists + self.places.allocation_size()
    }

    /// Changes the budget; what is too much falls out at once.
    pub fn set_budget(&mut self, budget_bytes: usize) {
        let shrinks = budget_bytes < self.budget_bytes;
        self.budget_bytes = budget_bytes;
        if shrinks {
            // Lists that were made for more may be a large part of what is left.
            while self.used_bytes() > budget_bytes && self.block_bytes > 0 {
                let fits = (budget_bytes / 2).min(self.block_bytes - 1);
                while self.block_bytes > fits.max(budget_bytes.saturating_sub(self.own_bytes())) {
                    self.evict_one();
                }
                self.compact();
            }
            if self.block_bytes == 0 {
                self.compact();
            }
        }
    }

    /// Makes its lists as small as what they hold.
    fn compact(&mut self) {
        self.blocks.retain(|cached| cached.bytes.is_some());
        self.blocks.shrink_to_fit();
        self.free = Vec::new();
        self.hand = 0;
        self.places = HashTable::with_capacity(self.blocks.len());
        let blocks = &self.blocks;
        let rehash = |&at: &u32| hash(blocks[at as usize].table, blocks[at as usize].block);
        for at in 0..blocks.len() as u32 {
            self.places.insert_unique(rehash(&at), at, rehash);
        }
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
        let cost = bytes.len() + BLOCK_OVERHEAD_BYTES;
        if cost > self.budget_bytes / 8 || self.get(table, block).is_some() {
            return;
        }
        self.make_room(cost);
        self.block_bytes += cost;
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
        // Its lists may have grown.
        self.make_room(0);
    }

    /// Forgets all blocks of tables that are gone.
    pub fn purge(&mut self, gone: impl Fn(u64) -> bool) {
        for at in 0..self.blocks.len() {
            if self.blocks[at].bytes.is_some() && gone(self.blocks[at].table) {
                self.remove(at);
            }
        }
    }

    fn make_room(&mut self, cost: usize) {
        while self.used_bytes() + cost > self.budget_bytes && self.block_bytes > 0 {
            self.evict_one();
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
            self.block_bytes -= bytes.len() + BLOCK_OVERHEAD_BYTES;
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
mod tests;
