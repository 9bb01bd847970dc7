//! Giving a slot to an owner that is filled: a complete owner its records, stamped with the lines under which they are read;
//! one that is filled itself its buffer. It remembers nothing of who asks between two pages.

use super::work::Phase;
use crate::{
    exchange::{Exchange, Lines},
    ids::MemberNumber,
    limits::{EXCHANGE_BYTES, FILL_RECORDS, FILL_SERVED},
    message::{Body, Stamp},
    shard::{Context, Shard},
    slot::Slot,
    storage::{JobId, LoadError, Page, PageEnd, PageLimit, Storage},
};
use alloc::collections::BTreeMap;
use bytes::Bytes;

/// A page on its way.
#[derive(Debug)]
struct Serving {
    to: MemberNumber,
    session: u64,
    slot: Slot,
    /// The lines before it was asked for; `None`: of the buffer.
    stamp: Option<Stamp>,
}

/// What is being given.
#[derive(Debug, Default)]
pub(crate) struct Served {
    pages: BTreeMap<JobId, Serving>,
}

impl Served {
    /// A new layout: what was asked under the old one is answered by nobody.
    pub(super) fn forget(&mut self) {
        self.pages.clear();
    }
}

impl Shard {
    /// Another owner wants the slot, behind a key.
    pub(crate) fn fill_asked<S: Storage>(
        &mut self,
        from: MemberNumber,
        slot: Slot,
        session: u64,
        lines: Lines,
        after: Option<Bytes>,
        cx: &mut Context<'_, S>,
    ) {
        if self.fill_serving.pages.len() >= FILL_SERVED {
            return self.answer_fill(from, slot, Exchange::Busy { session }, cx);
        }
        let limit = PageLimit { records: FILL_RECORDS, bytes: EXCHANGE_BYTES };
        let (place, stamp) = if self.is_complete(slot, cx.store) {
            // First the lines, then the reading.
            self.raise_lines(slot, lines, cx);
            (slot, Some(self.stamp(slot, cx.store)))
        } else {
            let phase = self.fills.slots.get(&slot).map(|work| &work.phase);
            if !matches!(phase, Some(Phase::Filling(_) | Phase::Absorbing(_))) {
                return self.answer_fill(from, slot, Exchange::Incomplete { session }, cx);
            }
            (slot.hints(), None)
        };
        let job = cx.store.page(place, after, limit);
        self.fill_serving.pages.insert(job, Serving { to: from, session, slot, stamp });
    }

    fn answer_fill<S: Storage>(
        &mut self,
        to: MemberNumber,
        slot: Slot,
        answer: Exchange,
        cx: &mut Context<'_, S>,
    ) {
        self.send(to, Some(slot), 0, Body::Exchange(answer), cx);
    }

    /// A page for somebody who is filled; whether it was one.
    pub(crate) fn fill_served<S: Storage>(&mut self, page: &Page, cx: &mut Context<'_, S>) -> bool {
        let Some(serving) = self.fill_serving.pages.remove(&page.job) else { return false };
        let Serving { to, session, slot, stamp } = serving;
        let last = page.records.last().map(|(key, _)| key.clone());
        let upto = last.filter(|_| page.result == Ok(PageEnd::More));
        let complete = self.is_complete(slot, cx.store);
        let answer = match (stamp, page.result) {
            (Some(stamp), Ok(_)) if complete => {
                Exchange::Filled { session, stamp, records: page.records.clone(), upto }
            }
            // What lies behind damage in a buffer is lost to everybody.
            (None, Ok(_) | Err(LoadError::Damaged)) => {
                Exchange::Buffered { session, writes: self.buffered_writes(page), upto }
            }
            _ => Exchange::Incomplete { session },
        };
        self.answer_fill(to, slot, answer, cx);
        true
    }
}
