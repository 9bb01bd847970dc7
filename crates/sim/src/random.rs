//! Seeds: one run has one, and every purpose draws from a stream of its own, so that a new kind of fault does not
//! change what the clients do.

use fastrand::Rng;

/// The stream of random numbers for one purpose of a run.
pub fn stream(seed: u64, purpose: &str, index: u64) -> Rng {
    let mut state = mix(seed ^ 0x9e37_79b9_7f4a_7c15);
    for byte in purpose.bytes() {
        state = mix(state ^ u64::from(byte));
    }
    Rng::with_seed(mix(state ^ index))
}

/// The finisher of SplitMix64.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (value ^ (value >> 31)).wrapping_add(0x9e37_79b9_7f4a_7c15)
}

/// True this many times in a thousand.
pub fn chance(rng: &mut Rng, per_mille: u32) -> bool {
    rng.u32(0..1000) < per_mille
}

/// A span in `low..=high`, short ones being more frequent than long ones.
pub fn span(rng: &mut Rng, low: u64, high: u64) -> u64 {
    let width = high.saturating_sub(low) + 1;
    low + rng.u64(0..width).min(rng.u64(0..width))
}

/// An index drawn by weight; the weights must not all be 0.
pub fn weighted(rng: &mut Rng, weights: &[u32]) -> usize {
    let total: u32 = weights.iter().sum();
    let mut at = rng.u32(0..total);
    for (index, weight) in weights.iter().enumerate() {
        if at < *weight {
            return index;
        }
        at -= weight;
    }
    0
}
