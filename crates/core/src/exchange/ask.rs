//! The asker: one session at a time, with the next owner and cell in a random order that begins anew for ever. Slots that
//! are known to be behind go first, with each of their owners.

use super::{GROUPS, group, message::Exchange, slot::SlotWork, stats::ExchangeStats};
use crate::{
    ids::{Epoch, MemberNumber},
    limits::{
        EXCHANGE_BUSY_PAUSE_MS, EXCHANGE_GROUP, EXCHANGE_PAUSE_MS, EXCHANGE_SAVED_BYTES, EXCHANGE_TICK_BYTES,
        EXCHANGE_TIMEOUT_MS, EXCHANGE_WINDOW,
    },
    message::Body,
    shard::{Context, Shard},
    slot::Slot,
    storage::Storage,
};
use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    vec::Vec,
};

/// A comparison that is under way.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: u64,
    pub(super) peer: MemberNumber,
    /// `None`: of slots that were in a hurry.
    cell: Option<u16>,
    /// Something of it moved last.
    pub(super) moved_ms: u64,
    /// An answer about roots is awaited.
    awaits_roots: bool,
    groups: Vec<u8>,
    pub(super) slots: VecDeque<Slot>,
    pub(super) active: BTreeMap<Slot, SlotWork>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Asking {
    pub(super) session: Option<Session>,
    sessions: u64,
    /// Other owners and own cells that have slots in common.
    pub(super) pairs: Vec<(MemberNumber, u16)>,
    /// Under this layout.
    pairs_of: Epoch,
    /// What this round still has to do.
    round: Vec<(MemberNumber, u16)>,
    next_ms: u64,
    random: u64,
    /// Bytes that may be received before the next tick.
    budget: usize,
    pub(super) now_ms: u64,
    /// Slots that go first.
    pub(super) urgent: BTreeSet<(MemberNumber, Slot)>,
    /// Since when slots are known to differ.
    pub(super) doubts: BTreeMap<(MemberNumber, Slot), u64>,
    /// When the last comparison of a cell with an owner ended.
    pub(super) ended: BTreeMap<(MemberNumber, u16), u64>,
    /// When slots without known sums were compared whole.
    pub(super) whole: BTreeMap<(MemberNumber, Slot), u64>,
    pub(super) stats: ExchangeStats,
}

impl Asking {
    /// Begins with a seed.
    pub(crate) fn new(seed: u64) -> Asking {
        Asking { random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, ..Asking::default() }
    }

    /// A new layout: other owners, other slots.
    pub(crate) fn forget(&mut self) {
        self.session = None;
        self.round.clear();
        self.urgent.clear();
        self.doubts.clear();
        self.ended.clear();
        self.whole.clear();
    }

    /// Xorshift (Marsaglia 2003).
    fn random(&mut self, below: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random % below.max(1) as u64) as usize
    }

    /// The session, if it is the one that is meant; something of it has moved.
    pub(super) fn session(&mut self, id: u64) -> Option<&mut Session> {
        let now_ms = self.now_ms;
        let session = self.session.as_mut().filter(|session| session.id == id)?;
        session.moved_ms = now_ms;
        Some(session)
    }
}

impl Shard {
    /// A slot is known to be behind: it is compared with its other owners before all others.
    pub fn on_slot_behind(&mut self, slot: Slot) {
        let me = self.config.me;
        let owner = self.layout.owners(slot).contains(&me);
        // One that is filled gets it by that.
        if slot.keeps_hints() || !owner || !self.is_own(slot) || self.fills.holds(slot) {
            return;
        }
        let others = self.layout.owners(slot).iter().filter(|&&owner| owner != me);
        self.exchange.urgent.extend(others.map(|&owner| (owner, slot)));
    }

    fn is_own(&self, slot: Slot) -> bool {
        slot.cell() % self.config.shards == self.config.shard
    }

    /// Other owners and own cells that have slots in common, of the layout that holds.
    fn note_pairs(&mut self) {
        let epoch = self.layout.epoch();
        if self.exchange.pairs_of == epoch {
            return;
        }
        let me = self.config.me;
        let own = Slot::all().filter(|slot| self.is_own(*slot));
        let owners =
            own.map(|slot| (slot, self.layout.owners(slot))).filter(|(_, owners)| owners.contains(&me));
        let pairs: BTreeSet<(MemberNumber, u16)> = owners
            .flat_map(|(slot, owners)| owners.iter().map(move |&owner| (owner, slot.cell())))
            .filter(|&(owner, _)| owner != me)
            .collect();
        self.exchange.pairs = pairs.into_iter().collect();
        self.exchange.pairs_of = epoch;
    }

    /// Time passed.
    pub(crate) fn exchange_tick<S: Storage>(&mut self, cx: &mut Context<'_, S>) {
        self.note_time(cx.now);
        self.note_pairs();
        let now_ms = cx.now.mono_ms;
        let busy = self.is_busy();
        let share = if busy { 8 } else { 1 };
        let asking = &mut self.exchange;
        asking.budget = (asking.budget + EXCHANGE_TICK_BYTES / share).min(EXCHANGE_SAVED_BYTES);
        if let Some(session) = &asking.session {
            if now_ms > session.moved_ms + EXCHANGE_TIMEOUT_MS || !self.liveness.is_live(session.peer) {
                self.give_up_exchange(cx);
            } else {
                self.exchange_on(cx);
            }
        } else if self.config.exchange && now_ms >= asking.next_ms {
            // While much is written, slots differ because writes are under way: to look at them all is work for nothing.
            asking.next_ms = now_ms + if busy { EXCHANGE_BUSY_PAUSE_MS } else { EXCHANGE_PAUSE_MS };
            self.begin_exchange(cx);
        }
    }

    fn begin_exchange<S: Storage>(&mut self, cx: &mut Context<'_, S>) {
        let live = |&&(peer, _): &&(MemberNumber, Slot)| self.liveness.is_live(peer);
        if let Some(&(peer, _)) = self.exchange.urgent.iter().find(live) {
            let of = |&&(other, _): &&(MemberNumber, Slot)| other == peer;
            let slots = self.exchange.urgent.iter().filter(of).take(EXCHANGE_GROUP);
            let slots: VecDeque<Slot> = slots.map(|&(_, slot)| slot).collect();
            slots.iter().for_each(|&slot| {
                self.exchange.urgent.remove(&(peer, slot));
            });
            self.new_session(peer, None, slots, cx);
            return self.exchange_on(cx);
        }
        if self.exchange.round.is_empty() {
            self.exchange.round = self.exchange.pairs.clone();
        }
        while !self.exchange.round.is_empty() {
            let at = self.exchange.random(self.exchange.round.len());
            let (peer, cell) = self.exchange.round.swap_remove(at);
            if !self.liveness.is_live(peer) {
                continue;
            }
            let id = self.new_session(peer, Some(cell), VecDeque::new(), cx);
            let root =
                self.common(cell, peer).fold(0u128, |sum, slot| sum.wrapping_add(self.root(slot, cx.store)));
            return self.ask_exchange(peer, Slot::new(cell), Exchange::Roots { session: id, root }, cx);
        }
    }

    fn new_session<S: Storage>(
        &mut self,
        peer: MemberNumber,
        cell: Option<u16>,
        slots: VecDeque<Slot>,
        cx: &Context<'_, S>,
    ) -> u64 {
        self.exchange.sessions += 1;
        // Not the number of a session of an earlier life.
        let id = u64::from(self.config.starts) << 32 | self.exchange.sessions & 0xffff_ffff;
        self.exchange.session = Some(Session {
            id,
            peer,
            cell,
            moved_ms: cx.now.mono_ms,
            awaits_roots: cell.is_some(),
            groups: Vec::new(),
            slots,
            active: BTreeMap::new(),
        });
        id
    }

    /// Sends a question.
    pub(crate) fn ask_exchange<S: Storage>(
        &mut self,
        peer: MemberNumber,
        slot: Option<Slot>,
        ask: Exchange,
        cx: &mut Context<'_, S>,
    ) {
        self.send(peer, slot, 0, Body::Exchange(ask), cx);
    }

    /// The session ends without having come to its end; the next round asks again.
    pub(crate) fn give_up_exchange<S: Storage>(&mut self, cx: &mut Context<'_, S>) {
        if self.exchange.session.take().is_some() {
            self.exchange.stats.given_up += 1;
            self.exchange.next_ms = cx.now.mono_ms + EXCHANGE_PAUSE_MS;
        }
    }

    /// A peer cannot be reached.
    pub(crate) fn exchange_lost<S: Storage>(&mut self, peer: MemberNumber, cx: &mut Context<'_, S>) {
        if self.exchange.session.as_ref().is_some_and(|session| session.peer == peer) {
            self.give_up_exchange(cx);
        }
    }

    /// An answer of a peer.
    pub(crate) fn exchange_answered<S: Storage>(
        &mut self,
        from: MemberNumber,
        slot: Option<Slot>,
        answer: Exchange,
        cx: &mut Context<'_, S>,
    ) {
        self.note_time(cx.now);
        let Some(answer) = self.fill_answered(from, answer, cx) else { return };
        if self.is_fetch(answer.session()) {
            return self.fetch_answered(from, slot, answer, cx);
        }
        let Some(session) = self.exchange.session(answer.session()) else { return };
        if session.peer != from {
            return;
        }
        let cell = session.cell;
        let bytes = answer.bytes();
        self.exchange.stats.bytes += bytes as u64;
        self.exchange.budget = self.exchange.budget.saturating_sub(bytes);
        let of_slot =
            matches!(answer, Exchange::SlotSums { .. } | Exchange::KeyList { .. } | Exchange::Records { .. });
        if let Some(slot) = slot.filter(|&slot| of_slot && self.withholds(slot, cx.store)) {
            // Damaged since it was asked about.
            self.slot_ended(slot);
            return self.exchange_on(cx);
        }
        match (answer, slot, cell) {
            (Exchange::Groups { groups, .. }, _, Some(cell)) => self.groups_differ(from, cell, &groups, cx),
            (Exchange::SlotRoots { group, roots, .. }, _, Some(cell)) => {
                self.slots_differ(from, cell, group, &roots, cx);
            }
            (Exchange::SlotSums { lines, sums, .. }, Some(slot), _) => {
                self.sums_answered(from, slot, lines, sums, cx);
            }
            (Exchange::KeyList { keys, upto, .. }, Some(slot), _) => {
                self.keys_answered(slot, keys, upto, cx);
            }
            (Exchange::Records { stamp, records, .. }, Some(slot), _) => {
                self.records_answered(slot, stamp, records, cx);
            }
            (Exchange::Incomplete { .. }, Some(slot), _) => {
                self.exchange.doubts.remove(&(from, slot));
                self.slot_ended(slot);
            }
            _ => return self.give_up_exchange(cx),
        }
        self.exchange_on(cx);
    }

    fn groups_differ<S: Storage>(
        &mut self,
        peer: MemberNumber,
        cell: u16,
        theirs: &[u128],
        cx: &Context<'_, S>,
    ) {
        let mut own = [0u128; GROUPS];
        for slot in self.common(cell, peer) {
            let sum = &mut own[usize::from(group(slot))];
            *sum = sum.wrapping_add(self.root(slot, cx.store));
        }
        let unknown: BTreeSet<u8> =
            self.common(cell, peer).filter(|&slot| cx.store.sums(slot).is_none()).map(group).collect();
        let same = |at: usize| theirs.is_empty() || theirs.get(at) == Some(&own[at]);
        let differ: Vec<u8> =
            (0..GROUPS as u8).filter(|at| !same(usize::from(*at)) || unknown.contains(at)).collect();
        self.exchange.doubts.retain(|(owner, slot), _| {
            *owner != peer || slot.cell() != cell || differ.contains(&group(*slot))
        });
        if let Some(session) = &mut self.exchange.session {
            session.awaits_roots = false;
            session.groups = differ;
        }
    }

    fn slots_differ<S: Storage>(
        &mut self,
        peer: MemberNumber,
        cell: u16,
        of: u8,
        theirs: &[u128],
        cx: &Context<'_, S>,
    ) {
        let slots: Vec<Slot> = self.common(cell, peer).filter(|&slot| group(slot) == of).collect();
        let mut differ = VecDeque::new();
        for (at, &slot) in slots.iter().enumerate() {
            if self.withholds(slot, cx.store) {
                continue;
            }
            let same = theirs.get(at) == Some(&self.root(slot, cx.store)) && cx.store.sums(slot).is_some();
            if same {
                self.exchange.doubts.remove(&(peer, slot));
            } else {
                self.exchange.doubts.entry((peer, slot)).or_insert(cx.now.mono_ms);
                differ.push_back(slot);
            }
        }
        self.exchange.stats.slots_differed += differ.len() as u64;
        if let Some(session) = &mut self.exchange.session {
            session.awaits_roots = false;
            session.slots.append(&mut differ);
        }
    }

    /// Asks for what comes next, as far as the budget goes.
    pub(super) fn exchange_on<S: Storage>(&mut self, cx: &mut Context<'_, S>) {
        while self.exchange.budget > 0
            && let Some(session) = &mut self.exchange.session
        {
            if session.active.len() < EXCHANGE_WINDOW
                && let Some(slot) = session.slots.pop_front()
            {
                self.begin_slot(slot, cx);
            } else if !session.active.is_empty() || session.awaits_roots {
                return self.slots_go_on(cx);
            } else if let (Some(group), Some(cell)) = (session.groups.pop(), session.cell) {
                session.awaits_roots = true;
                let (id, peer) = (session.id, session.peer);
                self.ask_exchange(peer, Slot::new(cell), Exchange::Slots { session: id, group }, cx);
            } else {
                return self.exchange_ended(cx);
            }
        }
    }

    fn exchange_ended<S: Storage>(&mut self, cx: &Context<'_, S>) {
        let Some(session) = self.exchange.session.take() else { return };
        self.exchange.stats.sessions += 1;
        self.exchange.next_ms = cx.now.mono_ms + EXCHANGE_PAUSE_MS;
        if let Some(cell) = session.cell {
            self.exchange.ended.insert((session.peer, cell), cx.now.mono_ms);
        }
    }
}
