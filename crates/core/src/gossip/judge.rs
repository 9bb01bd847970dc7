//! Who is down.
//!
//! Down needs three things at once: the heartbeat stood still for longer than the window of *this* server, another
//! live server has seen no more either, and the suspect does not answer this server's pings. If no other live server
//! is left to ask, the first and the last suffice. Up needs news of the member (a heartbeat above the one it was
//! judged by) and either an answer to a ping or a second such step; or answers over a whole window, for a server whose
//! counter was set back.

use super::{Gossip, GossipOut, Suspicion, known::Down};
use crate::{ids::MemberNumber, limits::GOSSIP_SUSPECTS};
use alloc::vec::Vec;

/// What a server thinks of a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Nothing speaks against it.
    Up,
    /// It is to be left out.
    Down,
}

impl Gossip {
    /// Changes verdicts.
    pub(super) fn judge(&mut self, now_ms: u64, answers: &dyn Fn(MemberNumber) -> bool, out: &mut GossipOut) {
        for at in 0..self.members.len() {
            let number = self.members[at].member;
            if number == self.config.me {
                continue;
            }
            let verdict = match self.members[at].down {
                None => self.is_lost(at, now_ms, answers).then_some(Verdict::Down),
                Some(_) => self.has_returned(at, now_ms, answers(number)).then_some(Verdict::Up),
            };
            let Some(verdict) = verdict else { continue };
            let known = &mut self.members[at];
            known.down = (verdict == Verdict::Down).then_some(Down {
                at: known.beat,
                since_ms: now_ms,
                moved: 0,
                answers_ms: None,
            });
            if verdict == Verdict::Up {
                // Back by its answers alone: its counter gets a whole window again.
                known.increased_ms = now_ms;
            }
            out.verdicts.push((number, verdict));
        }
    }

    fn is_lost(&self, at: usize, now_ms: u64, answers: &dyn Fn(MemberNumber) -> bool) -> bool {
        let known = &self.members[at];
        known.is_stale(self.config.down_after_ms, now_ms)
            && !answers(known.member)
            && (known.agreed.is_some() || self.is_suspected_by_another(at, now_ms) || self.is_alone(now_ms))
    }

    fn has_returned(&mut self, at: usize, now_ms: u64, answers: bool) -> bool {
        let window_ms = self.members[at].window_ms(self.config.down_after_ms);
        let known = &mut self.members[at];
        let Some(down) = &mut known.down else { return false };
        if !answers {
            down.answers_ms = None;
            return down.moved >= 2;
        }
        let since_ms = *down.answers_ms.get_or_insert(now_ms);
        known.beat > down.at || now_ms.saturating_sub(since_ms) >= window_ms
    }

    /// Whether a live server says that it has waited in vain for more than this server knows.
    fn is_suspected_by_another(&self, at: usize, now_ms: u64) -> bool {
        self.accusers(at, now_ms).next().is_some()
    }

    /// The live servers whose entries suspect a member at its present heartbeat or a later one.
    pub(super) fn accusers(&self, at: usize, now_ms: u64) -> impl Iterator<Item = MemberNumber> {
        let suspect = &self.members[at];
        self.members.iter().filter_map(move |witness| {
            let accuses = |s: &Suspicion| s.member == suspect.member && s.beat >= suspect.beat;
            let live = witness.member != self.config.me
                && witness.member != suspect.member
                && witness.down.is_none()
                // What its last process said is void.
                && witness.written.generation == witness.beat.generation
                && !witness.is_stale(self.config.down_after_ms, now_ms);
            (live && witness.contents.suspects.iter().any(accuses)).then_some(witness.member)
        })
    }

    /// Whether no other live server is left to ask.
    fn is_alone(&self, now_ms: u64) -> bool {
        let others = self.members.iter().filter(|known| known.member != self.config.me);
        others.into_iter().all(|known| known.is_stale(self.config.down_after_ms, now_ms))
    }

    /// What the own entry says: the heartbeats that stand still, the latest to do so if there are too many, by member.
    pub(super) fn suspicions(&self, now_ms: u64) -> Vec<Suspicion> {
        let stale = self.members.iter().filter(|known| {
            known.member != self.config.me && known.is_stale(self.config.down_after_ms, now_ms)
        });
        let mut stale: Vec<_> = stale.collect();
        stale.sort_by_key(|known| core::cmp::Reverse(known.increased_ms));
        stale.truncate(GOSSIP_SUSPECTS);
        let mut suspicions: Vec<Suspicion> =
            stale.iter().map(|known| Suspicion { member: known.member, beat: known.beat }).collect();
        suspicions.sort_unstable();
        suspicions
    }
}
