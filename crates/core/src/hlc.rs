//! Hybrid logical time (Kulkarni et al., "Logical Physical Clocks", 2014): 48 bits of wall milliseconds and 16
//! bits of counter in one `u64`, so that comparing is one instruction.

use core::fmt;

/// The two clocks that accompany every input. `core` never reads a clock itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Now {
    /// Monotonic milliseconds since some fixed point of this process: deadlines and silence are measured with it.
    pub mono_ms: u64,
    /// Wall-clock milliseconds since the Unix epoch; may jump.
    pub wall_ms: u64,
}

/// A hybrid logical timestamp.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Hlc(pub u64);

impl Hlc {
    /// Before every write.
    pub const ZERO: Hlc = Hlc(0);

    /// The first timestamp of a wall-clock millisecond.
    pub fn from_wall_ms(wall_ms: u64) -> Hlc {
        Hlc(wall_ms.min((1 << 48) - 1) << 16)
    }

    /// The wall-clock part, in milliseconds since the Unix epoch.
    pub fn wall_ms(self) -> u64 {
        self.0 >> 16
    }

    /// The next timestamp.
    pub fn next(self) -> Hlc {
        Hlc(self.0.saturating_add(1))
    }
}

impl fmt::Display for Hlc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.wall_ms(), self.0 & 0xffff)
    }
}
