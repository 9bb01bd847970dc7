//! Which of the servers met on the walk become owners: distinct servers, spread over data centres and racks.
//!
//! The rule is a ladder of levels, from "one per data centre" to "anybody". A level is tried only as far as its
//! members can fill it at all, so every walk ends early. Each level admits an independent set of a laminar
//! matroid (server within rack within data centre), taken greedily in ring order: that is why one server more or
//! less changes at most one owner of a slot, as long as it does not change the number of data centres.
//!
//! This file does not know positions or hashes; it sees servers in an order.

use super::Member;
use crate::limits::REPLICAS;
use alloc::{collections::BTreeMap, vec::Vec};
use smallvec::SmallVec;

/// The rule for one list of members.
pub(super) struct Spread {
    places: Vec<Place>,
    levels: Vec<Level>,
    width: usize,
}

/// Where a server stands. Racks of different data centres are different.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    dc: u16,
    rack: u16,
}

/// One step of the ladder.
#[derive(Clone, Copy)]
struct Level {
    per_dc: usize,
    one_per_rack: bool,
    /// How many owners there are when this level is done; it is always reached.
    target: usize,
}

/// An owner: how many steps clockwise, and who.
type Picks = SmallVec<[(usize, u16); REPLICAS]>;

impl Spread {
    /// Numbers the data centres and racks and computes how far each level can go.
    pub(super) fn new(members: &[Member], replicas: usize) -> Spread {
        let mut dcs: BTreeMap<&str, u16> = BTreeMap::new();
        let mut racks: BTreeMap<(&str, &str), u16> = BTreeMap::new();
        let mut places = Vec::with_capacity(members.len());
        for member in members {
            let next = dcs.len() as u16;
            let dc = *dcs.entry(&member.dc).or_insert(next);
            let next = racks.len() as u16;
            let rack = *racks.entry((&member.dc, &member.rack)).or_insert(next);
            places.push(Place { dc, rack });
        }
        let mut servers_in = alloc::vec![0; dcs.len()];
        places.iter().for_each(|place| servers_in[usize::from(place.dc)] += 1);
        let mut racks_in = alloc::vec![0; dcs.len()];
        racks.keys().for_each(|(dc, _)| racks_in[usize::from(dcs[dc])] += 1);
        let width = replicas.min(members.len());
        let levels = levels(width, &servers_in, &racks_in);
        Spread { places, levels, width }
    }

    /// Owners per slot.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// The owners among the servers of a walk once around the ring, in the order of the walk. A server may be
    /// met many times.
    pub(super) fn choose(&self, walk: impl Iterator<Item = u16> + Clone) -> SmallVec<[u16; REPLICAS]> {
        let mut picks = Picks::new();
        for level in &self.levels {
            let mut steps = walk.clone().enumerate();
            while picks.len() < level.target {
                let (step, server) =
                    steps.next().expect("a level's target counts servers that are on the ring");
                if self.admits(level, &picks, server) {
                    picks.push((step, server));
                }
            }
        }
        picks.sort_unstable();
        picks.iter().map(|&(_, server)| server).collect()
    }

    fn admits(&self, level: &Level, picks: &Picks, server: u16) -> bool {
        let place = self.places[usize::from(server)];
        let mut same_dc = 0;
        for &(_, other) in picks {
            let taken = self.places[usize::from(other)];
            if other == server || (level.one_per_rack && taken.rack == place.rack) {
                return false;
            }
            same_dc += usize::from(taken.dc == place.dc);
        }
        same_dc < level.per_dc
    }
}

/// One per data centre; then up to the fair part of a data centre, ⌈n/#dc⌉, in distinct racks, then in any racks;
/// then beyond the fair part, one more per data centre at a time. Levels that cannot add an owner are left out.
fn levels(width: usize, servers_in: &[usize], racks_in: &[usize]) -> Vec<Level> {
    let fair = width.div_ceil(servers_in.len());
    let below = (1..=fair).map(|per_dc| (per_dc, true));
    let beyond = (fair + 1..=width).flat_map(|per_dc| [(per_dc, true), (per_dc, false)]);
    let mut levels = Vec::new();
    let mut filled = alloc::vec![0; servers_in.len()];
    let mut reached = 0;
    for (per_dc, one_per_rack) in below.chain([(fair, false)]).chain(beyond) {
        let rooms = if one_per_rack { racks_in } else { servers_in };
        for (filled, &room) in filled.iter_mut().zip(rooms) {
            *filled = room.min(per_dc).max(*filled);
        }
        let target = filled.iter().sum::<usize>().min(width);
        if target > reached {
            reached = target;
            levels.push(Level { per_dc, one_per_rack, target });
        }
    }
    levels
}
