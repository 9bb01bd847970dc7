//! One write at its coordinator (PUT of the specification).
use super::{Payload, Record, SlotLines, Token, Write};
use crate::{
    canary::Canary,
    hlc::Hlc,
    ids::{Actor, Epoch},
};
use bytes::Bytes;

/// What the writer means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Intent<'a> {
    /// Replace all that the record shows, and what `learned` adds (empty in the first round).
    Plain {
        /// What a replica answered that beat the first round.
        learned: &'a Token,
    },
    /// Replace what the token covers.
    Causal(&'a Token),
}

/// Everything that a mint looks at.
#[derive(Clone, Debug)]
pub struct MintInput<'a> {
    /// The key.
    pub key: &'a Bytes,
    /// Who mints.
    pub me: Actor,
    /// The slot's lines.
    pub lines: &'a SlotLines,
    /// The own clock's time for this write, already above every time it ever gave out.
    pub clock: Hlc,
    /// Plain or causal.
    pub intent: Intent<'a>,
    /// Value or delete.
    pub payload: Payload,
    /// The layout.
    pub epoch: Epoch,
    /// A known bug, for the simulator.
    pub canary: Canary,
}

/// A minted write. The record that was passed in has incorporated it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mint {
    /// What goes to the owners.
    pub write: Write,
    /// What goes to the client: its own context and this write.
    pub reply: Token,
}

/// Why nothing was minted; the record is unchanged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MintError {
    /// The context knows a counter of mine that I do not: take a new incarnation first.
    Amnesia,
    /// Too many concurrent versions.
    TooManySiblings,
    /// A counter would leave its range (2^63).
    CounterOverflow,
}

/// Mints a write over `record` and incorporates it there.
pub fn mint(record: &mut Record, input: MintInput<'_>) -> Result<Mint, MintError> {
    let _ = (record, input);
    todo!()
}

/// Whether a record or token that arrives proves that this actor forgot a counter of its own.
pub fn amnesia(known: &Record, lines: &SlotLines, me: Actor, arriving: &super::DotSet) -> bool {
    let _ = (known, lines, me, arriving);
    todo!()
}
