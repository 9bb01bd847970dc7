//! The choice of partners: a SplitMix64 sequence (Steele, Lea, Flood 2014) from a seed that comes from outside. It
//! need not be hard to guess.

/// See the module.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 if there is none.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        // 64 bits times a small bound: what is uneven about it is below one in a billion.
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }
}
