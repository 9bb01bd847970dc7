//! What gossip knows of the members, as it is shown: told by shard 0 now and then, read by everybody.

use clockwise_core::{
    gossip::{Gossip, MemberState, MemberView},
    ids::MemberNumber,
};
use serde::Serialize;

/// Names of the states, in the order of [`MemberState`].
const STATES: [&str; 3] = ["up", "stale", "down"];

/// A member as gossip tells it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct GossipStatus {
    /// `up`; `stale`: its heartbeat stands still for too long; or `down`: others say so too, and it does not answer.
    pub state: &'static str,
    /// Other servers that have seen no more of its heartbeat either.
    pub said_by: Vec<String>,
    /// How many processes have started on its folder.
    pub generation: u32,
    /// Rounds of gossip of the last one.
    pub heartbeat: u64,
    /// Milliseconds since that was news.
    pub heartbeat_age_ms: u64,
    /// Milliseconds after which it is stale.
    pub window_ms: u64,
    /// The layout that it has, if it said so.
    pub epoch: Option<u64>,
    /// Bytes of its tables.
    pub kept_bytes: Option<u64>,
    /// Free bytes of its disk.
    pub disk_free_bytes: Option<u64>,
    /// Live keys that it holds.
    pub live_keys: Option<u64>,
}

/// All members but this server, at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct MembershipView {
    members: Vec<(MemberNumber, MemberState, GossipStatus)>,
    stalls: u64,
}

impl MembershipView {
    pub(crate) fn of(gossip: &Gossip, now_ms: u64) -> MembershipView {
        let members = gossip.views(now_ms).map(|view| (view.member, view.state, shown(view))).collect();
        MembershipView { members, stalls: gossip.stalls() }
    }

    /// What is known of a member.
    pub(super) fn member(&self, number: MemberNumber) -> Option<&GossipStatus> {
        self.members.iter().find(|(member, ..)| *member == number).map(|(.., status)| status)
    }

    /// How many members are in each state.
    pub(super) fn counts(&self) -> Vec<(&'static str, u64)> {
        let count = |name: &str| self.members.iter().filter(|(.., status)| status.state == name).count();
        STATES.iter().map(|&name| (name, count(name) as u64)).collect()
    }

    /// Milliseconds since the last news of each.
    pub(super) fn ages(&self) -> Vec<(String, u64)> {
        self.members.iter().map(|(member, _, status)| (member.to_string(), status.heartbeat_age_ms)).collect()
    }

    pub(super) fn stalls(&self) -> u64 {
        self.stalls
    }
}

fn shown(view: MemberView) -> GossipStatus {
    let load = |at: usize| view.contents.as_ref().and_then(|contents| contents.load.get(at).copied());
    GossipStatus {
        state: STATES[view.state as usize],
        said_by: view.said_by.iter().map(ToString::to_string).collect(),
        generation: view.beat.generation,
        heartbeat: view.beat.heartbeat,
        heartbeat_age_ms: view.age_ms,
        window_ms: view.window_ms,
        epoch: view.contents.as_ref().map(|contents| contents.epoch.0),
        kept_bytes: load(0),
        disk_free_bytes: load(1),
        live_keys: load(2),
    }
}
