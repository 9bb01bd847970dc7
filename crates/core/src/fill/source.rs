//! Fetching from the other owners: each gives the whole slot, page by page, all of them at a time.
//!
//! A source is a complete owner, which gives its records, or one that is being filled itself, which gives its buffer: it
//! has told what it had before to the others, so that there is nothing else to be had from it. The slot is fetched when
//! all that can be reached have given all, at one collect line; when these are as many as a write at a majority leaves
//! out at most, and one more (N − W + 1); and one of them is complete.

use super::work::{Next, Phase};
use crate::{
    exchange::{Exchange, Lines},
    ids::MemberNumber,
    message::Body,
    shard::{Context, Shard},
    slot::Slot,
    storage::Storage,
};
use alloc::{collections::BTreeMap, vec::Vec};
use bytes::Bytes;

/// How far a source is.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// In which life it began to give.
    pub(super) life: Option<u32>,
    /// All up to here is taken.
    pub(super) after: Option<Bytes>,
    /// What is being taken ends here; `None`: at the end of the slot.
    pub(super) upto: Option<Bytes>,
    /// The question that is open.
    pub(super) open: Option<u64>,
    /// Records or writes of the last answer that are not taken yet.
    pub(super) left: usize,
    /// One of them could not be taken: the page is asked for again.
    pub(super) failed: bool,
    /// It could not give anything: to be asked again after a rest.
    pub(super) refused: bool,
    /// It gives records, not its buffer.
    pub(super) complete: bool,
    /// All of it is taken.
    pub(super) done: bool,
}

/// The fill of a slot.
#[derive(Debug)]
pub(super) struct Filling {
    /// Its name in this process.
    pub(super) round: u64,
    /// The lines are those of a complete owner.
    pub(super) lined: bool,
    pub(super) sources: BTreeMap<MemberNumber, Source>,
    /// The hub of a round that has all that any owner has.
    pub(super) hub: Option<MemberNumber>,
}

impl Filling {
    /// Nothing is fetched yet.
    pub(super) fn new(round: u64, lined: bool) -> Filling {
        Filling { round, lined, sources: BTreeMap::new(), hub: None }
    }

    /// Whoever did not answer, and what was not taken, is asked for again.
    pub(super) fn give_up(&mut self) {
        for source in self.sources.values_mut().filter(|source| !source.done) {
            (source.open, source.left, source.refused) = (None, 0, true);
        }
    }

    /// Whether anything was given by a complete owner.
    pub(super) fn has_taken(&self) -> bool {
        self.sources.values().any(|source| source.complete)
    }
}

impl Shard {
    pub(super) fn filling(&mut self, slot: Slot) -> Option<&mut Filling> {
        match &mut self.fills.work(slot)?.phase {
            Phase::Filling(filling) => Some(filling),
            _ => None,
        }
    }

    /// Asks whoever is to be asked next, or finds that all is fetched.
    pub(super) fn ask_sources<S: Storage>(&mut self, slot: Slot, cx: &mut Context<'_, S>) -> Next {
        let owners = self.other_owners(slot);
        let live: Vec<MemberNumber> =
            owners.iter().copied().filter(|&owner| self.liveness.is_live(owner)).collect();
        let Some(filling) = self.filling(slot) else { return Next::Ended };
        let mut ask = Vec::new();
        for &owner in &live {
            let source = filling.sources.entry(owner).or_default();
            if !source.done && source.open.is_none() && source.left == 0 && !source.refused {
                ask.push((owner, source.after.clone()));
            }
        }
        for (owner, after) in ask {
            self.ask_source(slot, owner, after, cx);
        }
        let Some(filling) = self.filling(slot) else { return Next::Ended };
        let done = |owner: &MemberNumber| filling.sources.get(owner).is_some_and(|source| source.done);
        let complete = filling.sources.values().any(|source| source.done && source.complete);
        let busy = filling.sources.values().any(|source| source.open.is_some() || source.left > 0);
        let lacks: Vec<MemberNumber> = owners.iter().copied().filter(|owner| !done(owner)).collect();
        // A majority of all leaves out so many at most; this server is the one more, but it knows nothing.
        let all = owners.len() + 1;
        let enough = owners.len() - lacks.len() >= all - all / 2 && complete;
        let reached = !lacks.iter().any(|owner| live.contains(owner));
        let given = filling.hub.is_some_and(|hub| done(&hub));
        let ends = given || enough && reached && !busy;
        if !busy {
            // After the rest they are asked again.
            filling.sources.values_mut().for_each(|source| source.refused = false);
        }
        if let Some(work) = self.fills.work(slot) {
            work.lacks = lacks;
        }
        match (ends, busy) {
            (true, _) => self.begin_absorbing(slot),
            (false, true) => Next::Waits,
            (false, false) => Next::Rests,
        }
    }

    fn ask_source<S: Storage>(
        &mut self,
        slot: Slot,
        owner: MemberNumber,
        after: Option<Bytes>,
        cx: &mut Context<'_, S>,
    ) {
        let session = self.fills.name(self.config.starts);
        let lines = self.stored_lines(slot, cx.store);
        let lines = Lines { refuse: lines.refuse, collect: lines.collect };
        if let Some(source) = self.filling(slot).and_then(|filling| filling.sources.get_mut(&owner)) {
            source.open = Some(session);
        }
        self.fills.asked.insert(session, (slot, owner));
        let ask = Exchange::Fill { session, lines, after };
        self.send(owner, Some(slot), 0, Body::Exchange(ask), cx);
    }

    /// Another server cannot be reached: whoever waits for it asks again, later.
    pub(crate) fn fill_lost<S: Storage>(&mut self, peer: MemberNumber, cx: &mut Context<'_, S>) {
        let asked = self.fills.asked.iter().filter(|(_, (_, of))| *of == peer);
        let asked: Vec<(u64, Slot)> = asked.map(|(&session, &(slot, _))| (session, slot)).collect();
        for (session, slot) in asked {
            self.source_refused(slot, peer, session, cx);
        }
        let offers = self.fills.offers.iter().filter(|(_, (_, of))| *of == peer);
        let offers: Vec<crate::message::OpId> = offers.map(|(&op, _)| op).collect();
        for op in offers {
            self.salvage_failed(op, cx);
        }
    }

    /// A source gives nothing now.
    pub(super) fn source_refused<S: Storage>(
        &mut self,
        slot: Slot,
        from: MemberNumber,
        session: u64,
        cx: &mut Context<'_, S>,
    ) {
        self.fills.asked.remove(&session);
        if let Some(source) = self.filling(slot).and_then(|filling| filling.sources.get_mut(&from))
            && source.open == Some(session)
        {
            (source.open, source.refused) = (None, true);
        }
        self.fill_moved(slot, cx);
    }
}
