//! Deliveries: an owner that answers again gets what is held for it, slot by slot, within the credit that it grants.
//!
//! Nothing here needs to be remembered: what is delivered goes from the store write by write, so that a walk over what
//! is left goes on where the last one stopped, also after a restart. An answer that never comes only delays.

use super::{
    HintTask,
    bisect::{Cursor, Progress},
    held::Held,
};
use crate::{
    canary::Canary,
    ids::{Dot, MemberNumber},
    limits::{DELIVERED_WRITES, DELIVERY_BYTES, DELIVERY_TIMEOUT_MS, HINT_REST_MS},
    message::{Body, Delivered, OpId},
    shard::{Context, Shard},
    slot::Slot,
    storage::{Page, Storage},
    version::Write,
};
use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    vec::Vec,
};
use bytes::Bytes;

/// Slots that are told of in one tick.
const BEHIND_AT_ONCE: usize = 64;
/// Bytes that may be unanswered before an owner has said how many.
const FIRST_CREDIT_BYTES: usize = 64 * 1024;

/// Who asked for a page of what is held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reader {
    /// Counting at the start.
    Ledger,
    /// The walk for an owner.
    Walk(MemberNumber),
}

/// All walks of a shard.
#[derive(Debug, Default)]
pub(super) struct Replays {
    walks: BTreeMap<MemberNumber, Walk>,
    deliveries: BTreeMap<OpId, Delivery>,
    named: u64,
    /// A page is being read for counting.
    counting: bool,
    /// How far the slot is counted that is being counted.
    counted: Cursor,
    /// The disk did not answer: counting rests.
    count_rests_until_ms: u64,
}

/// The walk over what is held for one owner.
#[derive(Debug)]
struct Walk {
    /// The slot that is walked over.
    slot: Option<Slot>,
    /// How far it was read.
    cursor: Cursor,
    /// Something that is held for the owner was read in it.
    fruitful: bool,
    /// All of it was read.
    done: bool,
    reading: bool,
    /// Writes of keys of `slot` that were read and not sent.
    queue: VecDeque<Write>,
    unanswered_bytes: usize,
    credit_bytes: usize,
    rests_until_ms: u64,
}

impl Default for Walk {
    fn default() -> Walk {
        Walk {
            slot: None,
            cursor: Cursor::default(),
            fruitful: false,
            done: false,
            reading: false,
            queue: VecDeque::new(),
            unanswered_bytes: 0,
            credit_bytes: FIRST_CREDIT_BYTES,
            rests_until_ms: 0,
        }
    }
}

impl Walk {
    /// Whether all that was read is sent, the credit goes further, and there is a slot to read.
    fn has_room(&self) -> bool {
        self.queue.is_empty() && self.slot.is_some() && self.unanswered_bytes < self.credit_bytes
    }
}

/// Writes that were sent and not answered.
#[derive(Debug)]
struct Delivery {
    target: MemberNumber,
    slot: Slot,
    sent_ms: u64,
    bytes: usize,
    writes: Vec<(Bytes, Dot)>,
}

impl Shard {
    /// Time passed.
    pub(crate) fn tick_hints<S: Storage>(&mut self, cx: &mut Context<'_, S>) {
        if self.hints.ledger.is_new() {
            let held = Slot::all().filter(|slot| slot.cell() % self.config.shards == self.config.shard);
            let held: BTreeSet<Slot> = held.filter(|slot| cx.store.live(slot.hints()) > 0).collect();
            self.hints.ledger.begin(held);
        }
        self.count_hints(cx);
        self.give_up_deliveries(cx);
        self.tell_behind(cx);
        let targets: Vec<MemberNumber> = self.hints.ledger.targets().map(|(target, _)| target).collect();
        self.hints.replays.walks.retain(|target, walk| walk.reading || targets.contains(target));
        for target in targets {
            self.walk(target, cx);
        }
    }

    /// Tells owners that are back in which slots they have missed what nobody holds for them. Should that be lost, the
    /// exchange finds it by itself, later.
    fn tell_behind<S: Storage>(&mut self, cx: &mut Context<'_, S>) {
        let live = self.hints.behind.iter().filter(|(owner, _)| self.liveness.is_live(*owner));
        let told: Vec<(MemberNumber, Slot)> = live.take(BEHIND_AT_ONCE).collect();
        for (owner, slot) in told {
            self.hints.behind.told(owner, slot);
            self.send(owner, Some(slot), 0, Body::Behind, cx);
        }
    }

    /// Reads on in the slots that hold something since before the start.
    fn count_hints<S: Storage>(&mut self, cx: &mut Context<'_, S>) {
        let Some(slot) = self.hints.ledger.next_uncounted() else { return };
        let replays = &mut self.hints.replays;
        if !replays.counting && replays.count_rests_until_ms <= cx.now.mono_ms {
            replays.counting = true;
            let (after, limit) = replays.counted.next();
            let job = cx.store.page(slot.hints(), after, limit);
            self.hints.pages.insert(job, Reader::Ledger);
        }
    }

    /// Hints of a slot that were read. False: nobody of this room asked for them.
    pub(crate) fn hints_read<S: Storage>(&mut self, page: &Page, cx: &mut Context<'_, S>) -> bool {
        let Some(reader) = self.hints.pages.remove(&page.job) else { return false };
        match reader {
            Reader::Ledger => {
                self.hints_counted(page, cx.now.mono_ms);
                self.count_hints(cx);
            }
            Reader::Walk(target) => self.walked(target, page, cx),
        }
        true
    }

    fn hints_counted(&mut self, page: &Page, now_ms: u64) {
        let slot = page.slot.of_keys();
        let replays = &mut self.hints.replays;
        replays.counting = false;
        let (records, progress) = replays.counted.read(page);
        // What is damaged is held for nobody; the owners repair each other.
        let held = records.iter().filter_map(|(_, record)| Held::decode(record.clone()).ok());
        held.for_each(|held| held.hints.iter().for_each(|hint| self.hints.ledger.add(slot, hint)));
        match progress {
            Progress::More => {}
            Progress::Retry => replays.count_rests_until_ms = now_ms + HINT_REST_MS,
            Progress::Done => {
                replays.counted = Cursor::default();
                self.hints.ledger.counted(slot);
            }
        }
    }

    /// Goes on with the walk for an owner: sends what was read, and reads on when that is gone.
    fn walk<S: Storage>(&mut self, target: MemberNumber, cx: &mut Context<'_, S>) {
        let (me, now_ms) = (self.config.me, cx.now.mono_ms);
        let walk = self.hints.replays.walks.entry(target).or_default();
        if walk.reading || walk.rests_until_ms > now_ms {
            return;
        }
        let next = walk.slot.or_else(|| self.hints.ledger.slot_for(target, None));
        let Some(slot) = next else { return };
        let owns = self.layout.owners(slot).contains(&target);
        if owns && target != me && !self.liveness.is_live(target) {
            // What was read may be delivered by the time it is back: it begins anew then.
            *walk = Walk { unanswered_bytes: walk.unanswered_bytes, ..Walk::default() };
            return;
        }
        if !walk.queue.is_empty() {
            self.deliver(target, slot, cx);
            // Slots may hold few hints each: the next one is read while these are under way.
            if self.hints.replays.walks.get(&target).is_some_and(Walk::has_room) {
                self.walk(target, cx);
            }
            return;
        }
        if walk.slot.is_none() && walk.unanswered_bytes > 0 {
            // The next walk would meet what is under way.
            return;
        }
        walk.slot = Some(slot);
        walk.reading = true;
        let (after, limit) = walk.cursor.next();
        let job = cx.store.page(slot.hints(), after, limit);
        self.hints.pages.insert(job, Reader::Walk(target));
    }

    /// A page of the walk for an owner.
    fn walked<S: Storage>(&mut self, target: MemberNumber, page: &Page, cx: &mut Context<'_, S>) {
        let slot = page.slot.of_keys();
        let Some(walk) = self.hints.replays.walks.get_mut(&target) else { return };
        walk.reading = false;
        if walk.slot != Some(slot) {
            // It began anew, under a new layout.
            return self.walk(target, cx);
        }
        let (records, progress) = walk.cursor.read(page);
        let owners = self.layout.owners(slot);
        let mut strays = Vec::new();
        for (key, record) in records {
            let Ok(held) = Held::decode(record.clone()) else { continue };
            if held.hints.iter().any(|hint| hint.targets.iter().any(|target| !owners.contains(target))) {
                walk.fruitful = true;
                strays.push(key.clone());
            } else {
                let ours = held.hints.into_iter().filter(|hint| hint.targets.contains(&target));
                walk.queue.extend(ours.map(|hint| hint.write));
            }
        }
        walk.fruitful |= !walk.queue.is_empty();
        match progress {
            Progress::More => {}
            Progress::Retry => walk.rests_until_ms = cx.now.mono_ms + HINT_REST_MS,
            Progress::Done => {
                walk.done = true;
                let lost = walk.cursor.damaged && !walk.fruitful;
                if lost {
                    self.hints.ledger.give_up(target, slot);
                    self.hints.behind.note(slot, &[target], self.layout.owners(slot));
                }
                self.leave_slot(target, slot, cx.now.mono_ms);
            }
        }
        for key in strays {
            self.with_hints(slot, key, HintTask::Retarget, cx);
        }
        self.walk(target, cx);
    }

    /// Goes to the next slot if all of this one was read and sent. Behind the last one the owner rests: what is left was
    /// refused, or is not answered yet.
    fn leave_slot(&mut self, target: MemberNumber, slot: Slot, now_ms: u64) {
        let next = Slot::new(slot.number() + 1);
        let next = next.and_then(|next| self.hints.ledger.slot_for(target, Some(next)));
        let Some(walk) = self.hints.replays.walks.get_mut(&target) else { return };
        if !walk.done || !walk.queue.is_empty() {
            return;
        }
        (walk.slot, walk.cursor, walk.fruitful, walk.done) = (next, Cursor::default(), false, false);
        if next.is_none() {
            walk.rests_until_ms = now_ms + HINT_REST_MS;
        }
    }

    /// Sends what was read, as far as the credit goes.
    fn deliver<S: Storage>(&mut self, target: MemberNumber, slot: Slot, cx: &mut Context<'_, S>) {
        while let Some(walk) = self.hints.replays.walks.get_mut(&target) {
            if walk.queue.is_empty() || walk.unanswered_bytes >= walk.credit_bytes {
                break;
            }
            let (mut writes, mut bytes) = (Vec::new(), 0);
            while writes.len() < DELIVERED_WRITES && bytes < DELIVERY_BYTES {
                let Some(write) = walk.queue.pop_front() else { break };
                bytes += write.key.len() + write.value_bytes();
                writes.push(write);
            }
            walk.unanswered_bytes += bytes;
            self.leave_slot(target, slot, cx.now.mono_ms);
            let op = self.name_delivery();
            let names = writes.iter().map(|write| (write.key.clone(), write.dot)).collect();
            let delivery = Delivery { target, slot, sent_ms: cx.now.mono_ms, bytes, writes: names };
            self.hints.replays.deliveries.insert(op, delivery);
            if self.config.canary.is(Canary::HintDroppedWhenSent) {
                for write in &writes {
                    self.with_hints(slot, write.key.clone(), HintTask::Delivered(write.dot, target), cx);
                }
            }
            if target == self.config.me {
                self.take_delivery(target, op, slot, writes, cx);
            } else {
                self.send(target, Some(slot), 0, Body::Deliver { op, writes }, cx);
            }
        }
    }

    /// A name that no operation has.
    pub(crate) fn name_delivery(&mut self) -> OpId {
        self.hints.replays.named += 1;
        self.operations.foreign_id(self.hints.replays.named)
    }

    /// An owner answered.
    pub(crate) fn delivery_answered<S: Storage>(
        &mut self,
        from: MemberNumber,
        op: OpId,
        verdicts: &[Delivered],
        credit_bytes: u32,
        cx: &mut Context<'_, S>,
    ) {
        if self.salvage_answered(from, op, verdicts, cx) {
            return;
        }
        let Some(delivery) = self.take_unanswered(op, from) else { return };
        if let Some(walk) = self.hints.replays.walks.get_mut(&from) {
            // A credit of nothing would never be answered, and so never grow.
            walk.credit_bytes = (credit_bytes as usize).max(1);
            if verdicts.contains(&Delivered::Refused) {
                walk.rests_until_ms = cx.now.mono_ms + HINT_REST_MS;
            }
        }
        for ((key, dot), verdict) in delivery.writes.into_iter().zip(verdicts) {
            if *verdict == Delivered::Done {
                self.with_hints(delivery.slot, key, HintTask::Delivered(dot, from), cx);
            }
        }
        self.walk(from, cx);
    }

    fn take_unanswered(&mut self, op: OpId, from: MemberNumber) -> Option<Delivery> {
        let replays = &mut self.hints.replays;
        if replays.deliveries.get(&op).is_none_or(|delivery| delivery.target != from) {
            return None;
        }
        let delivery = replays.deliveries.remove(&op)?;
        if let Some(walk) = replays.walks.get_mut(&from) {
            walk.unanswered_bytes = walk.unanswered_bytes.saturating_sub(delivery.bytes);
        }
        Some(delivery)
    }

    /// Deliveries that are not answered in time will be made again.
    fn give_up_deliveries<S: Storage>(&mut self, cx: &mut Context<'_, S>) {
        let now_ms = cx.now.mono_ms;
        let late = |delivery: &Delivery| delivery.sent_ms + DELIVERY_TIMEOUT_MS <= now_ms;
        let open = self.hints.replays.deliveries.iter();
        let late: Vec<(OpId, MemberNumber)> =
            open.filter(|(_, it)| late(it)).map(|(&op, it)| (op, it.target)).collect();
        for (op, target) in late {
            self.delivery_failed(op, target, now_ms);
        }
    }

    /// A delivery was lost: the owner rests, and gets it with the next walk.
    pub(crate) fn delivery_failed(&mut self, op: OpId, target: MemberNumber, now_ms: u64) {
        if self.take_unanswered(op, target).is_some()
            && let Some(walk) = self.hints.replays.walks.get_mut(&target)
        {
            walk.rests_until_ms = now_ms + HINT_REST_MS;
        }
    }

    /// Deliveries under another layout are made again under the new one.
    pub(crate) fn forget_deliveries(&mut self) {
        let replays = &mut self.hints.replays;
        replays.deliveries.clear();
        for walk in replays.walks.values_mut() {
            *walk = Walk { reading: walk.reading, ..Walk::default() };
        }
        self.hints.receiving.clear();
        let layout = &self.layout;
        self.hints.behind.retain(|target, slot| layout.owners(slot).contains(&target));
    }
}
