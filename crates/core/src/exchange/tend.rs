//! Keeps the trees of the own slots right: what a write does to them, and one slot at a time read through and counted
//! anew. A slot whose sums are not known, or whose leaves have become too full or too empty, comes first; otherwise
//! one after the other, slowly, so that bit rot and bugs come to light.
//!
//! A count is exact although writes go on: it is the sums of the pages that were read, each as it was when it was asked
//! for, and of the changes of those keys since. It answers no peer.

use crate::{
    limits::{TEND_AGAIN_MS, TEND_BYTES, TEND_PAUSE_MS, TEND_RECORDS, TEND_WAITING},
    outbox::Event,
    shard::{Context, Shard},
    slot::Slot,
    storage::{JobId, LoadError, Mutation, Page, PageEnd, PageLimit, Storage},
    tree::{self, Deltas, Item, Sum, Sums},
    version::Record,
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use bytes::Bytes;

/// A change of a key that the page under way may or may not show.
#[derive(Debug)]
struct Change {
    key: Bytes,
    live: i8,
    deltas: Deltas,
}

/// A slot that is being read through.
#[derive(Debug)]
struct Count {
    slot: Slot,
    job: JobId,
    depth: u8,
    /// Up to here keys are counted.
    after: Option<Bytes>,
    sums: Sums,
    live: i64,
    /// Changes behind `after` since the page under way was asked for.
    pending: Vec<Change>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Tending {
    count: Option<Count>,
    due: BTreeSet<Slot>,
    /// The slot that was looked at last, in its turn.
    last: u16,
    next_ms: u64,
    /// Slots that cannot be read, and when to try again.
    unreadable: BTreeMap<Slot, u64>,
    /// What is counted is waited for: no pause behind it.
    urgent: bool,
    /// Slots counted so far.
    counted: u64,
    /// Of these, slots whose sums were wrong.
    repaired: u64,
}

impl Tending {
    /// Slots read through so far, and how many of them had wrong sums.
    pub(crate) fn figures(&self) -> (u64, u64) {
        (self.counted, self.repaired)
    }

    /// What is stored of a slot goes: a count of it would be of what is gone.
    pub(crate) fn drop_count(&mut self, slot: Slot) {
        self.count.take_if(|count| count.slot == slot);
        self.due.remove(&slot);
    }

    /// Slots that wait to be counted before all others.
    pub(crate) fn waiting(&self) -> usize {
        self.due.len()
    }
}

impl Shard {
    /// What the change of a record does to the sums of its slot; a count that is under way learns it too.
    pub(crate) fn tree_changed<S: Storage>(
        &mut self,
        slot: Slot,
        key: &[u8],
        live: i8,
        old: Item,
        new: Item,
        cx: &Context<'_, S>,
    ) -> Deltas {
        if slot.keeps_hints() {
            return Deltas::new();
        }
        let hash = tree::key_hash(&self.layout.spec().digest_key, key);
        let Some(depth) = cx.store.tree_depth(slot) else {
            self.count_change(slot, key, live, old, new, hash);
            return Deltas::new();
        };
        if live != 0 {
            let keys = cx.store.live(slot).saturating_add_signed(i64::from(live));
            if tree::depth_for(keys, depth) != depth && self.tending.due.len() < TEND_WAITING {
                self.tending.due.insert(slot);
            }
        }
        self.count_change(slot, key, live, old, new, hash);
        tree::delta(old, new, hash, depth)
    }

    fn count_change(&mut self, slot: Slot, key: &[u8], live: i8, old: Item, new: Item, hash: u64) {
        let Some(count) = self.tending.count.as_mut().filter(|count| count.slot == slot) else { return };
        let deltas = tree::delta(old, new, hash, count.depth);
        if count.after.as_ref().is_some_and(|after| key <= &after[..]) {
            deltas.into_iter().for_each(|delta| count.sums.add(delta));
            count.live += i64::from(live);
        } else if count.pending.len() < TEND_WAITING {
            count.pending.push(Change { key: Bytes::copy_from_slice(key), live, deltas });
        } else {
            // More changes than reading: later.
            self.tending.count = None;
            self.tending.due.insert(slot);
        }
    }

    /// Time passed: begins a count if one is due.
    pub(crate) fn tend<S: Storage>(&mut self, cx: &mut Context<'_, S>) {
        if self.tending.count.is_some() || cx.now.mono_ms < self.tending.next_ms {
            return;
        }
        let busy = self.is_busy();
        let Some(slot) = self.slot_to_count(busy, cx) else {
            self.tending.next_ms = cx.now.mono_ms + TEND_PAUSE_MS;
            return;
        };
        let depth = tree::depth_for(cx.store.live(slot), cx.store.tree_depth(slot).unwrap_or(0));
        let mut count = Count {
            slot,
            job: JobId(0),
            depth,
            after: None,
            sums: Sums::default(),
            live: 0,
            pending: Vec::new(),
        };
        count.ask(cx);
        self.tending.count = Some(count);
    }

    fn slot_to_count<S: Storage>(&mut self, busy: bool, cx: &Context<'_, S>) -> Option<Slot> {
        self.tending.urgent = true;
        if let Some(slot) = self.tending.due.pop_first()
            && !self.fills.holds(slot)
        {
            return Some(slot);
        }
        // In its turn; one that is not known does not wait for quiet times.
        let shards = self.config.shards;
        let after = self.tending.last;
        let own = |slot: &Slot| slot.cell() % shards == self.config.shard && !self.fills.holds(*slot);
        self.tending.unreadable.retain(|_, until_ms| cx.now.mono_ms < *until_ms);
        let unreadable = &self.tending.unreadable;
        let unknown = Slot::all()
            .filter(own)
            .find(|&slot| cx.store.tree_depth(slot).is_none() && !unreadable.contains_key(&slot));
        if unknown.is_some() || busy {
            return unknown;
        }
        self.tending.urgent = false;
        let owned = |slot: &Slot| own(slot) && cx.store.sums(*slot).is_some_and(|sums| !sums.is_empty());
        let next = Slot::all().filter(owned).find(|slot| slot.number() > after);
        let slot = next.or_else(|| Slot::all().find(owned))?;
        self.tending.last = slot.number();
        Some(slot)
    }

    /// A page of the count came; whether it was one.
    pub(crate) fn counted_page<S: Storage>(&mut self, page: &Page, cx: &mut Context<'_, S>) -> bool {
        let Some(mut count) = self.tending.count.take_if(|count| count.job == page.job) else { return false };
        count.take(self, page);
        match page.result {
            Ok(PageEnd::More) => {
                count.ask(cx);
                self.tending.count = Some(count);
            }
            Ok(PageEnd::Done) => self.count_done(count, cx),
            Err(LoadError::Damaged | LoadError::Io) => {
                self.tending.unreadable.insert(count.slot, cx.now.mono_ms + TEND_AGAIN_MS);
                self.tending.next_ms = cx.now.mono_ms + TEND_PAUSE_MS;
            }
        }
        true
    }

    fn count_done<S: Storage>(&mut self, count: Count, cx: &mut Context<'_, S>) {
        self.tending.counted += 1;
        self.tending.next_ms = cx.now.mono_ms + TEND_PAUSE_MS;
        let (slot, live) = (count.slot, count.live.max(0) as u64);
        let known = cx.store.sums(slot);
        if self.tending.urgent {
            self.tending.next_ms = cx.now.mono_ms;
        }
        let right = known.is_some_and(|sums| sums == count.sums.list()) && cx.store.live(slot) == live;
        if right || cx.store.admits().is_err() {
            return;
        }
        if known
            .is_some_and(|sums| !tree::differing(sums, count.sums.list(), crate::hlc::Hlc::ZERO).is_empty())
        {
            self.tending.repaired += 1;
            cx.out.events.push(Event::TreeRepaired);
        }
        cx.store.apply(slot, &[Mutation::Tree { live, sums: count.sums.list() }]);
    }
}

impl Count {
    fn ask<S: Storage>(&mut self, cx: &mut Context<'_, S>) {
        let limit = PageLimit { records: TEND_RECORDS, bytes: TEND_BYTES };
        self.job = cx.store.readable_page(self.slot, self.after.clone(), limit);
    }

    fn take(&mut self, shard: &Shard, page: &Page) {
        for (key, record) in &page.records {
            let record = Record::decode(record.clone()).unwrap_or_default();
            let item = shard.item(self.slot, key, &record);
            let hash = tree::key_hash(&shard.layout.spec().digest_key, key);
            let deltas: Deltas = tree::delta(Item::default(), item, hash, self.depth);
            deltas.into_iter().for_each(|delta: Sum| self.sums.add(delta));
            self.live += i64::from(!record.versions.is_empty());
        }
        if let Some((last, _)) = page.records.last() {
            self.after = Some(last.clone());
        }
        let all = page.result == Ok(PageEnd::Done);
        for change in core::mem::take(&mut self.pending) {
            // The next page shows what lies behind.
            if all || self.after.as_ref().is_some_and(|after| change.key <= *after) {
                change.deltas.into_iter().for_each(|delta| self.sums.add(delta));
                self.live += i64::from(change.live);
            }
        }
    }
}
