//! Keys as tables store them: the slot in two big-endian bytes, then the key, so that byte order is
//! (slot, key) order.

use clockwise_core::slot::Slot;
use std::cmp::Ordering;

/// A key with its slot, compared with stored keys without being copied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyRef<'a> {
    /// The slot.
    pub slot: Slot,
    /// The key without the slot.
    pub key: &'a [u8],
}

impl<'a> KeyRef<'a> {
    /// Reads a stored key; `None` if it is too short or the slot does not exist.
    pub fn parse(stored: &'a [u8]) -> Option<KeyRef<'a>> {
        let (slot, key) = stored.split_first_chunk::<2>()?;
        Some(KeyRef { slot: Slot::stored(u16::from_be_bytes(*slot))?, key })
    }

    /// Appends the stored form.
    pub fn store(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.slot.number().to_be_bytes());
        out.extend_from_slice(self.key);
    }

    /// Compares with a stored key.
    #[inline]
    pub fn cmp_stored(self, stored: &[u8]) -> Ordering {
        match stored.split_first_chunk::<2>() {
            Some((slot, key)) => {
                self.slot.number().cmp(&u16::from_be_bytes(*slot)).then_with(|| self.key.cmp(key))
            }
            // Shorter than any key: before all of them.
            None => Ordering::Greater,
        }
    }
}

/// The slot of a stored key; 0 if it is too short to have one.
pub(super) fn slot_of(stored: &[u8]) -> u16 {
    stored.first_chunk::<2>().map_or(0, |slot| u16::from_be_bytes(*slot))
}
