//! The routing map that cluster clients see, with who is in it.
//!
//! Shard 0 looks at its peers with every tick. A server that is suspected leaves the map at once; one that comes
//! back is named again only after it has answered for a while, so that a flapping one does not make clients turn
//! their maps over and over.

use crate::limits::MAP_RETURN_MS;
use clockwise_core::{
    ids::{Epoch, MemberNumber},
    layout::{Layout, RoutingMap},
};
use std::{collections::BTreeMap, sync::Arc};

/// A routing map.
#[derive(Debug)]
pub(crate) struct Topology {
    pub(crate) layout: Arc<Layout>,
    pub(crate) map: RoutingMap,
    /// Members that the map counts on.
    pub(crate) live: Vec<MemberNumber>,
}

/// Decides when there is a new map.
#[derive(Debug, Default)]
pub(crate) struct MapKeeper {
    epoch: Epoch,
    live: Vec<MemberNumber>,
    /// Since when a member that is not in the map has answered, in monotonic milliseconds.
    returning: BTreeMap<MemberNumber, u64>,
}

impl MapKeeper {
    /// A new map, if there is a reason for one.
    pub(crate) fn look(
        &mut self,
        layout: &Arc<Layout>,
        is_live: &dyn Fn(MemberNumber) -> bool,
        now_ms: u64,
    ) -> Option<Topology> {
        let first = self.epoch == Epoch(0);
        let mut live = Vec::with_capacity(self.live.len());
        for number in layout.spec().members.iter().map(|member| member.number) {
            if !is_live(number) {
                self.returning.remove(&number);
            } else if first || self.live.contains(&number) || self.has_returned(number, now_ms) {
                self.returning.remove(&number);
                live.push(number);
            }
        }
        if self.epoch == layout.epoch() && self.live == live {
            return None;
        }
        self.epoch = layout.epoch();
        self.live.clone_from(&live);
        let map = RoutingMap::new(layout, &|number| live.contains(&number));
        Some(Topology { layout: Arc::clone(layout), map, live })
    }

    fn has_returned(&mut self, number: MemberNumber, now_ms: u64) -> bool {
        let since = *self.returning.entry(number).or_insert(now_ms);
        now_ms.saturating_sub(since) >= MAP_RETURN_MS
    }
}

impl Topology {
    /// Whether the map counts on a member.
    pub(crate) fn is_live(&self, number: MemberNumber) -> bool {
        self.live.contains(&number)
    }
}
