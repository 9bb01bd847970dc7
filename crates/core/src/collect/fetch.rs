//! Getting all that another owner has of a slot and this one lacks. Like a part of an exchange, and with its questions, but
//! strict: every record that differs has arrived and is joined when it ends well, or it has failed.
//!
//! The list that is asked for also holds what was written after f, whichever sum it is in by then: what a write or a repair
//! moves from a sum that differs to one that was equal would be missed else.

use super::CollectTask;
use crate::{
    exchange::{Exchange, Lines},
    hlc::Hlc,
    ids::MemberNumber,
    limits::{EXCHANGE_RECORDS, EXCHANGE_SUMS, ROUND_FETCH_MS, ROUND_FETCHES},
    message::{RepairVerdict, Stamp, StampedRecord},
    replica::{Current, Task},
    shard::{Context, Shard},
    slot::Slot,
    storage::{LoadError, Storage},
    tree::{self, Sum},
};
use alloc::{
    boxed::Box,
    collections::{BTreeSet, VecDeque},
    vec::Vec,
};
use bytes::Bytes;

/// Times that the records of one fetch are asked for anew because lines have risen meanwhile.
const TRIES: u8 = 8;

/// Who fetches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    /// The hub, what an owner has answered for.
    Pull,
    /// An owner, from the hub.
    Push,
}

/// What is to be fetched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Fetching {
    pub(super) slot: Slot,
    pub(super) peer: MemberNumber,
    /// The life in which the peer takes part.
    pub(super) incarnation: u32,
    /// Up to where the round closes the slot.
    pub(super) upto: Hlc,
    pub(super) round: u64,
    pub(super) purpose: Purpose,
}

/// A fetch under way.
#[derive(Debug)]
pub(super) struct Fetch {
    what: Fetching,
    moved_ms: u64,
    /// The sums that differ; none: all keys are compared.
    names: Vec<u64>,
    asked: bool,
    /// Own lookups that are awaited.
    lookups: usize,
    wanted: VecDeque<Bytes>,
    /// Keys whose records were asked for.
    awaited: BTreeSet<Bytes>,
    /// Where the next list of keys begins, if there is more.
    upto: Option<Bytes>,
    tries: u8,
}

impl Shard {
    /// Begins a fetch, or has it wait for its turn.
    pub(super) fn fetch<S: Storage>(&mut self, what: Fetching, cx: &mut Context<'_, S>) {
        if self.collecting.fetches.len() >= ROUND_FETCHES {
            return self.collecting.queue.push_back(what);
        }
        let session = self.collect_name();
        let fetch = Fetch {
            what,
            moved_ms: cx.now.mono_ms,
            names: Vec::new(),
            asked: true,
            lookups: 0,
            wanted: VecDeque::new(),
            awaited: BTreeSet::new(),
            upto: None,
            tries: 0,
        };
        self.collecting.fetches.insert(session, fetch);
        self.collecting.tally.fetches += 1;
        let lines = self.shared_lines(what.slot, cx.store);
        let ask = Exchange::Sums { session, lines, watch: true };
        self.ask_exchange(what.peer, Some(what.slot), ask, cx);
    }

    /// Fetches in which nothing moves have failed; others may begin in their place.
    pub(super) fn fetches_tick<S: Storage>(&mut self, cx: &mut Context<'_, S>) {
        let late = |fetch: &Fetch| fetch.moved_ms + ROUND_FETCH_MS < cx.now.mono_ms;
        let open = self.collecting.fetches.iter();
        let late: Vec<u64> = open.filter(|(_, fetch)| late(fetch)).map(|(&session, _)| session).collect();
        late.into_iter().for_each(|session| self.fetch_ends(session, false, cx));
        while self.collecting.fetches.len() < ROUND_FETCHES
            && let Some(what) = self.collecting.queue.pop_front()
        {
            if self.still_wanted(&what) {
                self.fetch(what, cx);
            }
        }
    }

    pub(super) fn fail_fetches_from<S: Storage>(&mut self, peer: MemberNumber, cx: &mut Context<'_, S>) {
        let open = self.collecting.fetches.iter();
        let lost: Vec<u64> =
            open.filter(|(_, fetch)| fetch.what.peer == peer).map(|(&session, _)| session).collect();
        lost.into_iter().for_each(|session| self.fetch_ends(session, false, cx));
    }

    fn still_wanted(&self, what: &Fetching) -> bool {
        match what.purpose {
            Purpose::Pull => self.pulls(what.slot, what.round),
            Purpose::Push => self.is_pushed(what.slot, what.peer, what.round),
        }
    }

    /// A fetch is through, or has failed: then the round is void.
    fn fetch_ends<S: Storage>(&mut self, session: u64, well: bool, cx: &mut Context<'_, S>) {
        let Some(fetch) = self.collecting.fetches.remove(&session) else { return };
        self.collecting.tally.failed_fetches += u64::from(!well);
        let Fetching { slot, peer, round, purpose, .. } = fetch.what;
        match purpose {
            Purpose::Pull => self.pulled(slot, peer, round, well, cx),
            Purpose::Push => self.pushed(slot, peer, round, well, cx),
        }
    }

    /// Whether this is a fetch, and not the session of an exchange.
    pub(crate) fn is_fetch(&self, session: u64) -> bool {
        self.collecting.fetches.contains_key(&session)
    }

    /// An answer of the owner that is fetched from.
    pub(crate) fn fetch_answered<S: Storage>(
        &mut self,
        from: MemberNumber,
        slot: Option<Slot>,
        answer: Exchange,
        cx: &mut Context<'_, S>,
    ) {
        let session = answer.session();
        let Some(fetch) = self.collecting.fetches.get_mut(&session) else { return };
        if fetch.what.peer != from || slot != Some(fetch.what.slot) || !fetch.asked {
            return;
        }
        fetch.moved_ms = cx.now.mono_ms;
        fetch.asked = false;
        self.collecting.tally.bytes += answer.bytes() as u64;
        if !self.fetch_is_wanted(session) {
            return self.fetch_ends(session, false, cx);
        }
        match answer {
            Exchange::SlotSums { lines, sums, .. } => self.fetch_sums(session, lines, sums, cx),
            Exchange::KeyList { keys, upto, .. } => self.fetch_keys(session, keys, upto, cx),
            Exchange::Records { stamp, records, .. } => self.fetch_records(session, stamp, records, cx),
            // Too busy, or there is something that cannot be read.
            _ => self.fetch_ends(session, false, cx),
        }
    }

    fn fetch_is_wanted(&self, session: u64) -> bool {
        self.collecting.fetches.get(&session).is_some_and(|fetch| self.still_wanted(&fetch.what))
    }

    fn fetch_sums<S: Storage>(
        &mut self,
        session: u64,
        lines: Lines,
        theirs: Option<Vec<Sum>>,
        cx: &mut Context<'_, S>,
    ) {
        let Some(fetch) = self.collecting.fetches.get(&session) else { return };
        let slot = fetch.what.slot;
        self.raise_lines(slot, lines, cx);
        let theta = self.lines(slot, cx.store).collect;
        let names = match (cx.store.sums(slot), &theirs) {
            (Some(own), Some(theirs)) => Some(tree::differing(own, theirs, theta)),
            _ => None,
        };
        if names.as_ref().is_some_and(Vec::is_empty) {
            return self.fetch_ends(session, true, cx);
        }
        if let Some(fetch) = self.collecting.fetches.get_mut(&session) {
            fetch.names = names.filter(|names| names.len() <= EXCHANGE_SUMS).unwrap_or_default();
        }
        self.fetch_list(session, None, cx);
    }

    fn fetch_list<S: Storage>(&mut self, session: u64, after: Option<Bytes>, cx: &mut Context<'_, S>) {
        let Some(fetch) = self.collecting.fetches.get_mut(&session) else { return };
        fetch.asked = true;
        let Fetching { slot, peer, upto, .. } = fetch.what;
        let ask = Exchange::Keys { session, names: fetch.names.clone(), after, above: Some(upto) };
        self.ask_exchange(peer, Some(slot), ask, cx);
    }

    fn fetch_keys<S: Storage>(
        &mut self,
        session: u64,
        keys: Vec<(Bytes, u64)>,
        upto: Option<Bytes>,
        cx: &mut Context<'_, S>,
    ) {
        let Some(fetch) = self.collecting.fetches.get_mut(&session) else { return };
        let slot = fetch.what.slot;
        (fetch.upto, fetch.lookups) = (upto, keys.len());
        for (key, digest) in keys {
            let task = CollectTask::Compare { session, key: key.clone(), digest };
            self.with_record(slot, key, Task::Collect(Box::new(task)), cx);
        }
        self.fetch_on(session, cx);
    }

    fn fetch_records<S: Storage>(
        &mut self,
        session: u64,
        stamp: Stamp,
        records: Vec<(Bytes, Bytes)>,
        cx: &mut Context<'_, S>,
    ) {
        let Some(fetch) = self.collecting.fetches.get_mut(&session) else { return };
        let slot = fetch.what.slot;
        let mut awaited = core::mem::take(&mut fetch.awaited);
        let records: Vec<(Bytes, Bytes)> =
            records.into_iter().filter(|(key, _)| awaited.remove(key)).collect();
        let listed_life = stamp.sender == fetch.what.peer && stamp.incarnation == fetch.what.incarnation;
        if records.is_empty() || !listed_life {
            // What is collected meanwhile, or cannot be read.
            return self.fetch_ends(session, false, cx);
        }
        // What did not fit comes with the next answer.
        fetch.wanted.extend(awaited);
        fetch.lookups = records.len();
        for (key, record) in records {
            let record = StampedRecord { stamp, record };
            let task = CollectTask::Join { session, key: key.clone(), record };
            self.with_record(slot, key, Task::Collect(Box::new(task)), cx);
        }
        self.fetch_on(session, cx);
    }

    /// An own record is there, to be compared or joined.
    pub(super) fn fetch_task<S: Storage>(
        &mut self,
        slot: Slot,
        task: CollectTask,
        current: Current,
        cx: &mut Context<'_, S>,
    ) {
        match task {
            CollectTask::Compare { session, key, digest } => {
                let own = self.item(slot, &key, &current.record).digest;
                self.fetch_looked(session, ((own >> 64) as u64 != digest).then_some(key), cx);
            }
            CollectTask::Join { session, key, record } => {
                if !self.fetch_is_wanted(session) {
                    return;
                }
                match self.join_records(slot, &key, &[record], current, cx) {
                    Ok(_) => self.fetch_looked(session, None, cx),
                    // The own lines have risen: the next question raises theirs.
                    Err(RepairVerdict::Again { .. }) => self.fetch_once_more(session, key, cx),
                    Err(_) => self.fetch_ends(session, false, cx),
                }
            }
            CollectTask::Forget => {}
        }
    }

    fn fetch_once_more<S: Storage>(&mut self, session: u64, key: Bytes, cx: &mut Context<'_, S>) {
        let Some(fetch) = self.collecting.fetches.get_mut(&session) else { return };
        fetch.tries += 1;
        if fetch.tries > TRIES {
            return self.fetch_ends(session, false, cx);
        }
        self.fetch_looked(session, Some(key), cx);
    }

    /// An own record cannot be read.
    pub(super) fn fetch_refused<S: Storage>(
        &mut self,
        task: CollectTask,
        error: LoadError,
        cx: &mut Context<'_, S>,
    ) {
        match task {
            // A damaged copy is one that is lacking.
            CollectTask::Compare { session, key, .. } if error == LoadError::Damaged => {
                self.fetch_looked(session, Some(key), cx);
            }
            CollectTask::Compare { session, .. } | CollectTask::Join { session, .. } => {
                self.fetch_ends(session, false, cx);
            }
            CollectTask::Forget => {}
        }
    }

    fn fetch_looked<S: Storage>(&mut self, session: u64, wants: Option<Bytes>, cx: &mut Context<'_, S>) {
        let Some(fetch) = self.collecting.fetches.get_mut(&session) else { return };
        fetch.moved_ms = cx.now.mono_ms;
        fetch.lookups = fetch.lookups.saturating_sub(1);
        fetch.wanted.extend(wants);
        self.fetch_on(session, cx);
    }

    /// Asks for what is needed next, if nothing is awaited.
    fn fetch_on<S: Storage>(&mut self, session: u64, cx: &mut Context<'_, S>) {
        let Some(fetch) = self.collecting.fetches.get_mut(&session) else { return };
        if fetch.lookups > 0 || fetch.asked {
            return;
        }
        if !fetch.wanted.is_empty() {
            let count = fetch.wanted.len().min(EXCHANGE_RECORDS);
            let keys: Vec<Bytes> = fetch.wanted.drain(..count).collect();
            fetch.awaited = keys.iter().cloned().collect();
            fetch.asked = true;
            let Fetching { slot, peer, .. } = fetch.what;
            let lines = self.shared_lines(slot, cx.store);
            self.ask_exchange(peer, Some(slot), Exchange::Want { session, lines, keys }, cx);
        } else if let Some(upto) = fetch.upto.take() {
            self.fetch_list(session, Some(upto), cx);
        } else {
            self.fetch_ends(session, true, cx);
        }
    }
}
