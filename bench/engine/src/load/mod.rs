//! What is put and asked for: keys, values, and the order in which they come. The same for every engine.

mod keys;
mod values;

pub use keys::{Key, Shuffle, absent_key, key, mixed};
pub use values::Values;

/// Bytes of a key.
pub const KEY_BYTES: usize = 16;
