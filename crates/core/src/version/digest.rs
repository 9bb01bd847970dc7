//! Digest of a record: two replicas with the same digest hold the same versions.
//!
//! A function of (slot, key, seen, mark) alone; `hi` and the versions follow from these, and freeing the bytes of
//! an expired value does not move it. It does not see bit rot: block checksums and the scrub do.

use super::{Mark, Record};
use crate::{
    ids::{Actor, Dot},
    limits::{DOT_RANGES, KEY_BYTES},
    slot::Slot,
};
use core::hash::Hasher;
use siphasher::sip128::{Hasher128, SipHasher13};

/// The cluster's key for digests (in the layout).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DigestKey(pub [u8; 16]);

impl core::fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("DigestKey(..)")
    }
}

impl DigestKey {
    /// H128(slot, key, seen, mark), keyed SipHash-1-3. 0 for the empty record, so that "no record" compares equal
    /// whoever says it.
    pub fn digest(&self, slot: Slot, key: &[u8], record: &Record) -> u128 {
        if record.is_empty() {
            return 0;
        }
        let mut hasher = SipHasher13::new_with_key(&self.0);
        hasher.write(&head(slot, key.len(), record.seen.ranges().len()).to_le_bytes());
        hasher.write(key);
        for range in record.seen.ranges() {
            hasher.write(&three(actor_bits(range.actor), range.lo, range.hi));
        }
        hasher.write(&mark_bytes(record.mark));
        hasher.finish128().as_u128()
    }
}

/// Lengths first, so that no two inputs give the same bytes.
fn head(slot: Slot, key_bytes: usize, ranges: usize) -> u64 {
    const { assert!(KEY_BYTES < 1 << 16 && DOT_RANGES < 1 << 32) };
    u64::from(slot.number()) << 48 | (key_bytes as u64) << 32 | ranges as u64
}

/// No mark is all zeros, which no dot is: counters start at 1.
fn mark_bytes(mark: Mark) -> [u8; 24] {
    match mark {
        Some((time, Dot { actor, counter })) => three(time.0, actor_bits(actor), counter),
        None => [0; 24],
    }
}

fn actor_bits(actor: Actor) -> u64 {
    u64::from(actor.member.0) << 32 | u64::from(actor.incarnation)
}

fn three(a: u64, b: u64, c: u64) -> [u8; 24] {
    let mut bytes = [0; 24];
    bytes[..8].copy_from_slice(&a.to_le_bytes());
    bytes[8..16].copy_from_slice(&b.to_le_bytes());
    bytes[16..].copy_from_slice(&c.to_le_bytes());
    bytes
}
