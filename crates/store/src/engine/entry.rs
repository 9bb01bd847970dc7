//! One allocation that holds a key and its record, reference count included, so that a put costs one `malloc`, a get
//! none, and both touch one place in memory. `Bytes` made of a `Vec` would allocate its count apart, at the first
//! clone, somewhere else.

use bytes::Bytes;

/// A block of one of a few lengths; the rest behind `length` is unused.
struct Block<const N: usize> {
    length: u16,
    bytes: [u8; N],
}

impl<const N: usize> AsRef<[u8]> for Block<N> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

/// Longest key with its record that is kept in a block, in bytes; longer ones gain nothing.
const MOST: usize = 1_014;

fn block<const N: usize>(key: &[u8], record: &[u8]) -> Bytes {
    let length = key.len() + record.len();
    let mut bytes = [0; N];
    bytes[..key.len()].copy_from_slice(key);
    bytes[key.len()..length].copy_from_slice(record);
    Bytes::from_owner(Block { length: length as u16, bytes })
}

/// The key and behind it the record.
#[inline]
pub(super) fn pack(key: &[u8], record: &[u8]) -> Bytes {
    // With the count of 8 bytes and the length of 2 each fills what the allocator gives out whole.
    match key.len() + record.len() {
        0..=62 => block::<62>(key, record),
        63..=94 => block::<94>(key, record),
        95..=126 => block::<126>(key, record),
        127..=158 => block::<158>(key, record),
        159..=190 => block::<190>(key, record),
        191..=222 => block::<222>(key, record),
        223..=254 => block::<254>(key, record),
        255..=318 => block::<318>(key, record),
        319..=382 => block::<382>(key, record),
        383..=510 => block::<510>(key, record),
        511..=766 => block::<766>(key, record),
        767..=MOST => block::<MOST>(key, record),
        length => {
            let mut bytes = Vec::with_capacity(length);
            bytes.extend_from_slice(key);
            bytes.extend_from_slice(record);
            bytes.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_comes_out_as_it_went_in() {
        let source: Vec<u8> = (0..2_000).map(|at| (at % 251) as u8).collect();
        for length in 0..1_100 {
            let (key, record) = source[..length].split_at(length / 3);
            assert_eq!(pack(key, record), source[..length], "{length} bytes");
        }
    }
}
