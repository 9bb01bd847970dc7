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
    /// The first look, in monotonic milliseconds.
    began_ms: Option<u64>,
    /// Members that were in the map and left it, with the time since when they answer again, in monotonic
    /// milliseconds.
    left: BTreeMap<MemberNumber, Option<u64>>,
}

impl MapKeeper {
    /// A new map, if there is a reason for one.
    pub(crate) fn look(
        &mut self,
        layout: &Arc<Layout>,
        is_live: &dyn Fn(MemberNumber) -> bool,
        now_ms: u64,
    ) -> Option<Topology> {
        let mut live = Vec::with_capacity(self.live.len());
        for number in layout.spec().members.iter().map(|member| member.number) {
            if !is_live(number) {
                if self.live.contains(&number) || self.left.contains_key(&number) {
                    self.left.insert(number, None);
                }
            } else if self.has_settled(number, now_ms) {
                self.left.remove(&number);
                live.push(number);
            }
        }
        if self.epoch == layout.epoch() && self.live == live {
            return None;
        }
        // A server that has just started waits for its peers before it shows its first map.
        let since_ms = *self.began_ms.get_or_insert(now_ms);
        let complete = live.len() == layout.spec().members.len();
        if self.epoch == Epoch(0) && !complete && now_ms < since_ms + MAP_RETURN_MS {
            return None;
        }
        self.epoch = layout.epoch();
        self.live.clone_from(&live);
        let map = RoutingMap::new(layout, &|number| live.contains(&number));
        Some(Topology { layout: Arc::clone(layout), map, live })
    }

    /// Whether a member that answers may be named: it never left, or has answered for a while since.
    fn has_settled(&mut self, number: MemberNumber, now_ms: u64) -> bool {
        let Some(since) = self.left.get_mut(&number) else { return true };
        now_ms.saturating_sub(*since.get_or_insert(now_ms)) >= MAP_RETURN_MS
    }
}

impl Topology {
    /// Whether the map counts on a member.
    pub(crate) fn is_live(&self, number: MemberNumber) -> bool {
        self.live.contains(&number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clockwise_core::{
        ids::NodeId,
        layout::{Addresses, LayoutSpec, Member},
        version::{DigestKey, TokenKey},
    };

    fn layout() -> Arc<Layout> {
        let members = (1..=3).map(|number| Member {
            number: MemberNumber(number),
            node: NodeId([number as u8; 20]),
            token_seed: u64::from(number),
            weight: 1,
            dc: String::new(),
            rack: String::new(),
            addresses: Addresses::default(),
        });
        let spec = LayoutSpec {
            cluster: [1; 16],
            epoch: Epoch(1),
            replicas: 3,
            token_key: TokenKey([1; 16]),
            digest_key: DigestKey([1; 16]),
            members: members.collect(),
        };
        Arc::new(Layout::new(spec).unwrap())
    }

    #[test]
    fn a_suspect_leaves_at_once_and_returns_only_when_it_has_answered_for_a_while() {
        let (layout, mut keeper) = (layout(), MapKeeper::default());
        let mut look = |down: &[u32], now_ms| {
            let topology = keeper.look(&layout, &|number| !down.contains(&number.0), now_ms)?;
            Some(topology.live.iter().map(|number| number.0).collect::<Vec<_>>())
        };
        assert_eq!(look(&[2, 3], 5), None, "the first map waits for all");
        assert_eq!(look(&[2, 3], 5 + MAP_RETURN_MS), Some(vec![1]), "but not for ever");
        assert_eq!(look(&[3], 2_000), Some(vec![1, 2]), "who was never there comes at once");
        assert_eq!(look(&[], 2_010), Some(vec![1, 2, 3]));
        assert_eq!(look(&[2], 2_020), Some(vec![1, 3]));
        assert_eq!(look(&[], 2_030), None);
        assert_eq!(look(&[2], 2_900), None, "flapping changes nothing");
        assert_eq!(look(&[], 2_910), None);
        assert_eq!(look(&[], 2_909 + MAP_RETURN_MS), None);
        assert_eq!(look(&[], 2_910 + MAP_RETURN_MS), Some(vec![1, 2, 3]));
    }
}
