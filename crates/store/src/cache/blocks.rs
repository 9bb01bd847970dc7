//! Decompressed blocks, replaced by the CLOCK rule with a small use count, so that what is asked for once does not push
//! out what is asked for again and again. Takes what it is given: the budget is the cache's. No call does more than a
//! bounded piece of work, however many blocks there are. Does not read and does not know what blocks mean.

use super::pieces::Pieces;
use crate::steady::SteadyTable;
use bytes::Bytes;
use std::collections::VecDeque;

/// What a block's allocation costs beside its bytes, in bytes: its reference count, and what the allocator adds.
pub(super) const BLOCK_OVERHEAD_BYTES: usize = 64;
/// Passes of the hand that a much used block survives.
pub(super) const MAX_USES: u8 = 3;
/// Blocks among which one that falls out is looked for.
pub(super) const CANDIDATES: usize = 64;
/// Blocks among which an unused one is looked for before something else than a block falls out.
const FEW_CANDIDATES: usize = 8;
/// Blocks that are looked at in one call for whether their table is gone.
pub(super) const SWEPT_AT_ONCE: usize = 256;

/// See the module.
pub(super) struct Blocks {
    /// Of the blocks with their allocations.
    pub(super) block_bytes: usize,
    places: SteadyTable<u32>,
    pub(super) list: Pieces<Cached>,
    /// The CLOCK's: the last block that it looked at.
    hand: usize,
    /// Tables that are gone, a merge's at a time.
    pub(super) sweeps: VecDeque<Sweep>,
}

/// Tables whose blocks are being forgotten.
pub(super) struct Sweep {
    tables: Vec<u64>,
    /// Blocks from this place on are none of theirs. Downwards, since a place that becomes free is filled from the end.
    from: usize,
}

pub(super) struct Cached {
    table: u64,
    block: u32,
    pub(super) uses: u8,
    bytes: Bytes,
}

impl Cached {
    fn hash(&self) -> u64 {
        hash(self.table, self.block)
    }
}

impl Blocks {
    pub(super) fn new() -> Blocks {
        Blocks {
            block_bytes: 0,
            places: SteadyTable::new(),
            list: Pieces::new(),
            hand: 0,
            sweeps: VecDeque::new(),
        }
    }

    /// Bytes that it takes: blocks, and what it needs to find them.
    pub(super) fn used_bytes(&self) -> usize {
        self.block_bytes + self.list.allocation_bytes() + self.places.allocation_bytes()
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.list.len() == 0
    }

    /// The block of this number of the table of this name.
    #[inline]
    pub(super) fn get(&mut self, table: u64, block: u32) -> Option<&Bytes> {
        let list = &self.list;
        let same = |&at: &u32| {
            let cached = list.get(at as usize);
            cached.table == table && cached.block == block
        };
        let at = *self.places.find(hash(table, block), same)?;
        let found = self.list.get_mut(at as usize);
        found.uses = (found.uses + 1).min(MAX_USES);
        Some(&found.bytes)
    }

    /// Takes in a block that is not there.
    pub(super) fn insert(&mut self, table: u64, block: u32, bytes: Bytes) {
        self.block_bytes += bytes.len() + BLOCK_OVERHEAD_BYTES;
        let at = self.list.len() as u32;
        self.list.push(Cached { table, block, uses: 0, bytes });
        let list = &self.list;
        self.places.insert_unique(hash(table, block), at, |&at| list.get(at as usize).hash());
    }

    /// Forgets the blocks of tables that are gone, as [`Blocks::sweep`] is called.
    pub(super) fn purge(&mut self, tables: Vec<u64>) {
        self.sweeps.push_back(Sweep { tables, from: self.list.len() });
    }

    /// Looks at some blocks for whether their table is gone.
    pub(super) fn sweep(&mut self) {
        let Some(Sweep { tables, from }) = self.sweeps.pop_front() else { return };
        let from = from.min(self.list.len());
        let to = from.saturating_sub(SWEPT_AT_ONCE);
        for at in (to..from).rev() {
            if tables.contains(&self.list.get(at).table) {
                self.remove(at);
            }
        }
        if to > 0 {
            self.sweeps.push_front(Sweep { tables, from: to });
        }
    }

    /// Moves the hand a little; a block that was not used for some rounds falls out. False if there was none.
    pub(super) fn evict_unused(&mut self) -> bool {
        for _ in 0..FEW_CANDIDATES.min(self.list.len()) {
            if self.next_uses() == 0 {
                self.remove(self.hand);
                return true;
            }
        }
        false
    }

    /// Moves the hand until a block falls out: the first that was not used for some rounds, or the one that was used
    /// least of those it came by. There must be one.
    pub(super) fn evict_one(&mut self) {
        let mut least = (u8::MAX, 0);
        for _ in 0..CANDIDATES.min(self.list.len()) {
            let uses = self.next_uses();
            least = least.min((uses, self.hand));
            if uses == 0 {
                break;
            }
        }
        self.remove(least.1);
    }

    /// Moves the hand to the next block and answers how often it was used, which counts one less from now on.
    fn next_uses(&mut self) -> u8 {
        self.hand = if self.hand + 1 < self.list.len() { self.hand + 1 } else { 0 };
        let candidate = self.list.get_mut(self.hand);
        let uses = candidate.uses;
        candidate.uses = uses.saturating_sub(1);
        uses
    }

    /// Removes a block, whose place the last one takes.
    fn remove(&mut self, at: usize) {
        let list = &self.list;
        let hash_of = |&at: &u32| list.get(at as usize).hash();
        self.places.remove(list.get(at).hash(), |&other| other as usize == at, hash_of);
        let end = list.len() - 1;
        if at < end {
            let last = self.places.find_mut(list.get(end).hash(), |&other| other as usize == end);
            *last.expect("every block has its place") = at as u32;
        }
        let Some(mut gone) = self.list.pop() else { return };
        if at < end {
            std::mem::swap(self.list.get_mut(at), &mut gone);
        }
        self.block_bytes -= gone.bytes.len() + BLOCK_OVERHEAD_BYTES;
    }
}

#[inline]
pub(super) fn hash(table: u64, block: u32) -> u64 {
    let mixed = (table ^ u64::from(block).rotate_left(40)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93)
}
