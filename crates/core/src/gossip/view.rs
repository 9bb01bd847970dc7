//! What the machine knows, for those who show it.

use super::{Beat, Contents, Gossip};
use crate::ids::MemberNumber;
use alloc::vec::Vec;

/// How a member is doing, as this server sees it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum MemberState {
    /// Its heartbeat goes on.
    Up,
    /// Its heartbeat stands still, but it answers, or nobody else has missed it yet.
    Stale,
    /// See [`Verdict::Down`](super::Verdict::Down).
    Down,
}

/// A member as this server sees it.
#[derive(Clone, Debug)]
pub struct MemberView {
    /// Who.
    pub member: MemberNumber,
    /// How it is doing.
    pub state: MemberState,
    /// The latest that was heard of it.
    pub beat: Beat,
    /// Milliseconds since that was news.
    pub age_ms: u64,
    /// Milliseconds that it may take.
    pub window_ms: u64,
    /// Since when it is down, in monotonic milliseconds.
    pub down_since_ms: Option<u64>,
    /// Other live servers that have seen no more of it either.
    pub said_by: Vec<MemberNumber>,
    /// What it says of itself; `None` if that has not arrived.
    pub contents: Option<Contents>,
}

impl Gossip {
    /// All members but this server.
    pub fn views(&self, now_ms: u64) -> impl Iterator<Item = MemberView> {
        (0..self.members.len())
            .filter(|&at| self.members[at].member != self.config.me)
            .map(move |at| self.view_at(at, now_ms))
    }

    /// One member.
    pub fn view(&self, member: MemberNumber, now_ms: u64) -> Option<MemberView> {
        self.place(member, 0).map(|at| self.view_at(at, now_ms))
    }

    fn view_at(&self, at: usize, now_ms: u64) -> MemberView {
        let known = &self.members[at];
        let down_after_ms = self.config.down_after_ms;
        let stale = known.is_stale(down_after_ms, now_ms);
        let mut said_by: Vec<MemberNumber> =
            if stale { self.accusers(at, now_ms).collect() } else { Vec::new() };
        said_by.extend(known.agreed.map(|(witness, _)| witness));
        said_by.sort_unstable();
        said_by.dedup();
        MemberView {
            member: known.member,
            state: match known.down {
                Some(_) => MemberState::Down,
                None if stale => MemberState::Stale,
                None => MemberState::Up,
            },
            beat: known.beat,
            age_ms: now_ms.saturating_sub(known.increased_ms),
            window_ms: known.window_ms(down_after_ms),
            down_since_ms: known.down.map(|down| down.since_ms),
            said_by,
            contents: (known.written.generation > 0).then(|| Contents::clone(&known.contents)),
        }
    }

    /// What a member says of itself, if that has arrived.
    pub fn contents(&self, member: MemberNumber) -> Option<&Contents> {
        let known = &self.members[self.place(member, 0)?];
        (known.written.generation > 0).then_some(&known.contents)
    }

    /// Whether a member is down.
    pub fn is_down(&self, member: MemberNumber) -> bool {
        self.place(member, 0).is_some_and(|at| self.members[at].down.is_some())
    }

    /// How often this server's own clock stood still so long that all windows began anew.
    pub fn stalls(&self) -> u64 {
        self.stalls
    }
}
