//! Decompressed blocks within a byte budget, replaced by the CLOCK rule with a small use count, so that a scan
//! does not push out what is asked for again and again. One cache per shard: no lock. Memory is taken as blocks
//! come in, and what the cache itself needs is part of the budget. No call does more than a bounded piece of work,
//! however many blocks there are; what is left over is done by [`Cache::tend`]. Does not read and does not know what
//! blocks mean.

use crate::steady::SteadyTable;
use bytes::Bytes;
use std::collections::VecDeque;

/// What a block's allocation costs beside its bytes, in bytes: its reference count, and what the allocator adds.
const BLOCK_OVERHEAD_BYTES: usize = 64;
/// Passes of the hand that a much used block survives.
const MAX_USES: u8 = 3;
/// Blocks among which one that falls out is looked for.
const CANDIDATES: usize = 64;
/// Blocks that fall out in one call.
const EVICTED_AT_ONCE: usize = 1_024;
/// Blocks that are looked at in one call for whether their table is gone.
const SWEPT_AT_ONCE: usize = 256;
/// Blocks in a piece of the list: growing moves no more than these.
const PIECE: usize = 1_024;

/// A cache.
pub struct Cache {
    budget_bytes: usize,
    /// Of the blocks with their allocations.
    block_bytes: usize,
    places: SteadyTable<u32>,
    blocks: Blocks,
    /// The CLOCK's: the last block that it looked at.
    hand: usize,
    /// Tables that are gone, a merge's at a time.
    sweeps: VecDeque<Sweep>,
}

/// Tables whose blocks are being forgotten.
struct Sweep {
    tables: Vec<u64>,
    /// Blocks from this place on are none of theirs. Downwards, since a place that becomes free is filled from the end.
    from: usize,
}

struct Cached {
    table: u64,
    block: u32,
    uses: u8,
    bytes: Bytes,
}

impl Cached {
    fn hash(&self) -> u64 {
        hash(self.table, self.block)
    }
}

/// A list without gaps, in pieces.
struct Blocks {
    pieces: Vec<Vec<Cached>>,
    len: usize,
}

impl Blocks {
    fn allocation_bytes(&self) -> usize {
        let last = self.pieces.last().map_or(0, Vec::capacity);
        let whole = self.pieces.len().saturating_sub(1) * PIECE;
        size_of::<Cached>() * (whole + last) + size_of::<Vec<Cached>>() * self.pieces.capacity()
    }

    #[inline]
    fn get(&self, at: usize) -> &Cached {
        &self.pieces[at / PIECE][at % PIECE]
    }

    #[inline]
    fn get_mut(&mut self, at: usize) -> &mut Cached {
        &mut self.pieces[at / PIECE][at % PIECE]
    }

    fn push(&mut self, cached: Cached) {
        match self.pieces.last_mut() {
            Some(last) if last.len() < PIECE => {
                if last.len() == last.capacity() {
                    last.reserve_exact(last.len().clamp(4, PIECE - last.len()));
                }
                last.push(cached);
            }
            first => {
                let mut piece = if first.is_some() { Vec::with_capacity(PIECE) } else { Vec::new() };
                piece.push(cached);
                self.pieces.push(piece);
            }
        }
        self.len += 1;
    }

    /// Removes the last one.
    fn pop(&mut self) -> Option<Cached> {
        let piece = self.pieces.last_mut()?;
        let last = piece.pop();
        if piece.is_empty() {
            self.pieces.pop();
            if self.pieces.is_empty() {
                self.pieces = Vec::new();
            }
        }
        self.len -= usize::from(last.is_some());
        last
    }
}

impl Cache {
    /// An empty cache of at most this many bytes.
    pub fn new(budget_bytes: usize) -> Cache {
        Cache {
            budget_bytes,
            block_bytes: 0,
            places: SteadyTable::new(),
            blocks: Blocks { pieces: Vec::new(), len: 0 },
            hand: 0,
            sweeps: VecDeque::new(),
        }
    }

    /// Bytes that it takes: blocks, and what it needs to find them.
    pub fn used_bytes(&self) -> usize {
        self.block_bytes + self.blocks.allocation_bytes() + self.places.allocation_bytes()
    }

    /// The most that it may take, in bytes.
    pub fn budget_bytes(&self) -> usize {
        self.budget_bytes
    }

    /// Changes the budget. What is too much falls out at once if it is not much, and else as [`Cache::tend`] is called.
    pub fn set_budget(&mut self, budget_bytes: usize) {
        self.budget_bytes = budget_bytes;
        self.make_room(0);
    }

    /// The block of this number of the table of this name.
    #[inline]
    pub fn get(&mut self, table: u64, block: u32) -> Option<&Bytes> {
        let blocks = &self.blocks;
        let same = |&at: &u32| {
            let cached = blocks.get(at as usize);
            cached.table == table && cached.block == block
        };
        let at = *self.places.find(hash(table, block), same)?;
        let found = self.blocks.get_mut(at as usize);
        found.uses = (found.uses + 1).min(MAX_USES);
        Some(&found.bytes)
    }

    /// Takes a block in, if it is not larger than an eighth of the budget and not there already.
    pub fn insert(&mut self, table: u64, block: u32, bytes: Bytes) {
        let cost = bytes.len() + BLOCK_OVERHEAD_BYTES;
        if cost > self.budget_bytes / 8 || self.get(table, block).is_some() || !self.make_room(cost) {
            return;
        }
        self.block_bytes += cost;
        let at = self.blocks.len as u32;
        self.blocks.push(Cached { table, block, uses: 0, bytes });
        let blocks = &self.blocks;
        self.places.insert_unique(hash(table, block), at, |&at| blocks.get(at as usize).hash());
        // Its lists may have grown.
        self.make_room(0);
    }

    /// Forgets the blocks of tables that are gone, as [`Cache::tend`] is called.
    pub fn purge(&mut self, tables: Vec<u64>) {
        self.sweeps.push_back(Sweep { tables, from: self.blocks.len });
    }

    /// Goes on with what was left over. To be called now and then.
    #[inline]
    pub fn tend(&mut self) {
        if !self.sweeps.is_empty() {
            self.sweep();
        }
        if self.used_bytes() > self.budget_bytes {
            self.make_room(0);
        }
    }

    fn sweep(&mut self) {
        let Some(Sweep { tables, from }) = self.sweeps.pop_front() else { return };
        let from = from.min(self.blocks.len);
        let to = from.saturating_sub(SWEPT_AT_ONCE);
        for at in (to..from).rev() {
            if tables.contains(&self.blocks.get(at).table) {
                self.remove(at);
            }
        }
        if to > 0 {
            self.sweeps.push_front(Sweep { tables, from: to });
        }
    }

    /// Has blocks fall out until this much is free; false if that would be too many at once.
    fn make_room(&mut self, cost: usize) -> bool {
        for _ in 0..EVICTED_AT_ONCE {
            if self.used_bytes() + cost <= self.budget_bytes || self.blocks.len == 0 {
                return true;
            }
            self.evict_one();
        }
        self.used_bytes() + cost <= self.budget_bytes
    }

    /// Moves the hand until a block falls out: the first that was not used for some rounds, or the one that was used
    /// least of those it came by.
    fn evict_one(&mut self) {
        let mut least = (u8::MAX, 0);
        for _ in 0..CANDIDATES.min(self.blocks.len) {
            self.hand = if self.hand + 1 < self.blocks.len { self.hand + 1 } else { 0 };
            let candidate = self.blocks.get_mut(self.hand);
            least = least.min((candidate.uses, self.hand));
            if candidate.uses == 0 {
                break;
            }
            candidate.uses -= 1;
        }
        self.remove(least.1);
    }

    /// Removes a block, whose place the last one takes.
    fn remove(&mut self, at: usize) {
        let blocks = &self.blocks;
        let hash_of = |&at: &u32| blocks.get(at as usize).hash();
        self.places.remove(blocks.get(at).hash(), |&other| other as usize == at, hash_of);
        let end = blocks.len - 1;
        if at < end {
            let last = self.places.find_mut(blocks.get(end).hash(), |&other| other as usize == end);
            *last.expect("every block has its place") = at as u32;
        }
        let Some(mut gone) = self.blocks.pop() else { return };
        if at < end {
            std::mem::swap(self.blocks.get_mut(at), &mut gone);
        }
        self.block_bytes -= gone.bytes.len() + BLOCK_OVERHEAD_BYTES;
    }
}

#[inline]
fn hash(table: u64, block: u32) -> u64 {
    let mixed = (table ^ u64::from(block).rotate_left(40)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93)
}

#[cfg(test)]
mod tests;
