//! Random gossip.

use super::{bytes, member, number};
use clockwise_core::{
    gossip::{Beat, Contents, Entry, GossipMessage, Mark, Suspicion},
    ids::Epoch,
    layout::Addresses,
    limits::{GOSSIP_LOADS, GOSSIP_SUSPECTS},
};
use fastrand::Rng;

/// Any gossip within its limits.
pub fn gossip(rng: &mut Rng) -> GossipMessage {
    match rng.u8(..3) {
        0 => GossipMessage::Digest { marks: some(rng, 6, mark) },
        1 => GossipMessage::News {
            marks: some(rng, 6, mark),
            entries: some(rng, 3, entry),
            wants: some(rng, 6, member),
        },
        _ => GossipMessage::Entries { entries: some(rng, 3, entry) },
    }
}

fn some<T>(rng: &mut Rng, most: usize, make: impl Fn(&mut Rng) -> T) -> Vec<T> {
    (0..rng.usize(..=most)).map(|_| make(rng)).collect()
}

fn beat(rng: &mut Rng) -> Beat {
    Beat { generation: number(rng) as u32, heartbeat: number(rng) }
}

fn mark(rng: &mut Rng) -> Mark {
    Mark { member: member(rng), beat: beat(rng), held: number(rng) }
}

fn address(rng: &mut Rng) -> String {
    bytes(rng, 20).iter().map(|byte| char::from(b'!' + byte % 94)).collect()
}

fn entry(rng: &mut Rng) -> Entry {
    let most = if rng.u8(..8) == 0 { GOSSIP_SUSPECTS } else { 3 };
    let contents = Contents {
        epoch: Epoch(number(rng)),
        layout: rng.u64(..),
        load: some(rng, GOSSIP_LOADS, number).into(),
        addresses: Addresses {
            peer: address(rng),
            cluster: address(rng),
            plain: address(rng),
            http: address(rng),
        },
        suspects: some(rng, most, |rng| Suspicion { member: member(rng), beat: beat(rng) }),
    };
    Entry { member: member(rng), written: beat(rng), contents }
}
