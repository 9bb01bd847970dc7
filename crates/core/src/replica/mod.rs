//! The replica: the one door into storage. Every change of a record passes through [`Shard::keep`], which sees the
//! old and the new record; every look at one passes through [`Shard::with_record`], which parks the task if the
//! disk has to be asked, so that tasks of one key never overtake each other.
//!
//! It does not know quorums; it answers a coordinator, its own or another server's.

mod durable;
mod read;
mod repair;
mod write;

pub(crate) use durable::{Waiter, Waiting};
pub(crate) use write::overtaken;

use crate::{
    canary::Canary,
    collect::CollectTask,
    exchange::ExchangeTask,
    fill::FillTask,
    hints::HintTask,
    ids::{Epoch, Lsn, MemberNumber},
    limits::{OPERATIONS, RECORD_BYTES},
    message::{Body, Delivered, OpId, ReadVerdict, RepairVerdict, Stamp, StampedRecord, WriteVerdict},
    outbox::Event,
    shard::{Context, Shard},
    slot::Slot,
    storage::{Found, JobId, LoadError, LoadedRecord, Lookup, Mutation, Probe, Storage},
    tree::{self, Item},
    version::{Record, SlotLines, Write},
};
use alloc::{
    boxed::Box,
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};
use bytes::Bytes;

/// Something that needs the record of a key.
#[derive(Debug)]
pub(crate) enum Task {
    /// The own coordinator mints a write.
    Mint(OpId),
    /// The own coordinator mints as a stand-in: what did this server mint as an owner, before?
    MintAside(OpId),
    /// The own coordinator reads.
    Read(OpId),
    /// The own coordinator found the own replica behind.
    Mend(Option<OpId>, Vec<StampedRecord>),
    /// The own coordinator explains.
    Explain(OpId),
    /// Another server's write.
    TakeWrite(MemberNumber, OpId, Write),
    /// Another server's read: asker, digest, "only what is on disk".
    AnswerRead(MemberNumber, OpId, Option<u128>, bool),
    /// Another server's read repair.
    TakeRepair(MemberNumber, Option<OpId>, Vec<StampedRecord>),
    /// Another server's explain.
    AnswerProbe(MemberNumber, OpId),
    /// A part of an exchange.
    Exchange(Box<ExchangeTask>),
    /// A part of a fill.
    Fill(Box<FillTask>),
    /// A part of a round or of a collection.
    Collect(Box<CollectTask>),
    /// A write that was held for this owner: stand-in, delivery, place in it.
    TakeHint(MemberNumber, OpId, usize, Write),
    /// Something with what is held of a key, in the slot for hints.
    Hint(Box<HintTask>),
}

impl Task {
    /// The other server behind it, and its operation; `None` for the own coordinator's.
    fn asker(&self) -> Option<(MemberNumber, Option<OpId>)> {
        match self {
            Task::Mint(_)
            | Task::MintAside(_)
            | Task::Read(_)
            | Task::Mend(..)
            | Task::Explain(_)
            | Task::Exchange(_)
            | Task::Fill(_)
            | Task::Collect(_) => None,
            Task::TakeWrite(from, op, _)
            | Task::AnswerRead(from, op, ..)
            | Task::AnswerProbe(from, op)
            | Task::TakeHint(from, op, ..) => Some((*from, Some(*op))),
            Task::Hint(task) => task.asker(),
            Task::TakeRepair(from, op, _) => Some((*from, *op)),
        }
    }
}

/// What a lookup came to.
pub(crate) type Lookedup = Result<Option<Found>, LoadError>;

#[derive(Debug, Default)]
struct Queue {
    tasks: VecDeque<Task>,
}

/// Tasks behind disk reads.
#[derive(Debug, Default)]
pub(crate) struct Parked {
    keys: BTreeMap<(Slot, Bytes), Queue>,
    jobs: BTreeMap<JobId, (Slot, Bytes)>,
    tasks: usize,
}

impl Parked {
    /// Tasks that wait for the disk.
    pub(crate) fn len(&self) -> usize {
        self.tasks
    }
}

/// A record with the log position of its last write.
pub(crate) struct Current {
    pub(crate) record: Record,
    pub(crate) encoded: Bytes,
    pub(crate) lsn: Lsn,
    pub(crate) probe: Probe,
}

/// A key's record as it is stored when a change begins.
pub(crate) struct Before {
    encoded: Bytes,
    had_versions: bool,
    item: Item,
}

impl Before {
    /// Whether the new record knows all that this one did.
    fn is_within(&self, new: &Record) -> bool {
        let old = Record::decode(self.encoded.clone()).unwrap_or_default();
        old.seen.is_subset(&new.seen) && old.mark <= new.mark && old.hi <= new.hi
    }
}

/// A record would exceed [`RECORD_BYTES`]; nothing was kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RecordTooLarge;

impl Shard {
    /// Runs the task with the key's record, now or when the disk has answered.
    pub(crate) fn with_record<S: Storage>(
        &mut self,
        slot: Slot,
        key: Bytes,
        task: Task,
        cx: &mut Context<'_, S>,
    ) {
        let task = match self.withholds(slot, cx.store) {
            true => match self.withhold(slot, task, cx) {
                Some(task) => task,
                None => return,
            },
            false => task,
        };
        // A key whose queue was emptied by a new layout still waits for its job: nothing may overtake that.
        if !self.parked.keys.is_empty()
            && let Some(queue) = self.parked.keys.get_mut(&(slot, key.clone()))
        {
            if self.parked.tasks >= OPERATIONS {
                return self.refuse(slot, task, LoadError::Io, cx);
            }
            self.parked.tasks += 1;
            return queue.tasks.push_back(task);
        }
        if matches!(task, Task::Mint(_) | Task::TakeWrite(..)) {
            cx.store.expect_change(slot, tree::key_hash(&self.layout.spec().digest_key, &key));
        }
        match cx.store.get(slot, &key) {
            Lookup::Hit(found) => self.run(slot, key, task, Ok(Some(found)), Probe::default(), cx),
            Lookup::Miss(probe) => self.run(slot, key, task, Ok(None), probe, cx),
            Lookup::Job(job) => {
                if self.parked.tasks >= OPERATIONS {
                    return self.refuse(slot, task, LoadError::Io, cx);
                }
                self.parked.tasks += 1;
                self.parked.jobs.insert(job, (slot, key.clone()));
                self.parked.keys.entry((slot, key)).or_default().tasks.push_back(task);
            }
        }
    }

    /// The disk answered: every task of the key runs, in order.
    pub(crate) fn loaded<S: Storage>(&mut self, loaded: LoadedRecord, cx: &mut Context<'_, S>) {
        let Some((slot, key)) = self.parked.jobs.remove(&loaded.job) else { return };
        let Some(queue) = self.parked.keys.remove(&(slot, key.clone())) else { return };
        self.parked.tasks -= queue.tasks.len();
        let mut tasks = queue.tasks.into_iter();
        let mut others_ran = false;
        while let Some(task) = tasks.next() {
            // A task before this one may have written: then the memtable has it. Or it has forgotten the record.
            let fresh = match cx.store.get(slot, &key) {
                Lookup::Hit(found) => Ok(Some(found)),
                Lookup::Miss(_) if others_ran && loaded.result.is_ok() => Ok(None),
                Lookup::Miss(_) | Lookup::Job(_) => loaded.result.clone(),
            };
            self.run(slot, key.clone(), task, fresh, loaded.probe, cx);
            others_ran = true;
            if self.parked.keys.contains_key(&(slot, key.clone())) {
                // A task led to another lookup of the same key that went to the disk: the rest queues behind it.
                for rest in tasks.by_ref() {
                    self.with_record(slot, key.clone(), rest, cx);
                }
            }
        }
    }

    fn run<S: Storage>(
        &mut self,
        slot: Slot,
        key: Bytes,
        task: Task,
        looked: Lookedup,
        probe: Probe,
        cx: &mut Context<'_, S>,
    ) {
        if let Task::Hint(task) = task {
            return self.run_hint_task(slot, key, *task, looked, cx);
        }
        // Damaged while the disk was asked.
        let task = match self.withholds(slot, cx.store) {
            true => match self.withhold(slot, task, cx) {
                Some(task) => task,
                None => return,
            },
            false => task,
        };
        let current = match looked {
            Ok(Some(found)) => match Record::decode(found.record.clone()) {
                Ok(record) => {
                    Ok(Current { record, encoded: found.record, lsn: found.lsn, probe: found.probe })
                }
                Err(_) => Err(LoadError::Damaged),
            },
            Ok(None) => Ok(Current { record: Record::default(), encoded: Bytes::new(), lsn: Lsn(0), probe }),
            Err(error) => Err(error),
        };
        let current = match current {
            Ok(current) => current,
            Err(error) => return self.refuse(slot, task, error, cx),
        };
        match task {
            Task::Exchange(task) => self.exchange_task(slot, key, *task, current, cx),
            Task::Fill(task) => self.fill_task(slot, &key, *task, current, cx),
            Task::Collect(task) => self.collect_task(slot, &key, *task, current, cx),
            Task::Mint(op) => self.mint_write(op, slot, key, current, cx),
            Task::MintAside(op) => {
                let past = self.past_as_owner(slot, &current.record, cx.store);
                self.with_hints(slot, key, HintTask::Mint(op, past), cx);
            }
            Task::Read(op) => self.read_own(op, current, cx),
            Task::Mend(op, records) => self.mend_own(op, slot, key, records, current, cx),
            Task::Explain(op) => self.explained(op, self.config.me, Some(current.record), current.probe, cx),
            Task::TakeWrite(from, op, write) => self.take_write(from, op, slot, write, current, cx),
            Task::AnswerRead(from, op, digest, durable) => {
                self.answer_read(from, op, slot, &key, digest, durable, current, cx);
            }
            Task::TakeRepair(from, op, records) => {
                self.take_repair(from, op, slot, key, records, current, cx)
            }
            Task::TakeHint(from, op, at, write) => self.take_hint(from, op, at, slot, &write, current, cx),
            // Taken above.
            Task::Hint(_) => {}
            Task::AnswerProbe(from, op) => {
                let body = Body::ProbeAck { op, record: Some(current.encoded), probe: current.probe };
                self.send(from, Some(slot), 0, body, cx);
            }
        }
    }

    /// The record cannot be read: nothing is applied, and the asker learns it.
    pub(crate) fn refuse<S: Storage>(
        &mut self,
        slot: Slot,
        task: Task,
        error: LoadError,
        cx: &mut Context<'_, S>,
    ) {
        if error == LoadError::Damaged {
            cx.out.events.push(Event::Damaged);
            self.met_damage(slot, cx);
        }
        match task {
            Task::Exchange(task) => self.exchange_refused(slot, *task, error, cx),
            Task::Fill(task) => self.fill_refused(slot, *task, error, cx),
            Task::Collect(task) => self.collect_refused(*task, error, cx),
            Task::Mint(op) | Task::MintAside(op) => self.mint_refused(op, error, cx),
            Task::Read(op) => self.read_failed(op, self.config.me, cx),
            Task::Mend(op, _) => {
                if let Some(op) = op {
                    self.repair_answered(op, self.config.me, RepairVerdict::Refused, cx);
                }
            }
            Task::Explain(op) => self.explained(op, self.config.me, None, Probe::default(), cx),
            Task::TakeWrite(from, op, _) => {
                let body = Body::WriteAck { op, verdict: WriteVerdict::Refused };
                self.send(from, Some(slot), 0, body, cx);
            }
            Task::AnswerRead(from, op, ..) => {
                let body = Body::ReadAck { op, verdict: ReadVerdict::Refused };
                self.send(from, Some(slot), 0, body, cx);
            }
            Task::TakeRepair(from, op, _) => {
                if let Some(op) = op {
                    let body = Body::RepairAck { op, verdict: RepairVerdict::Refused };
                    self.send(from, Some(slot), 0, body, cx);
                }
            }
            Task::TakeHint(from, op, at, _) => {
                self.hint_judged(from, op, at, Delivered::Refused, Lsn(0), cx);
            }
            Task::Hint(task) => self.refuse_hint_task(slot, *task, error, cx),
            Task::AnswerProbe(from, op) => {
                let body = Body::ProbeAck { op, record: None, probe: Probe::default() };
                self.send(from, Some(slot), 0, body, cx);
            }
        }
    }

    /// A new layout holds: questions that wait for the disk were asked under the old one and are refused.
    pub(crate) fn refuse_parked<S: Storage>(&mut self, asked_under: Epoch, cx: &mut Context<'_, S>) {
        let mut refused = Vec::new();
        for (&(slot, _), queue) in &mut self.parked.keys {
            let (own, others) =
                core::mem::take(&mut queue.tasks).into_iter().partition(|task| task.asker().is_none());
            queue.tasks = own;
            let others: VecDeque<Task> = others;
            refused.extend(others.iter().filter_map(Task::asker).map(|(from, op)| (slot, from, op)));
        }
        self.parked.tasks -= refused.len();
        for (slot, from, op) in refused {
            if from != self.config.me {
                self.refuse_epoch(from, asked_under, op, Some(slot.of_keys()), cx);
            }
        }
    }

    /// What is stored now, to be kept while the record is changed.
    pub(crate) fn before(&self, slot: Slot, key: &[u8], current: &Current) -> Before {
        Before {
            encoded: current.encoded.clone(),
            had_versions: !current.record.versions.is_empty(),
            item: self.item(slot, key, &current.record),
        }
    }

    /// What a record adds to the tree of its slot; slots of hints have none.
    pub(crate) fn item(&self, slot: Slot, key: &[u8], record: &Record) -> Item {
        match slot.keeps_hints() || record.is_empty() {
            true => Item::default(),
            false => Item::new(&self.layout.spec().digest_key, slot, key, record),
        }
    }

    /// Keeps a changed record, unless it is too large. The one place that sees the old and the new state of every write.
    pub(crate) fn keep<S: Storage>(
        &mut self,
        slot: Slot,
        key: &[u8],
        before: &Before,
        new: &Record,
        cx: &mut Context<'_, S>,
    ) -> Result<Lsn, RecordTooLarge> {
        debug_assert_eq!(new.check(), Ok(()), "what is kept obeys the algebra");
        debug_assert!(
            before.is_within(new) || self.config.canary != Canary::None,
            "nothing seen is unlearned"
        );
        let live = i8::from(!new.versions.is_empty()) - i8::from(before.had_versions);
        let mut encoded = core::mem::take(&mut self.scratch);
        encoded.clear();
        new.encode(&mut encoded);
        let lsn = match encoded.len() {
            0..=RECORD_BYTES => {
                let sums = self.tree_changed(slot, key, live, before.item, self.item(slot, key, new), cx);
                Ok(cx.store.apply(slot, &[Mutation::Put { key, record: &encoded, live, sums: &sums }]))
            }
            _ => Err(RecordTooLarge),
        };
        self.scratch = encoded;
        lsn
    }

    /// The slot's lines; those of an owner with what it minted as a stand-in, before it was one.
    pub(crate) fn lines<S: Storage>(&self, slot: Slot, store: &S) -> SlotLines {
        // Lines that do not decode would be a bug of this crate: the engine checks what it stores.
        let stored = |slot| store.lines(slot).and_then(|bytes| SlotLines::decode(bytes).ok());
        let lines = stored(slot).unwrap_or_default();
        match slot.keeps_hints() {
            true => lines,
            false => stored(slot.hints()).map_or(lines, |hints| lines.beside(self.actor, &hints)),
        }
    }

    /// The stamp for records read now.
    pub(crate) fn stamp<S: Storage>(&self, slot: Slot, store: &S) -> Stamp {
        let lines = self.lines(slot, store);
        Stamp {
            epoch: self.layout.epoch(),
            sender: self.config.me,
            incarnation: self.actor.incarnation,
            refuse: lines.refuse,
            collect: lines.collect,
        }
    }
}
