//! Links between servers: sessions of ordered lanes, with delay, cuts and budgets.
//!
//! A link carries frames only within one session; frames of an older session are dropped on arrival. A cut either
//! stalls frames until it is mended, or swallows them, or breaks the session. In a *wild* network frames of one
//! session are also dropped, doubled and reordered at will, which no TCP link does but the algebra must stand.

use crate::random::{chance, span};
use bytes::Bytes;
use fastrand::Rng;

/// Independent orders within a link, as several shard-to-shard connections would have.
const LANES: usize = 4;

/// Longest way of a frame, in microseconds.
const LONGEST_US: u64 = 2_000_000;

/// How the network behaves when nothing is broken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    /// Shortest way of a frame, in microseconds.
    pub(crate) delay_low_us: u64,
    /// Longest usual way of a frame, in microseconds.
    pub(crate) delay_high_us: u64,
    /// Frames in a thousand that take up to 40 times as long.
    pub(crate) straggle_per_mille: u32,
    /// Frames in a thousand that vanish.
    pub(crate) drop_per_mille: u32,
    /// Frames in a thousand that arrive twice.
    pub(crate) double_per_mille: u32,
    /// Lanes keep their order.
    pub(crate) ordered: bool,
    /// Frames that one direction of a link holds before it is full.
    pub(crate) budget: usize,
}

/// What a cut does to frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cut {
    /// Keeps them until it is mended.
    Stall,
    /// Swallows them.
    Swallow,
}

/// One direction of a link.
#[derive(Debug, Default)]
struct Lane {
    last_us: [u64; LANES],
    stalled: Vec<(u64, Bytes)>,
    /// The cut that holds now and its number; the number tells mends of older cuts apart.
    cut: Option<(Cut, u64)>,
    in_flight: usize,
    /// How many times slower than usual.
    slowness: u64,
    /// What the sending end believes.
    up: bool,
}

/// A link between two servers.
#[derive(Debug, Default)]
struct Link {
    session: u64,
    alive: bool,
    lanes: [Lane; 2],
}

/// Something to send.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// What travels.
    pub(crate) bytes: Bytes,
    /// Which order it keeps.
    pub(crate) lane: u16,
    /// Must not be doubled even in a wild network: a call, which is no part of the algebra.
    pub(crate) once: bool,
}

/// What becomes of a frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It arrives at these instants (none if it is lost).
    Arrives { session: u64, at_us: Vec<u64> },
    /// The link is down or full: the sender knows.
    Failed,
}

/// All links of a cluster.
#[derive(Debug)]
pub(crate) struct Network {
    servers: usize,
    links: Vec<Link>,
    style: Style,
    rng: Rng,
    cuts: u64,
}

impl Network {
    /// Links between all servers, none connected yet.
    pub(crate) fn new(servers: usize, style: Style, rng: Rng) -> Network {
        let links = (0..servers * servers).map(|_| Link::default()).collect();
        Network { servers, links, style, rng, cuts: 0 }
    }

    fn link(&mut self, from: usize, to: usize) -> (&mut Link, usize) {
        let (low, high, direction) = if from < to { (from, to, 0) } else { (to, from, 1) };
        (&mut self.links[low * self.servers + high], direction)
    }

    /// A frame leaves.
    pub(crate) fn send(&mut self, from: usize, to: usize, frame: &Frame, now_us: u64) -> Sent {
        let style = self.style;
        let lane = usize::from(frame.lane) % LANES;
        let mut rng = self.rng.clone();
        let (link, direction) = self.link(from, to);
        let session = link.session;
        let alive = link.alive;
        let way = &mut link.lanes[direction];
        if !way.up || way.in_flight + way.stalled.len() >= style.budget {
            return Sent::Failed;
        }
        if !alive {
            return Sent::Arrives { session, at_us: Vec::new() };
        }
        match way.cut {
            Some((Cut::Stall, _)) => {
                way.stalled.push((lane as u64, frame.bytes.clone()));
                return Sent::Arrives { session, at_us: Vec::new() };
            }
            Some((Cut::Swallow, _)) => return Sent::Arrives { session, at_us: Vec::new() },
            None => {}
        }
        let mut at_us = Vec::new();
        let copies = match (chance(&mut rng, style.drop_per_mille), chance(&mut rng, style.double_per_mille))
        {
            (true, _) => 0,
            (_, true) if !frame.once => 2,
            _ => 1,
        };
        for copy in 0..copies {
            at_us.push(way.arrival(lane, &style, copy > 0, &mut rng, now_us));
        }
        way.in_flight += copies;
        self.rng = rng;
        Sent::Arrives { session, at_us }
    }

    /// A frame arrives: whether its session still lives.
    pub(crate) fn arrived(&mut self, from: usize, to: usize, session: u64) -> bool {
        let (link, direction) = self.link(from, to);
        if link.session != session {
            return false;
        }
        let way = &mut link.lanes[direction];
        way.in_flight = way.in_flight.saturating_sub(1);
        link.alive && !matches!(link.lanes[direction].cut, Some((Cut::Swallow, _)))
    }

    /// Cuts one direction; the number that is returned mends it.
    pub(crate) fn cut(&mut self, from: usize, to: usize, cut: Cut) -> u64 {
        self.cuts += 1;
        let number = self.cuts;
        let (link, direction) = self.link(from, to);
        link.lanes[direction].cut = Some((cut, number));
        number
    }

    /// Ends a cut, if it still is the one that holds; stalled frames go on. Returns session and arrivals.
    pub(crate) fn mend(&mut self, from: usize, to: usize, cut: u64, now_us: u64) -> (u64, Vec<(u64, Bytes)>) {
        let style = self.style;
        let mut rng = self.rng.fork();
        let (link, direction) = self.link(from, to);
        let session = link.session;
        let way = &mut link.lanes[direction];
        if way.cut.is_none_or(|(_, number)| number != cut) {
            return (session, Vec::new());
        }
        way.cut = None;
        let stalled = std::mem::take(&mut way.stalled);
        way.in_flight += stalled.len();
        let arrivals = stalled
            .into_iter()
            .map(|(lane, frame)| (way.arrival(lane as usize, &style, false, &mut rng, now_us), frame))
            .collect();
        (session, arrivals)
    }

    /// Ends every cut, every slowness and every loss. Returns the links whose sessions lack frames, or have some
    /// that are long under way.
    pub(crate) fn calm(&mut self, now_us: u64) -> Vec<(usize, usize)> {
        self.style = Style {
            drop_per_mille: 0,
            double_per_mille: 0,
            straggle_per_mille: 0,
            budget: 4_096,
            ..self.style
        };
        let mut cut = Vec::new();
        for (index, link) in self.links.iter_mut().enumerate() {
            let late = |way: &Lane| way.last_us.iter().any(|last_us| *last_us > now_us + 50_000);
            if link.lanes.iter().any(|way| way.cut.is_some() || late(way)) {
                cut.push((index / self.servers, index % self.servers));
            }
            for way in &mut link.lanes {
                way.cut = None;
                way.slowness = 0;
            }
        }
        cut
    }

    /// Makes one direction slower, by this factor.
    pub(crate) fn slow(&mut self, from: usize, to: usize, slowness: u64) {
        let (link, direction) = self.link(from, to);
        link.lanes[direction].slowness = slowness;
    }

    /// The session ends. Returns it if it lived.
    pub(crate) fn kill(&mut self, a: usize, b: usize) -> Option<u64> {
        let (link, _) = self.link(a, b);
        if !link.alive {
            return None;
        }
        link.alive = false;
        link.lanes.iter_mut().for_each(|way| way.stalled.clear());
        Some(link.session)
    }

    /// An end learns that its session is gone; whether that is news.
    pub(crate) fn notice(&mut self, at: usize, peer: usize, session: u64) -> bool {
        let (link, direction) = self.link(at, peer);
        let news = link.lanes[direction].up && link.session == session && !link.alive;
        if news {
            link.lanes[direction].up = false;
        }
        news
    }

    /// Whether the link has a session.
    pub(crate) fn is_alive(&mut self, a: usize, b: usize) -> bool {
        self.link(a, b).0.alive
    }

    /// Tries to connect: whether a session lives now that did not before, and which ends must first learn that
    /// the one before is gone.
    pub(crate) fn connect(&mut self, a: usize, b: usize) -> Option<[bool; 2]> {
        let (link, direction) = self.link(a, b);
        if link.alive || link.lanes.iter().any(|way| way.cut.is_some()) {
            return None;
        }
        link.alive = true;
        link.session += 1;
        let stale = [link.lanes[direction].up, link.lanes[1 - direction].up];
        for way in &mut link.lanes {
            way.up = true;
            way.last_us = [0; LANES];
            way.in_flight = 0;
            way.stalled.clear();
        }
        Some(stale)
    }

    /// A process starts or ends: its own ends of all links are down.
    pub(crate) fn forget(&mut self, server: usize) {
        for peer in (0..self.servers).filter(|peer| *peer != server) {
            let (link, direction) = self.link(server, peer);
            link.lanes[direction].up = false;
        }
    }
}

impl Lane {
    fn arrival(&mut self, lane: usize, style: &Style, again: bool, rng: &mut Rng, now_us: u64) -> u64 {
        let mut delay = span(rng, style.delay_low_us, style.delay_high_us);
        if chance(rng, style.straggle_per_mille) {
            delay *= rng.u64(2..=40);
        }
        if again {
            delay *= rng.u64(1..=100);
        }
        let at_us = now_us + (delay * self.slowness.max(1)).min(LONGEST_US);
        if !style.ordered {
            return at_us;
        }
        let at_us = at_us.max(self.last_us[lane] + 1);
        self.last_us[lane] = at_us;
        at_us
    }
}
