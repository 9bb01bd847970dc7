//! Keys of 16 bytes, ordered like their numbers, and orders that are none.

use super::KEY_BYTES;

/// A key.
pub type Key = [u8; KEY_BYTES];

/// The key of a number: its double in 16 hexadecimal digits.
pub fn key(number: u64) -> Key {
    hexadecimal(number * 2)
}

/// A key that is never put, between two that are: no range of a table rules it out.
pub fn absent_key(number: u64) -> Key {
    hexadecimal(number * 2 + 1)
}

fn hexadecimal(mut number: u64) -> Key {
    let mut key = [b'0'; KEY_BYTES];
    for digit in key.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 15) as usize];
        number >>= 4;
    }
    key
}

/// Mixes the bits of a number (the finalizer of splitmix64).
pub fn mixed(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ bits >> 31
}

/// A permutation of the numbers below `size` without memory: each comes once, in no order.
#[derive(Clone, Copy)]
pub struct Shuffle {
    size: u64,
    bits: u32,
    seed: u64,
}

impl Shuffle {
    /// The permutation of this seed.
    pub fn new(size: u64, seed: u64) -> Self {
        let bits = (u64::BITS - size.saturating_sub(1).leading_zeros()).max(2);
        Self { size, bits, seed: mixed(seed) }
    }

    /// How many numbers it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The number at a place.
    pub fn at(&self, place: u64) -> u64 {
        // Every step is a bijection on `bits` bits; what falls outside goes round once more.
        let mask = (1 << self.bits) - 1;
        let mut number = place;
        loop {
            for round in 0..3 {
                number = number.wrapping_add(self.seed >> (round * 8)) & mask;
                number = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) & mask;
                number ^= number >> (self.bits / 2);
            }
            if number < self.size {
                return number;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Shuffle, absent_key, key};

    #[test]
    fn a_shuffle_gives_each_number_once() {
        for size in [1, 2, 3, 1000, 1024, 1025] {
            let shuffle = Shuffle::new(size, 7);
            let mut seen: Vec<u64> = (0..size).map(|place| shuffle.at(place)).collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..size).collect::<Vec<_>>());
        }
    }

    #[test]
    fn keys_are_ordered_like_their_numbers_and_absent_ones_lie_between() {
        assert!(key(9) < absent_key(9) && absent_key(9) < key(10));
        assert!(key(255) < key(256));
    }
}
