//! Which shards of two servers have something to say to each other.
//!
//! A message is about a slot, and the slot's cell names the shard at both ends. So a pair of shards needs a link
//! if some cell belongs to both. Messages about no slot travel between the shards 0.

use clockwise_core::{limits::CELLS, slot::Slot};

/// The remote shards, in order, that a local shard needs a link to.
pub(crate) fn needed(local: u16, local_shards: u16, remote_shards: u16) -> Vec<u16> {
    let cells = (0..CELLS).filter(|cell| cell % local_shards == local);
    let mut remote: Vec<u16> = cells.map(|cell| cell % remote_shards).collect();
    remote.sort_unstable();
    remote.dedup();
    remote
}

/// The shard, out of `shards`, that a message about this slot is for.
pub(crate) fn shard_of(slot: Option<Slot>, shards: u16) -> u16 {
    slot.map_or(0, |slot| slot.cell() % shards)
}

#[cfg(test)]
mod tests {
    use super::{needed, shard_of};
    use clockwise_core::slot::Slot;

    #[test]
    fn every_slot_finds_a_needed_pair_whatever_the_numbers_of_shards() {
        for ours in 1..=16 {
            for theirs in 1..=16 {
                for slot in Slot::all() {
                    let (here, there) = (shard_of(Some(slot), ours), shard_of(Some(slot), theirs));
                    assert!(needed(here, ours, theirs).contains(&there), "{ours} {theirs} {slot:?}");
                    assert!(needed(there, theirs, ours).contains(&here), "{ours} {theirs} {slot:?}");
                }
            }
        }
    }

    #[test]
    fn equal_numbers_need_one_link_per_shard_and_shard_0_always_meets_shard_0() {
        assert_eq!(needed(1, 2, 2), [1]);
        assert_eq!(needed(1, 2, 4), [1, 3]);
        assert_eq!(needed(0, 3, 2), [0, 1]);
        assert!((1..=16).all(|n| needed(0, 5, n)[0] == 0));
    }
}
