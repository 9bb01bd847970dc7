//! The links of one shard: where a message to a member goes, and whether a member counts as reachable.
//!
//! A member is up when all links to it that this shard needs are there. Sessions only grow: an older connection is
//! replaced by a newer one and never the other way round. A connection that is no longer needed because the other
//! members changed is *leaving*: nothing new takes it, but what is on its way on it arrives.

use super::pairs::{Form, Pairing};
use crate::{
    limits::{LINK_ANSWER_BYTES, LINK_BYTES},
    shard::output::Output,
};
use clockwise_core::{ids::MemberNumber, message::Message, shard::LinkState};
use clockwise_wire::peer::encode_frame;
use std::{collections::BTreeMap, rc::Rc};
use tokio::sync::Notify;

/// A connection that stands.
#[derive(Debug)]
struct Link {
    output: Output,
    session: u64,
}

/// What belongs to one remote shard.
#[derive(Debug, Default)]
pub(super) struct Place {
    link: Option<Link>,
    /// Not needed any more; goes soon.
    leaving: bool,
    /// A task cares for the connection.
    pub(super) dialing: bool,
    /// Told when the connection is lost or no longer needed, and when now is a good time to dial.
    pub(super) changed: Rc<Notify>,
}

#[derive(Debug, Default)]
struct Peer {
    /// Which links there are, once it is known how many shards it has.
    pairing: Option<Pairing>,
    /// The places that are needed and those that are leaving, by remote shard.
    places: BTreeMap<u16, Place>,
    up: bool,
}

/// What follows from a layout.
#[derive(Debug)]
pub(super) struct Followed {
    /// The remote shards that need a link.
    pub(super) needed: Vec<(MemberNumber, u16)>,
    /// Members whose state changed.
    pub(super) changes: Vec<(MemberNumber, LinkState)>,
    /// Connections that are leaving from now on.
    pub(super) leaving: Vec<(MemberNumber, u16)>,
}

/// What follows from a connection that came or went.
#[derive(PartialEq, Eq, Debug, Default)]
pub(super) struct Change {
    /// The member's new states, in order.
    pub(super) states: Vec<LinkState>,
    /// Other shards of this server may have waited for what was on the connection that went.
    pub(super) concerns_all: bool,
}

/// How an attempt to put a message on a link ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Append {
    Done,
    /// The link is there, but full, or the message is too long for it.
    Refused,
    Missing,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Links {
    shard: u16,
    shards: u16,
    cluster_tag: u64,
    peers: BTreeMap<MemberNumber, Peer>,
    scratch: Vec<u8>,
}

impl Links {
    pub(crate) fn new(shard: u16, shards: u16) -> Links {
        Links { shard, shards, cluster_tag: 0, peers: BTreeMap::new(), scratch: Vec::new() }
    }

    /// What every frame carries of the cluster's id.
    pub(super) fn cluster_tag(&self) -> u64 {
        self.cluster_tag
    }

    /// Follows the layout: which members there are, with the number of shards of those that said so.
    pub(super) fn follow(&mut self, cluster_tag: u64, members: &[(MemberNumber, Option<u16>)]) -> Followed {
        self.cluster_tag = cluster_tag;
        let gone = |number: &MemberNumber| members.iter().all(|(member, _)| member != number);
        let mut followed = Followed { needed: Vec::new(), changes: Vec::new(), leaving: Vec::new() };
        for (&number, peer) in self.peers.iter_mut().filter(|(number, _)| gone(number)) {
            peer.keep_only(&[]);
            followed.changes.push((number, LinkState::Down));
        }
        self.peers.retain(|number, _| !gone(number));
        for &(number, shards) in members {
            let peer = self.peers.entry(number).or_default();
            let pairing = shards.map(|shards| Pairing::between(self.shards, shards, members.len()));
            // Shard 0 meets shard 0 whatever their numbers are; that meeting tells the rest.
            let places = match pairing {
                Some(pairing) => pairing.needed(self.shard),
                None if self.shard == 0 => vec![0],
                None => Vec::new(),
            };
            let before = std::mem::replace(&mut peer.pairing, pairing);
            if before.is_some_and(|before| Some(before.theirs()) == shards) {
                followed.leaving.extend(peer.let_go(&places).into_iter().map(|shard| (number, shard)));
            } else if peer.keep_only(&places) && std::mem::take(&mut peer.up) {
                followed.changes.push((number, LinkState::Down));
            }
            peer.make(&places);
            followed.needed.extend(places.into_iter().map(|shard| (number, shard)));
            followed.changes.extend(peer.judge().map(|state| (number, state)));
        }
        followed
    }

    /// What belongs to a remote shard, if a link to it is needed.
    pub(super) fn place(&mut self, peer: MemberNumber, shard: u16) -> Option<&mut Place> {
        self.peers.get_mut(&peer)?.places.get_mut(&shard).filter(|place| !place.leaving)
    }

    /// Closes a connection that has been leaving for long enough, unless it is needed again.
    pub(super) fn close_leaving(&mut self, peer: MemberNumber, shard: u16) {
        let Some(found) = self.peers.get_mut(&peer) else { return };
        if found.places.get(&shard).is_some_and(|place| place.leaving)
            && let Some(mut place) = found.places.remove(&shard)
        {
            place.close();
        }
    }

    /// Whether there is a connection.
    pub(super) fn is_connected(&self, peer: MemberNumber, shard: u16) -> bool {
        self.peers
            .get(&peer)
            .and_then(|peer| peer.places.get(&shard))
            .is_some_and(|place| place.link.is_some())
    }

    /// Whether this session is the one that counts.
    pub(super) fn is_current(&self, peer: MemberNumber, shard: u16, session: u64) -> bool {
        let place = self.peers.get(&peer).and_then(|peer| peer.places.get(&shard));
        place.and_then(|place| place.link.as_ref()).is_some_and(|link| link.session == session)
    }

    /// Takes a new connection, unless it is not needed or a newer one is there. Replacing a connection counts as loss
    /// first.
    pub(super) fn connect(
        &mut self,
        peer: MemberNumber,
        shard: u16,
        session: u64,
        output: Output,
    ) -> Result<Change, &'static str> {
        let found = self.peers.get_mut(&peer).ok_or("it is not a member")?;
        let place = found.places.get_mut(&shard).filter(|place| !place.leaving);
        let place = place.ok_or("these shards need no link")?;
        if place.link.as_ref().is_some_and(|link| link.session >= session) {
            return Err("a newer connection is there");
        }
        let mut change = Change::default();
        if let Some(mut old) = place.link.replace(Link { output, session }) {
            old.output.shut_down();
            change = found.lost();
        }
        change.states.extend(found.judge());
        Ok(change)
    }

    /// Forgets a connection that ended.
    pub(super) fn disconnect(&mut self, peer: MemberNumber, shard: u16, session: u64) -> Change {
        let Some(found) = self.peers.get_mut(&peer) else { return Change::default() };
        let Some(place) = found.places.get_mut(&shard) else { return Change::default() };
        if place.link.as_ref().is_none_or(|link| link.session != session) {
            return Change::default();
        }
        place.link = None;
        place.changed.notify_one();
        if place.leaving {
            found.places.remove(&shard);
        }
        let mut change = found.lost();
        change.states.extend(found.judge());
        change
    }

    /// The output of a link.
    pub(crate) fn output(&mut self, peer: MemberNumber, shard: u16) -> Option<&mut Output> {
        Some(&mut self.peers.get_mut(&peer)?.places.get_mut(&shard)?.link.as_mut()?.output)
    }

    /// Appends a message to the link of each receiver; links that were empty before are noted as dirty. Receivers
    /// whose link is down or full are noted as failed.
    pub(crate) fn send(
        &mut self,
        to: &[MemberNumber],
        message: Message,
        dirty: &mut Vec<(MemberNumber, u16)>,
        failed: &mut Vec<(MemberNumber, Message)>,
    ) {
        self.scratch.clear();
        let single = to.len() == 1;
        if !single && encode_frame(&message, self.cluster_tag, &mut self.scratch).is_err() {
            failed.extend(to.iter().map(|&peer| (peer, message.clone())));
            return;
        }
        for &peer in to {
            if self.append(peer, &message, single, dirty) != Append::Done {
                failed.push((peer, message.clone()));
            }
        }
    }

    /// Appends a message to the link that it takes to a peer, from scratch unless it has a single receiver.
    fn append(
        &mut self,
        peer: MemberNumber,
        message: &Message,
        single: bool,
        dirty: &mut Vec<(MemberNumber, u16)>,
    ) -> Append {
        // A peer that was away for a while comes back to a full link; what it asks then must still be answered.
        let budget = LINK_BYTES + if message.is_answer() { LINK_ANSWER_BYTES } else { 0 };
        let (tag, scratch) = (self.cluster_tag, &self.scratch);
        let Some(found) = self.peers.get_mut(&peer) else { return Append::Missing };
        let Some(pairing) = found.pairing else { return Append::Missing };
        let mut append = |shard| {
            let place = found.places.get_mut(&shard);
            let Some(link) = place.and_then(|place| place.link.as_mut()) else { return Append::Missing };
            let output = &mut link.output;
            if output.waiting() >= budget {
                return Append::Refused;
            }
            if !single {
                output.buffer().extend_from_slice(scratch);
            } else if encode_frame(message, tag, output.buffer()).is_err() {
                return Append::Refused;
            }
            if !std::mem::replace(&mut output.dirty, true) {
                dirty.push((peer, shard));
            }
            Append::Done
        };
        let shard = pairing.route(self.shard, message.slot);
        match append(shard) {
            // The peer takes it to the right shard.
            Append::Missing => append(pairing.detour(self.shard, message.slot)),
            tried => tried,
        }
    }

    /// Whether all needed links to a member are there.
    pub(crate) fn is_up(&self, peer: MemberNumber) -> bool {
        self.peers.get(&peer).is_some_and(|peer| peer.up)
    }

    /// Members all of whose needed links are there.
    pub(crate) fn up(&self) -> Vec<MemberNumber> {
        self.peers.iter().filter(|(_, peer)| peer.up).map(|(&number, _)| number).collect()
    }

    /// Links that are there, leaving ones among them, and links that should be.
    pub(crate) fn count(&self) -> (u64, u64) {
        let places = || self.peers.values().flat_map(|peer| peer.places.values());
        let up = places().filter(|place| place.link.is_some()).count();
        let wanted = places().filter(|place| !place.leaving).count();
        (up as u64, wanted as u64)
    }
}

impl Place {
    /// Closes the connection and ends the task.
    fn close(&mut self) {
        if let Some(mut link) = self.link.take() {
            link.output.shut_down();
        }
        self.changed.notify_one();
    }
}

impl Peer {
    /// Makes the places needed.
    fn make(&mut self, needed: &[u16]) {
        for &shard in needed {
            self.places.entry(shard).or_default().leaving = false;
        }
    }

    /// Closes the places that are not needed. True if a connection was among them.
    fn keep_only(&mut self, needed: &[u16]) -> bool {
        let mut closed = false;
        self.places.retain(|shard, place| {
            let keep = needed.contains(shard);
            if !keep {
                closed |= place.link.is_some();
                place.close();
            }
            keep
        });
        closed
    }

    /// As [`Peer::keep_only`], but connections that stand may carry what is on its way. The answer is those that
    /// are leaving from now on.
    fn let_go(&mut self, needed: &[u16]) -> Vec<u16> {
        let mut leaving = Vec::new();
        self.places.retain(|&shard, place| {
            if needed.contains(&shard) || place.leaving {
                return true;
            }
            // Its task ends; should the place be needed again, it gets another one.
            std::mem::take(&mut place.changed).notify_one();
            (place.leaving, place.dialing) = (true, false);
            leaving.extend(place.link.is_some().then_some(shard));
            place.link.is_some()
        });
        leaving
    }

    /// A connection is gone: whoever waits for an answer on it is to know, even if it was not the link of that shard.
    fn lost(&mut self) -> Change {
        let was_up = std::mem::take(&mut self.up);
        Change {
            states: was_up.then_some(LinkState::Down).into_iter().collect(),
            concerns_all: self.pairing.is_some_and(|pairing| pairing.form() == Form::EachServer),
        }
    }

    /// The new state, if it changed.
    fn judge(&mut self) -> Option<LinkState> {
        let needed = || self.places.values().filter(|place| !place.leaving);
        let up =
            self.pairing.is_some() && needed().next().is_some() && needed().all(|place| place.link.is_some());
        if up == self.up {
            return None;
        }
        self.up = up;
        Some(if up { LinkState::Up } else { LinkState::Down })
    }
}

#[cfg(test)]
mod tests;
