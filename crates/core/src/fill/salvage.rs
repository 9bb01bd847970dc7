//! Telling the others what can be read of a damaged slot, page by page: each live version as the write that it was, in
//! deliveries like those of hints. Known, taken and on disk, or too old: each is an answer that settles a write.
//!
//! How many owners must have answered before the old data goes? One must, or the last copy of an acknowledged write could go
//! with it. All that can be reached should, for what reached the one alone may be the next to be lost. But an owner that
//! is down, or cannot answer because it is damaged itself, does not hold up the slot for ever: it is left out after
//! [`SALVAGE_PATIENCE_MS`], and gets what it lacks from the others.

use super::work::{Next, Phase};
use crate::{
    canary::Canary,
    hints::{Cursor, Progress},
    ids::MemberNumber,
    limits::{DELIVERED_WRITES, DELIVERY_BYTES, SALVAGE_PATIENCE_MS},
    message::{Body, Delivered, OpId},
    shard::{Context, Shard},
    slot::Slot,
    storage::{Page, Storage},
    version::{Record, Write},
};
use alloc::{
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};

/// What an owner said to the batch that is offered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Offer {
    Open,
    Settled,
    Refused,
}

/// How far the slot is read and told.
#[derive(Debug, Default)]
pub(super) struct Salvage {
    cursor: Cursor,
    /// Read and not offered yet.
    queue: VecDeque<Write>,
    /// What is offered.
    batch: Vec<Write>,
    offers: BTreeMap<MemberNumber, Offer>,
    /// Since when the batch is offered, in monotonic milliseconds.
    since_ms: u64,
    reading: bool,
    /// The disk did not answer.
    retry: bool,
    /// All was read.
    read: bool,
}

impl Salvage {
    /// Whoever did not answer is asked again.
    pub(super) fn give_up(&mut self) {
        self.reading = false;
        for offer in self.offers.values_mut().filter(|offer| **offer == Offer::Open) {
            *offer = Offer::Refused;
        }
    }

    /// The next writes to be offered.
    fn fill_batch(&mut self, now_ms: u64) {
        let mut bytes = 0;
        while self.batch.len() < DELIVERED_WRITES && bytes < DELIVERY_BYTES {
            let Some(write) = self.queue.pop_front() else { break };
            bytes += write.key.len() + write.value_bytes();
            self.batch.push(write);
        }
        self.offers.clear();
        self.since_ms = now_ms;
    }
}

impl Shard {
    pub(super) fn salvage_on<S: Storage>(&mut self, slot: Slot, cx: &mut Context<'_, S>) -> Next {
        let now_ms = cx.now.mono_ms;
        let skips = self.config.canary.is(Canary::SalvageSkipped);
        let Some(salvage) = self.salvage(slot) else { return Next::Ended };
        if salvage.batch.is_empty() && !salvage.queue.is_empty() {
            salvage.fill_batch(now_ms);
        }
        if !salvage.batch.is_empty() {
            return self.offer_batch(slot, cx);
        }
        if salvage.read || skips {
            return self.set_phase(slot, Phase::Dropping { lined: false });
        }
        if core::mem::take(&mut salvage.retry) {
            return Next::Rests;
        }
        if !salvage.reading {
            salvage.reading = true;
            let next = salvage.cursor.next();
            self.read_for_fill(slot, slot, next, cx);
        }
        Next::Waits
    }

    fn salvage(&mut self, slot: Slot) -> Option<&mut Salvage> {
        match &mut self.fills.work(slot)?.phase {
            Phase::Salvaging(salvage) => Some(salvage),
            _ => None,
        }
    }

    /// A page of the old data.
    pub(super) fn salvaged_page(&mut self, slot: Slot, page: &Page) {
        let epoch = self.layout.epoch();
        let mut lost = 0;
        let Some(salvage) = self.salvage(slot) else { return };
        salvage.reading = false;
        let (records, progress) = salvage.cursor.read(page);
        for (key, record) in records {
            let Ok(record) = Record::decode(record.clone()) else {
                lost += 1;
                continue;
            };
            let writes = record.versions.iter().map(|version| Write::again(key, version, epoch));
            for write in writes {
                match write {
                    Some(write) => salvage.queue.push_back(write),
                    None => lost += 1,
                }
            }
        }
        match progress {
            Progress::More => {}
            Progress::Done => salvage.read = true,
            Progress::Retry => salvage.retry = true,
        }
        self.fills.tally.not_offered += lost;
    }

    /// Offers the batch to every owner that can be reached and has not settled it.
    fn offer_batch<S: Storage>(&mut self, slot: Slot, cx: &mut Context<'_, S>) -> Next {
        let owners = self.other_owners(slot);
        let live: Vec<MemberNumber> =
            owners.iter().copied().filter(|&owner| self.liveness.is_live(owner)).collect();
        let now_ms = cx.now.mono_ms;
        let Some(salvage) = self.salvage(slot) else { return Next::Ended };
        let of = |owner: &MemberNumber| salvage.offers.get(owner).copied();
        let open = live.iter().any(|owner| of(owner) == Some(Offer::Open));
        let settled = owners.iter().filter(|owner| of(owner) == Some(Offer::Settled)).count();
        let patient = now_ms < salvage.since_ms + SALVAGE_PATIENCE_MS;
        let lacks: Vec<MemberNumber> =
            owners.iter().copied().filter(|owner| of(owner) != Some(Offer::Settled)).collect();
        let awaited = lacks.iter().any(|owner| live.contains(owner)) && patient;
        if settled > 0 && !awaited {
            self.fills.tally.offered += self.salvage(slot).map_or(0, |salvage| {
                salvage.offers.clear();
                core::mem::take(&mut salvage.batch).len() as u64
            });
            return Next::On;
        }
        let ask: Vec<MemberNumber> =
            lacks.iter().copied().filter(|owner| live.contains(owner) && of(owner).is_none()).collect();
        let writes = salvage.batch.clone();
        for &owner in &ask {
            salvage.offers.insert(owner, Offer::Open);
        }
        let waits = open || !ask.is_empty();
        if !waits {
            // Who has refused is asked again after the rest.
            salvage.offers.retain(|_, offer| *offer != Offer::Refused);
        }
        for &owner in &ask {
            let op = self.name_delivery();
            self.fills.offers.insert(op, (slot, owner));
            self.send(owner, Some(slot), 0, Body::Deliver { op, writes: writes.clone() }, cx);
        }
        if let Some(work) = self.fills.work(slot) {
            work.lacks = lacks;
        }
        if waits { Next::Waits } else { Next::Rests }
    }

    /// An owner answered an offer; whether it was one.
    pub(crate) fn salvage_answered<S: Storage>(
        &mut self,
        from: MemberNumber,
        op: OpId,
        verdicts: &[Delivered],
        cx: &mut Context<'_, S>,
    ) -> bool {
        let Some(&(slot, owner)) = self.fills.offers.get(&op) else { return false };
        if owner != from {
            return true;
        }
        self.fills.offers.remove(&op);
        if let Some(salvage) = self.salvage(slot) {
            let all = verdicts.len() == salvage.batch.len()
                && verdicts.iter().all(|verdict| *verdict == Delivered::Done);
            salvage.offers.insert(from, if all { Offer::Settled } else { Offer::Refused });
        }
        self.fill_moved(slot, cx);
        true
    }

    /// An offer was lost; whether it was one.
    pub(crate) fn salvage_failed<S: Storage>(&mut self, op: OpId, cx: &mut Context<'_, S>) -> bool {
        let Some((slot, owner)) = self.fills.offers.remove(&op) else { return false };
        if let Some(salvage) = self.salvage(slot) {
            salvage.offers.insert(owner, Offer::Refused);
        }
        self.fill_moved(slot, cx);
        true
    }
}
