//! Values that compress to about half: the first half is noise that no other value nearby shares, the second
//! half a text that repeats.

use super::mixed;

/// Bytes of noise that values are cut from.
const NOISE_BYTES: usize = 1 << 20;

/// Makes values of one size.
pub struct Values {
    noise: Vec<u8>,
    value: Vec<u8>,
}

impl Values {
    /// For values of this many bytes.
    pub fn new(bytes: usize) -> Self {
        let noise = (0..NOISE_BYTES as u64 / 8).flat_map(|at| mixed(at).to_le_bytes()).collect();
        let value = b"a text that repeats. ".iter().copied().cycle().take(bytes).collect();
        Self { noise, value }
    }

    /// The value of a key's number.
    pub fn of(&mut self, number: u64) -> &[u8] {
        let half = self.value.len() / 2;
        let start = (mixed(number) % (NOISE_BYTES - half) as u64) as usize;
        self.value[..half].copy_from_slice(&self.noise[start..start + half]);
        &self.value
    }
}
