//! Names of sums: leaves of the tree and buckets of time, and to which of them a record belongs.
//!
//! A leaf is named by its path with a 1 before it, as in a heap: 16 to 31 at depth 4, and `name / 2` is the leaf that
//! was split. Buckets are named from [`FIRST_BUCKET`] on by their width and their number.

use crate::{
    hlc::Hlc,
    limits::{TREE_DEPTH, TREE_DEPTH_LEAST},
    slot::Slot,
    version::{DigestKey, Record},
};
use core::hash::Hasher;
use siphasher::sip::SipHasher13;

/// Names below are leaves.
pub(super) const FIRST_BUCKET: u64 = 1 << 20;
/// Bits of a bucket's name that hold the logarithm of its width.
const WIDTH_BITS: u32 = 6;
/// The narrowest bucket is 2 to the power of this many seconds wide: 16.
const LEAST_WIDTH_LOG2: u32 = 4;

/// Where in the tree of its slot a key is, whatever its record.
pub fn key_hash(digest_key: &DigestKey, key: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new_with_key(&digest_key.0);
    hasher.write(key);
    hasher.finish()
}

/// The place of a key's leaf among all leaves of this depth.
pub fn leaf_place(key_hash: u64, depth: u8) -> usize {
    debug_assert!((TREE_DEPTH_LEAST..=TREE_DEPTH).contains(&depth), "the depth is within its bounds");
    (key_hash >> (64 - u32::from(depth))) as usize
}

/// The leaf of a key at this depth.
pub(super) fn leaf(hash: u64, depth: u8) -> u64 {
    1 << depth | leaf_place(hash, depth) as u64
}

/// The depth of a leaf; `None` of a bucket.
pub(super) fn depth_of(name: u64) -> Option<u8> {
    (1..FIRST_BUCKET).contains(&name).then(|| name.ilog2() as u8)
}

/// From when on the records of a bucket may be collected: nothing of it counts at or above. Never, of a leaf.
pub(super) fn end(name: u64) -> Option<Hlc> {
    let (width_log2, number) = parts(name.checked_sub(FIRST_BUCKET)?);
    let end_s = number.saturating_add(1).checked_shl(width_log2).filter(|end| end >> width_log2 > number);
    Some(Hlc::from_wall_ms(end_s.unwrap_or(u64::MAX).saturating_mul(1_000)))
}

fn parts(bucket: u64) -> (u32, u64) {
    ((bucket & ((1 << WIDTH_BITS) - 1)) as u32, bucket >> WIDTH_BITS)
}

/// The bucket of a record that may go at `die_ms`, the latest time in it being `hi_ms`: wider the further ahead that
/// is, so that the buckets of a slot stay few.
fn bucket(die_ms: u64, hi_ms: u64) -> u64 {
    let width_s = die_ms.saturating_sub(hi_ms) / 1_000 / 16;
    let width_log2 = width_s.checked_ilog2().unwrap_or(0).max(LEAST_WIDTH_LOG2);
    FIRST_BUCKET + (((die_ms / 1_000) >> width_log2) << WIDTH_BITS | u64::from(width_log2))
}

/// When a record may be collected, in wall-clock milliseconds, if ever: when it has no version or all of them expire.
pub fn die(record: &Record) -> Option<u64> {
    let latest = record.hi.wall_ms();
    record.versions.iter().try_fold(latest, |die, version| Some(die.max(version.expires_ms?)))
}

/// From which collect line on a record may be collected, if ever: where its bucket ends.
pub fn collectable_from(record: &Record) -> Option<Hlc> {
    end(bucket(die(record)?, record.hi.wall_ms()))
}

/// What a record adds to its slot's tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Item {
    /// The record's digest; 0 of no record.
    pub digest: u128,
    /// The name of its bucket; 0 if it belongs to the leaf of its key.
    bucket: u64,
}

impl Item {
    /// The item of a key's record.
    pub fn new(digest_key: &DigestKey, slot: Slot, key: &[u8], record: &Record) -> Item {
        let bucket = die(record).map_or(0, |die_ms| bucket(die_ms, record.hi.wall_ms()));
        Item { digest: digest_key.digest(slot, key, record), bucket }
    }

    /// The sum that it is in, at this depth of the tree.
    pub(super) fn name(&self, hash: u64, depth: u8) -> u64 {
        if self.bucket == 0 { leaf(hash, depth) } else { self.bucket }
    }

    /// Whether it belongs to a bucket, which ends at this time.
    pub fn ends(&self) -> Option<Hlc> {
        end(self.bucket)
    }
}
