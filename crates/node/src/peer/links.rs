//! The links of one shard: where a message to a member goes, and whether a member counts as reachable.
//!
//! A member is up when all links to it that this shard needs are there. Sessions only grow: an older connection is
//! replaced by a newer one and never the other way round.

use super::pairs;
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
    /// A task cares for the connection.
    pub(super) dialing: bool,
    /// Told when the connection is lost or no longer needed, and when now is a good time to dial.
    pub(super) changed: Rc<Notify>,
}

#[derive(Debug, Default)]
struct Peer {
    /// How many shards it has, once that is known.
    shards: Option<u16>,
    /// The places that are needed, by remote shard.
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
        let mut changes = Vec::new();
        for (&number, peer) in self.peers.iter_mut().filter(|(number, _)| gone(number)) {
            peer.keep_only(&[]);
            changes.push((number, LinkState::Down));
        }
        self.peers.retain(|number, _| !gone(number));
        let mut needed = Vec::new();
        for &(number, shards) in members {
            let peer = self.peers.entry(number).or_default();
            peer.shards = shards;
            // Shard 0 meets shard 0 whatever their numbers are; that meeting tells the rest.
            let places = match shards {
                Some(shards) => pairs::needed(self.shard, self.shards, shards),
                None if self.shard == 0 => vec![0],
                None => Vec::new(),
            };
            peer.keep_only(&places);
            needed.extend(places.into_iter().map(|shard| (number, shard)));
            changes.extend(peer.judge().map(|state| (number, state)));
        }
        Followed { needed, changes }
    }

    pub(super) fn place(&mut self, peer: MemberNumber, shard: u16) -> Option<&mut Place> {
        self.peers.get_mut(&peer)?.places.get_mut(&shard)
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

    /// Takes a new connection, unless it is not needed or a newer one is there. The answer is the member's new state,
    /// if it changed; replacing a connection counts as loss first.
    pub(super) fn connect(
        &mut self,
        peer: MemberNumber,
        shard: u16,
        session: u64,
        output: Output,
    ) -> Result<Vec<LinkState>, &'static str> {
        let found = self.peers.get_mut(&peer).ok_or("it is not a member")?;
        let place = found.places.get_mut(&shard).ok_or("these shards need no link")?;
        if place.link.as_ref().is_some_and(|link| link.session >= session) {
            return Err("a newer connection is there");
        }
        let mut states = Vec::new();
        if let Some(mut old) = place.link.replace(Link { output, session }) {
            old.output.shut_down();
            if std::mem::take(&mut found.up) {
                states.push(LinkState::Down);
            }
        }
        states.extend(found.judge());
        Ok(states)
    }

    /// Forgets a connection that ended. The answer is the member's new state, if it changed.
    pub(super) fn disconnect(&mut self, peer: MemberNumber, shard: u16, session: u64) -> Option<LinkState> {
        let found = self.peers.get_mut(&peer)?;
        let place = found.places.get_mut(&shard)?;
        if place.link.as_ref().is_some_and(|link| link.session == session) {
            place.link = None;
            place.changed.notify_one();
        }
        found.judge()
    }

    /// The output of a link.
    pub(crate) fn output(&mut self, peer: MemberNumber, shard: u16) -> Option<&mut Output> {
        Some(&mut self.place(peer, shard)?.link.as_mut()?.output)
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
        // A peer that was away for a while comes back to a full link; what it asks then must still be answered.
        let budget = LINK_BYTES + if message.is_answer() { LINK_ANSWER_BYTES } else { 0 };
        if !single && encode_frame(&message, self.cluster_tag, &mut self.scratch).is_err() {
            failed.extend(to.iter().map(|&peer| (peer, message.clone())));
            return;
        }
        for &peer in to {
            let sent = self.peers.get_mut(&peer).and_then(|found| {
                let shard = pairs::shard_of(message.slot, found.shards?);
                let output = &mut found.places.get_mut(&shard)?.link.as_mut()?.output;
                if output.waiting() >= budget {
                    return None;
                }
                if single {
                    encode_frame(&message, self.cluster_tag, output.buffer()).ok()?;
                } else {
                    output.buffer().extend_from_slice(&self.scratch);
                }
                if !std::mem::replace(&mut output.dirty, true) {
                    dirty.push((peer, shard));
                }
                Some(())
            });
            if sent.is_none() {
                failed.push((peer, message.clone()));
            }
        }
    }

    /// Members all of whose needed links are there.
    pub(crate) fn up(&self) -> Vec<MemberNumber> {
        self.peers.iter().filter(|(_, peer)| peer.up).map(|(&number, _)| number).collect()
    }

    /// Links that are there, and links that should be.
    pub(crate) fn count(&self) -> (u64, u64) {
        let places = || self.peers.values().flat_map(|peer| peer.places.values());
        (places().filter(|place| place.link.is_some()).count() as u64, places().count() as u64)
    }
}

impl Peer {
    /// Makes the places needed and closes the others.
    fn keep_only(&mut self, needed: &[u16]) {
        self.places.retain(|shard, place| {
            let keep = needed.contains(shard);
            if !keep {
                if let Some(link) = &mut place.link {
                    link.output.shut_down();
                }
                place.changed.notify_one();
            }
            keep
        });
        for &shard in needed {
            self.places.entry(shard).or_default();
        }
    }

    /// The new state, if it changed.
    fn judge(&mut self) -> Option<LinkState> {
        let up = self.shards.is_some()
            && !self.places.is_empty()
            && self.places.values().all(|place| place.link.is_some());
        if up == self.up {
            return None;
        }
        self.up = up;
        Some(if up { LinkState::Up } else { LinkState::Down })
    }
}
