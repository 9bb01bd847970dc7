//! What a replica keeps of a key.
//!
//! A record is a function of the set of writes that it has incorporated, whatever their order; [`Record::check`]
//! states what always holds. How records meet is in `join`, how they become bytes in `codec`.

use super::{DotSet, Token};
use crate::{hlc::Hlc, ids::Dot};
use alloc::vec::Vec;
use bytes::Bytes;

/// The highest (time, dot) of any register write ever incorporated.
pub type Mark = Option<(Hlc, Dot)>;

/// What a version is to concurrent ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// Kept as a sibling until a writer that saw it replaces it.
    Causal,
    /// Of concurrent ones the highest (time, dot) stays.
    Register,
}

/// A version's bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Value {
    /// The bytes.
    Bytes(Bytes),
    /// Expired, and its bytes are gone; the entry stays.
    Freed,
}

/// One of the concurrent values of a key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Version {
    /// Its name.
    pub dot: Dot,
    /// The dots that it replaced.
    pub ctx: DotSet,
    /// When it was written.
    pub time: Hlc,
    /// The instant from which it is hidden, in wall-clock milliseconds.
    pub expires_ms: Option<u64>,
    /// Causal or register.
    pub kind: Kind,
    /// Of a causal version: the highest plain write that its writer knew, so that it can be offered again as the write
    /// that it was. `None`: not known (it was stored by an older program); always of a register version, whose own
    /// place is above all that its writer knew.
    pub cmark: Option<Mark>,
    /// Its bytes.
    pub value: Value,
}

impl Version {
    /// Whether it is hidden at this instant.
    pub fn expired(&self, wall_ms: u64) -> bool {
        self.expires_ms.is_some_and(|at| at <= wall_ms) || self.value == Value::Freed
    }
}

/// The state of a key at a replica. The empty record is "never heard of it".
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Record {
    /// All dots ever incorporated.
    pub seen: DotSet,
    /// The highest plain write ever incorporated.
    pub mark: Mark,
    /// The latest time ever in it.
    pub hi: Hlc,
    /// The concurrent versions, sorted by dot.
    pub versions: Vec<Version>,
}

impl Record {
    /// Whether nothing is known of the key.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// Whether it has no version that counts as live (expired ones count until they are collected).
    pub fn is_tombstone(&self) -> bool {
        self.versions.is_empty() && !self.seen.is_empty()
    }

    /// The record without bodies: what a reader passes on.
    pub fn token(&self) -> Token {
        Token { seen: self.seen.clone(), mark: self.mark, hi: self.hi }
    }

    /// The version that a plain GET answers: the unexpired one with the highest (time, dot).
    pub fn plain(&self, wall_ms: u64) -> Option<&Version> {
        self.versions.iter().filter(|v| !v.expired(wall_ms)).max_by_key(|v| (v.time, v.dot))
    }
}
