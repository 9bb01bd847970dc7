//! Digest of a record: two replicas with the same digest hold the same versions.
use super::Record;
use crate::slot::Slot;

/// The cluster's key for digests (in the layout).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DigestKey(pub [u8; 16]);

impl core::fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("DigestKey(..)")
    }
}

impl DigestKey {
    /// H128(slot, key, seen, mark), keyed SipHash.
    pub fn digest(&self, slot: Slot, key: &[u8], record: &Record) -> u128 {
        let _ = (slot, key, record);
        todo!()
    }
}
