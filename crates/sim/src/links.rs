//! Links come and go: sessions break, ends learn it at different times, and connect again.

use crate::{
    event::{Event, Mend},
    server::{Input, State},
    world::World,
};
use clockwise_core::shard::LinkState;

/// How long a connection takes to try again, at most.
const RECONNECT_US: u64 = 150_000;

impl World {
    pub(crate) fn link_changes(&mut self, at: usize, peer: usize, state: LinkState) {
        let number = self.servers[peer].number;
        if self.servers[at].state == State::Down {
            return;
        }
        self.note(|| format!("s{} sees its link to {number} {state:?}", at + 1));
        self.drive_all(at, || Input::Link(number, state));
    }

    /// A link's session breaks and both ends learn it soon.
    pub(crate) fn break_link(&mut self, a: usize, b: usize) {
        let late = self.link_rng.u64(0..50_000);
        self.lose_link(a, b, late);
    }

    /// Breaks a link after a while.
    pub(crate) fn doom_link(&mut self, a: usize, b: usize, late_us: u64) {
        if late_us == 0 {
            self.break_link(a, b);
        } else {
            self.queue.after(late_us, Event::Mend(Mend::Break { a, b }));
        }
    }

    pub(crate) fn lose_link(&mut self, a: usize, b: usize, late_us: u64) {
        let Some(session) = self.network.kill(a, b) else { return };
        let other = self.link_rng.u64(0..20_000);
        self.queue.after(late_us, Event::LinkDown { at: b, peer: a, session });
        self.queue.after(other, Event::LinkDown { at: a, peer: b, session });
        let again = self.link_rng.u64(5_000..RECONNECT_US);
        self.queue.after(again, Event::Reconnect { a, b });
    }

    pub(crate) fn reconnect(&mut self, a: usize, b: usize) {
        let both = [a, b].iter().all(|end| self.servers[*end].state == State::Running);
        let connected = if both { self.network.connect(a, b) } else { None };
        match connected {
            Some(stale) => {
                for (end, peer, stale) in [(a, b, stale[0]), (b, a, stale[1])] {
                    if stale {
                        self.link_changes(end, peer, LinkState::Down);
                    }
                    self.link_changes(end, peer, LinkState::Up);
                }
            }
            None if !self.network.is_alive(a, b) => {
                let again = self.link_rng.u64(5_000..RECONNECT_US);
                self.queue.after(again, Event::Reconnect { a, b });
            }
            None => {}
        }
    }
}
