//! Where a key and its record lie in memory, one behind the other, so that a put and a get touch one place.
//!
//! The first record of a key goes into a chunk that it shares with its neighbours in time: a put costs no `malloc`, and a
//! whole memtable is given back in few pieces. What overwrites it has an allocation of its own, reference count included
//! (`Bytes` made of a `Vec` would allocate its count apart), so that it goes as soon as it is overwritten itself. Hence what
//! is dead in chunks is never more than one record for each key. A chunk stays for as long as anybody holds one of its records.

use bytes::{Bytes, BytesMut};

/// Smallest and largest chunk, in bytes; less than what allocators take from the system apart. All are powers of two, so
/// that one takes the place of another.
const CHUNK_BYTES: (usize, usize) = (4 << 10, 32 << 10);
/// A chunk is this part of what is there already, so that the unused rest of the last one does not count.
const CHUNKS: usize = 16;
/// What is longer than this part of a chunk has an allocation of its own.
const LEAST_IN_CHUNK: usize = 4;

/// The chunk that is being filled.
#[derive(Default)]
pub(super) struct Chunk {
    rest: BytesMut,
}

impl Chunk {
    /// The key and behind it the record, in a chunk if they are not too long for it, and how many bytes of an earlier chunk
    /// stay unused because of this. `held` is how many bytes there are in all.
    #[inline]
    pub(super) fn pack(&mut self, key: &[u8], record: &[u8], held: usize) -> (Option<Bytes>, usize) {
        let length = key.len() + record.len();
        let mut unused = 0;
        if length > self.rest.capacity() {
            let bytes = 1 << (held / CHUNKS).clamp(CHUNK_BYTES.0, CHUNK_BYTES.1).ilog2();
            if length > bytes / LEAST_IN_CHUNK {
                return (None, 0);
            }
            unused = self.rest.capacity();
            self.rest = BytesMut::with_capacity(bytes);
        }
        self.rest.extend_from_slice(key);
        self.rest.extend_from_slice(record);
        (Some(self.rest.split().freeze()), unused)
    }
}

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
    fn what_is_in_chunks_comes_out_as_it_went_in() {
        let source: Vec<u8> = (0..20_000).map(|at| (at % 251) as u8).collect();
        let (mut chunk, mut held, mut own, mut unused_bytes) = (Chunk::default(), 200_000, 0, 0);
        let mut packed = Vec::new();
        for round in 0..4 {
            for length in (0..2_000).step_by(3).chain([17_000, 0]) {
                let (key, record) = source[round..round + length].split_at(length / 3);
                let (bytes, unused) = chunk.pack(key, record, held);
                own += usize::from(bytes.is_none());
                unused_bytes += unused;
                held += length;
                packed.push((round, length, bytes));
            }
        }
        for (round, length, bytes) in packed {
            assert!(bytes.is_none_or(|bytes| bytes == source[round..round + length]), "{length} bytes");
        }
        assert!((1..=4).contains(&own), "{own} of the four longest have an allocation of their own");
        assert!(unused_bytes < held / 10, "{unused_bytes} of {held} bytes are not used");
    }

    #[test]
    fn every_length_comes_out_as_it_went_in() {
        let source: Vec<u8> = (0..2_000).map(|at| (at % 251) as u8).collect();
        for length in 0..1_100 {
            let (key, record) = source[..length].split_at(length / 3);
            assert_eq!(pack(key, record), source[..length], "{length} bytes");
        }
    }
}
