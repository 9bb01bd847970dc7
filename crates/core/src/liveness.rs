//! Which peers answer, and whose clock is off: the part of failure detection that is faster than gossip.
//!
//! A peer whose link is down, or that has been silent for [`SILENT_MS`], is asked last and left out of the routing
//! map; so is one that gossip holds for down. This never changes who owns a slot nor how many answers are a quorum.

use crate::{
    gossip::Verdict,
    hlc::Now,
    ids::MemberNumber,
    limits::{CLOCK_SKEW_MS, PING_MS, SILENT_MS},
    outbox::Event,
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

/// Round trips longer than this say nothing about a clock, in milliseconds.
const USEFUL_ROUND_TRIP_MS: u64 = 200;

#[derive(Debug, Default)]
struct Peer {
    up: bool,
    heard_ms: u64,
    pinged_ms: u64,
    live: bool,
    /// The peer's clock is off against the own one.
    skewed: bool,
}

/// What this shard knows of its peers.
#[derive(Debug, Default)]
pub(crate) struct Liveness {
    peers: BTreeMap<MemberNumber, Peer>,
    /// Whom gossip holds for down.
    down: BTreeSet<MemberNumber>,
    own_skewed: bool,
}

impl Liveness {
    /// Whether the link is there, the peer was heard lately, and gossip does not hold it for down.
    pub(crate) fn is_live(&self, peer: MemberNumber) -> bool {
        self.answers(peer) && !self.is_down(peer)
    }

    /// Whether the link is there and the peer was heard lately.
    pub(crate) fn answers(&self, peer: MemberNumber) -> bool {
        self.peers.get(&peer).is_some_and(|peer| peer.live)
    }

    /// Whether gossip holds a peer for down.
    pub(crate) fn is_down(&self, peer: MemberNumber) -> bool {
        self.down.contains(&peer)
    }

    /// Gossip came to a verdict.
    pub(crate) fn judged(&mut self, peer: MemberNumber, verdict: Verdict) {
        match verdict {
            Verdict::Down => self.down.insert(peer),
            Verdict::Up => self.down.remove(&peer),
        };
    }

    /// Whether a message has any chance to leave.
    pub(crate) fn is_up(&self, peer: MemberNumber) -> bool {
        self.peers.get(&peer).is_some_and(|peer| peer.up)
    }

    /// Whether the own clock is off against two others.
    pub(crate) fn own_skewed(&self) -> bool {
        self.own_skewed
    }

    /// A link came or went.
    pub(crate) fn link(&mut self, number: MemberNumber, up: bool, now: Now, events: &mut Vec<Event>) {
        let peer = self.peers.entry(number).or_default();
        peer.up = up;
        if up {
            peer.heard_ms = now.mono_ms;
            peer.pinged_ms = 0;
        } else {
            peer.skewed = false;
        }
        Self::judge(number, peer, now, events);
    }

    /// Anything arrived from a peer.
    pub(crate) fn heard(&mut self, number: MemberNumber, now: Now, events: &mut Vec<Event>) {
        let peer = self.peers.entry(number).or_default();
        peer.heard_ms = now.mono_ms;
        if !peer.live {
            Self::judge(number, peer, now, events);
        }
    }

    /// A ping came back.
    pub(crate) fn pong(
        &mut self,
        number: MemberNumber,
        sent_ms: u64,
        wall_ms: u64,
        now: Now,
        events: &mut Vec<Event>,
    ) {
        let Some(peer) = self.peers.get_mut(&number) else { return };
        let Some(trip_ms) = now.mono_ms.checked_sub(sent_ms) else { return };
        if trip_ms > USEFUL_ROUND_TRIP_MS {
            return;
        }
        // The answer was written between the ping and now: what lies outside that window is skew.
        let earliest = now.wall_ms.saturating_sub(trip_ms);
        let off_ms = earliest.saturating_sub(wall_ms).max(wall_ms.saturating_sub(now.wall_ms));
        let skewed = off_ms > CLOCK_SKEW_MS;
        if skewed && !peer.skewed {
            events.push(Event::PeerSkewed(number));
        }
        peer.skewed = skewed;
        let own = self.peers.values().filter(|peer| peer.skewed).count() >= 2;
        if own != self.own_skewed {
            self.own_skewed = own;
            events.push(Event::OwnClockSkewed(own));
        }
    }

    /// Time passed. Returns whom to ping.
    pub(crate) fn tick(&mut self, now: Now, events: &mut Vec<Event>) -> Vec<MemberNumber> {
        let mut pings = Vec::new();
        for (&number, peer) in &mut self.peers {
            Self::judge(number, peer, now, events);
            if peer.up && now.mono_ms >= peer.pinged_ms + PING_MS {
                peer.pinged_ms = now.mono_ms;
                pings.push(number);
            }
        }
        pings
    }

    /// Forgets peers that are no members any more.
    pub(crate) fn retain(&mut self, member: impl Fn(MemberNumber) -> bool) {
        self.peers.retain(|&number, _| member(number));
        self.down.retain(|&number| member(number));
    }

    fn judge(number: MemberNumber, peer: &mut Peer, now: Now, events: &mut Vec<Event>) {
        let live = peer.up && now.mono_ms.saturating_sub(peer.heard_ms) < SILENT_MS;
        if live != peer.live {
            peer.live = live;
            events.push(if live { Event::PeerAlive(number) } else { Event::PeerSuspected(number) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: MemberNumber = MemberNumber(1);
    const B: MemberNumber = MemberNumber(2);

    fn at(mono_ms: u64) -> Now {
        Now { mono_ms, wall_ms: 1_000_000 + mono_ms }
    }

    #[test]
    fn silence_and_a_closed_link_both_suspect_a_peer() {
        let (mut liveness, mut events) = (Liveness::default(), Vec::new());
        liveness.link(A, true, at(0), &mut events);
        assert!(liveness.is_live(A));
        liveness.tick(at(SILENT_MS - 1), &mut events);
        assert!(liveness.is_live(A));
        liveness.tick(at(SILENT_MS), &mut events);
        assert!(!liveness.is_live(A));
        liveness.heard(A, at(SILENT_MS + 5), &mut events);
        assert!(liveness.is_live(A));
        liveness.link(A, false, at(SILENT_MS + 6), &mut events);
        assert!(!liveness.is_live(A));
        let expected =
            [Event::PeerAlive(A), Event::PeerSuspected(A), Event::PeerAlive(A), Event::PeerSuspected(A)];
        assert_eq!(events, expected);
    }

    #[test]
    fn off_against_two_others_is_off_itself() {
        let (mut liveness, mut events) = (Liveness::default(), Vec::new());
        for peer in [A, B] {
            liveness.link(peer, true, at(0), &mut events);
        }
        let wrong = at(10).wall_ms + CLOCK_SKEW_MS + 1;
        liveness.pong(A, 5, wrong, at(10), &mut events);
        assert!(!liveness.own_skewed());
        liveness.pong(B, 5, wrong, at(10), &mut events);
        assert!(liveness.own_skewed());
        liveness.pong(B, 5, at(10).wall_ms - 3, at(10), &mut events);
        assert!(!liveness.own_skewed());
    }
}
