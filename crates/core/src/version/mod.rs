//! The algebra of concurrent versions: dotted version vectors with exact contexts.
//!
//! A **record** is what a replica keeps of a key: the concurrent versions, all dots ever incorporated (`seen`),
//! the highest plain write (`mark`) and the latest time (`hi`). A delete is a dot in `seen` without a version.
//! [`Record::join`] is commutative, associative, idempotent, and looks at no clock.
//! Equal (seen, mark) means equal versions, apart from freed bytes.
//!
//! | file | owns |
//! |---|---|
//! | `dots` | exact sets of dots |
//! | `record`, `write`, `token` | the three forms in which knowledge of a key exists: kept, travelling, at a client |
//! | `join` | the only way in which they meet |
//! | `mint` | one new write at its coordinator |
//! | `lines` | what a slot remembers of records that left |
//! | `check` | the invariants of a record |
//! | `digest`, `clock` | a record as a number for comparing, a version's clock as a text for people |
//! | `codec` | bytes of all of these (`docs/formats/record.md`, `docs/formats/token.md`) |
//! | `trim` | which ranges a put's reply token gives up when it is too long |
//!
//! Sources: Preguiça, Baquero et al., "Dotted Version Vectors" (2010, 2012); Kulkarni et al. (2014) for the times.
//!
//! This room does not know who owns a slot, how many answers are enough, or what the time is. Whether something
//! that arrives may be joined at all (it may be too old) is decided before, by the replica.

mod check;
mod clock;
mod codec;
mod digest;
mod dots;
mod join;
mod lines;
mod mint;
mod record;
mod token;
mod trim;
mod write;

#[cfg(test)]
mod tests;

pub use clock::{PrintedClock, print_clock};
pub use digest::DigestKey;
pub use dots::{COUNTER_MAX, DotRange, DotSet};
pub use lines::{SlotLines, SlotState};
pub use mint::{Intent, Mint, MintError, MintInput, amnesia, mint};
pub use record::{Kind, Mark, Record, Value, Version};
pub use token::{Token, TokenError, TokenKey};
pub use write::{Payload, Write};
