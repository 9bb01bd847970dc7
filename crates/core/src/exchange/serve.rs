//! The answerer. Roots and sums are answered at once; lists of keys wait for pages, lists of records for lookups. Of those
//! there are a few at a time, and whoever comes then is told so. It remembers nothing of an asker between questions.

use super::{
    ExchangeTask, GROUPS, group,
    message::{Exchange, Lines},
};
use crate::{
    canary::Canary,
    hlc::Hlc,
    ids::MemberNumber,
    limits::{
        EXCHANGE_BYTES, EXCHANGE_KEYS, EXCHANGE_RECORDS, EXCHANGE_SERVED, EXCHANGE_SUMS, ROUND_WATCHED,
        TEND_BYTES, TEND_RECORDS,
    },
    message::{Body, Stamp},
    replica::Task,
    shard::{Context, Shard},
    slot::Slot,
    storage::{JobId, Page, PageEnd, PageLimit, Storage},
    tree,
    version::Record,
};
use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};
use bytes::Bytes;

/// Who asked.
#[derive(Clone, Copy, Debug)]
struct Asker {
    from: MemberNumber,
    session: u64,
    slot: Slot,
}

/// A list of keys on its way.
#[derive(Debug)]
struct Listing {
    asker: Asker,
    names: Vec<u64>,
    /// Nothing may be left out.
    above: Option<Hlc>,
    keys: Vec<(Bytes, u64)>,
    bytes: usize,
    pages: usize,
}

/// A list of records on its way.
#[derive(Debug)]
struct Giving {
    asker: Asker,
    /// The lines before anything was read.
    stamp: Stamp,
    left: usize,
    records: Vec<(Bytes, Bytes)>,
    bytes: usize,
}

/// What is being answered.
#[derive(Debug, Default)]
pub(crate) struct Serving {
    listings: BTreeMap<JobId, Listing>,
    givings: BTreeMap<u64, Giving>,
    lists: u64,
    /// Who fetches all that differs, from which slot, and whether a repair has changed a record of it since its sums
    /// were told. Who is not there any more gets all keys listed.
    watched: BTreeMap<(MemberNumber, u64), (Slot, bool)>,
}

/// Pages after which a list ends, however few keys it has.
const LIST_PAGES: usize = 16;

impl Serving {
    /// A new layout: what was asked under the old one is answered by nobody.
    pub(crate) fn forget(&mut self) {
        self.listings.clear();
        self.givings.clear();
        self.watched.clear();
    }

    fn watch(&mut self, asker: Asker) {
        if self.watched.len() >= ROUND_WATCHED {
            self.watched.pop_first();
        }
        self.watched.insert((asker.from, asker.session), (asker.slot, false));
    }

    /// A record was joined with another owner's.
    pub(crate) fn joined(&mut self, slot: Slot) {
        for (watched, joined) in self.watched.values_mut() {
            *joined |= *watched == slot;
        }
    }

    /// Whether the sums that were told still say where each record of then is, apart from what was written since.
    fn is_unmoved(&self, asker: Asker) -> bool {
        self.watched.get(&(asker.from, asker.session)) == Some(&(asker.slot, false))
    }

    fn is_full(&self) -> bool {
        self.listings.len() + self.givings.len() >= EXCHANGE_SERVED
    }
}

impl Shard {
    /// A question of another owner.
    pub(crate) fn exchange_asked<S: Storage>(
        &mut self,
        from: MemberNumber,
        slot: Slot,
        ask: Exchange,
        cx: &mut Context<'_, S>,
    ) {
        let asker = Asker { from, session: ask.session(), slot };
        let owners = self.layout.owners(slot);
        let both = owners.contains(&self.config.me) && owners.contains(&from);
        let session = asker.session;
        match ask {
            Exchange::Roots { root, .. } => {
                let groups = self.groups(from, slot.cell(), cx);
                let own = groups.iter().fold(0u128, |sum, root| sum.wrapping_add(*root));
                let groups = if own == root { Vec::new() } else { groups };
                self.answer_exchange(asker, Exchange::Groups { session, groups }, cx);
            }
            Exchange::Slots { group: of, .. } => {
                let slots = self.common(slot.cell(), from).filter(|&slot| group(slot) == of);
                let roots = slots.map(|slot| self.root(slot, cx.store)).collect();
                self.answer_exchange(asker, Exchange::SlotRoots { session, group: of, roots }, cx);
            }
            // An owner of the same epoch asks about nothing else.
            _ if !both => {}
            Exchange::Fill { lines, after, .. } => self.fill_asked(from, slot, session, lines, after, cx),
            _ if self.withholds(slot, cx.store) => {
                self.answer_exchange(asker, Exchange::Incomplete { session }, cx);
            }
            Exchange::Sums { lines, watch, .. } => {
                if watch {
                    self.serving.watch(asker);
                }
                self.raise_lines(slot, lines, cx);
                let lines = self.shared_lines(slot, cx.store);
                let sums = cx.store.sums(slot).filter(|sums| sums.len() <= EXCHANGE_SUMS).map(<[_]>::to_vec);
                self.answer_exchange(asker, Exchange::SlotSums { session, lines, sums }, cx);
            }
            _ if self.serving.is_full() => self.answer_exchange(asker, Exchange::Busy { session }, cx),
            Exchange::Keys { names, after, above, .. } => {
                let listing = Listing { asker, names, above, keys: Vec::new(), bytes: 0, pages: 0 };
                self.list_on(listing, after, cx);
            }
            Exchange::Want { lines, keys, .. } => self.give(asker, lines, keys, cx),
            _ => {}
        }
    }

    fn answer_exchange<S: Storage>(&mut self, asker: Asker, answer: Exchange, cx: &mut Context<'_, S>) {
        self.send(asker.from, Some(asker.slot), 0, Body::Exchange(answer), cx);
    }

    /// The sums of the roots of each group of slots of a cell that both own.
    fn groups<S: Storage>(&self, peer: MemberNumber, cell: u16, cx: &Context<'_, S>) -> Vec<u128> {
        let mut groups = alloc::vec![0u128; GROUPS];
        for slot in self.common(cell, peer) {
            let sum = &mut groups[usize::from(group(slot))];
            *sum = sum.wrapping_add(self.root(slot, cx.store));
        }
        groups
    }

    fn list_on<S: Storage>(&mut self, listing: Listing, after: Option<Bytes>, cx: &mut Context<'_, S>) {
        let limit = PageLimit { records: TEND_RECORDS, bytes: TEND_BYTES };
        let job = match listing.above {
            None => cx.store.readable_page(listing.asker.slot, after, limit),
            Some(_) => cx.store.page(listing.asker.slot, after, limit),
        };
        self.serving.listings.insert(job, listing);
    }

    /// A page of a slot that is being listed; whether it was one.
    pub(crate) fn listed_page<S: Storage>(&mut self, page: Page, cx: &mut Context<'_, S>) -> bool {
        let Some(mut listing) = self.serving.listings.remove(&page.job) else { return false };
        listing.pages += 1;
        if self.withholds(listing.asker.slot, cx.store) {
            let asker = listing.asker;
            self.answer_exchange(asker, Exchange::Incomplete { session: asker.session }, cx);
            return true;
        }
        if listing.above.is_some() {
            if page.result.is_err() {
                let asker = listing.asker;
                self.answer_exchange(asker, Exchange::Unreadable { session: asker.session }, cx);
                return true;
            }
            if !self.serving.is_unmoved(listing.asker) {
                listing.names.clear();
            }
        }
        let mut upto = None;
        let more = page.result == Ok(PageEnd::More);
        for (key, record) in page.records {
            if listing.keys.len() >= EXCHANGE_KEYS || listing.bytes >= EXCHANGE_BYTES {
                let asker = listing.asker;
                let answer = Exchange::KeyList { session: asker.session, keys: listing.keys, upto };
                self.answer_exchange(asker, answer, cx);
                return true;
            }
            self.list_key(&mut listing, &key, record);
            upto = Some(key);
        }
        if more && upto.is_some() && listing.pages < LIST_PAGES {
            self.list_on(listing, upto, cx);
            return true;
        }
        // Behind what cannot be read nothing is listed.
        let upto = upto.filter(|_| more);
        let asker = listing.asker;
        let answer = Exchange::KeyList { session: asker.session, keys: listing.keys, upto };
        self.answer_exchange(asker, answer, cx);
        true
    }

    /// Lists a key if it is asked for. Records that do not decode are left out; the engine checks what it stores.
    fn list_key(&self, listing: &mut Listing, key: &Bytes, record: Bytes) {
        let Ok(record) = Record::decode(record) else { return };
        if record.versions.is_empty() && self.config.canary.is(Canary::ExchangeIgnoresTombstones) {
            return;
        }
        let item = self.item(listing.asker.slot, key, &record);
        let hash = tree::key_hash(&self.layout.spec().digest_key, key);
        let later = listing.above.is_some_and(|above| record.hi > above);
        if listing.names.is_empty() || later || tree::holds(&listing.names, item, hash) {
            listing.bytes += key.len() + 9;
            listing.keys.push((key.clone(), (item.digest >> 64) as u64));
        }
    }

    fn give<S: Storage>(&mut self, asker: Asker, lines: Lines, keys: Vec<Bytes>, cx: &mut Context<'_, S>) {
        // First the lines, then the reading.
        self.raise_lines(asker.slot, lines, cx);
        let stamp = self.stamp(asker.slot, cx.store);
        self.serving.lists += 1;
        let list = self.serving.lists;
        let keys: Vec<Bytes> = keys.into_iter().take(EXCHANGE_RECORDS).collect();
        // One more than there are keys, so that the last of them does not end the list before all are asked for.
        let giving = Giving { asker, stamp, left: keys.len() + 1, records: Vec::new(), bytes: 0 };
        self.serving.givings.insert(list, giving);
        for key in keys {
            self.with_record(asker.slot, key, Task::Exchange(Box::new(ExchangeTask::Give { list })), cx);
        }
        self.given(list, None, cx);
    }

    /// A record of a list was read, or cannot be.
    pub(super) fn given<S: Storage>(
        &mut self,
        list: u64,
        record: Option<(Bytes, Bytes)>,
        cx: &mut Context<'_, S>,
    ) {
        let Some(giving) = self.serving.givings.get_mut(&list) else { return };
        giving.left -= 1;
        if let Some((key, record)) = record
            && !record.is_empty()
            && giving.bytes < EXCHANGE_BYTES
        {
            giving.bytes += key.len() + record.len();
            giving.records.push((key, record));
        }
        if giving.left > 0 {
            return;
        }
        let Some(Giving { asker, stamp, records, .. }) = self.serving.givings.remove(&list) else { return };
        let answer = match self.withholds(asker.slot, cx.store) {
            true => Exchange::Incomplete { session: asker.session },
            false => Exchange::Records { session: asker.session, stamp, records },
        };
        self.answer_exchange(asker, answer, cx);
    }
}
