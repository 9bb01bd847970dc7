//! A write as it travels: one dot, its own time, its own context.
//!
//! It is the exact delta of its mint: a replica that joins it knows what its writer knew, and nothing more. The
//! same write is offered again until it is known or refused; it is never minted anew.

use super::{DotSet, Kind, Mark, Record, Value, Version};
use crate::{
    hlc::Hlc,
    ids::{Dot, Epoch},
};
use bytes::Bytes;

/// A value or its removal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Payload {
    /// A new version.
    Value {
        /// Its bytes.
        bytes: Bytes,
        /// The instant from which it is hidden, in wall-clock milliseconds.
        expires_ms: Option<u64>,
    },
    /// A dot without a version.
    Delete,
}

/// Taken or refused as a whole, minted once, offered as often as needed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Write {
    /// The key.
    pub key: Bytes,
    /// Its name.
    pub dot: Dot,
    /// Own counters `lo..=dot.counter` are claimed ("fill").
    pub lo: u64,
    /// The dots that it replaces.
    pub ctx: DotSet,
    /// The highest plain write that its writer knew.
    pub cmark: Mark,
    /// When it was written.
    pub time: Hlc,
    /// Causal or register.
    pub kind: Kind,
    /// Value or delete.
    pub payload: Payload,
    /// The layout under which it was minted.
    pub epoch: Epoch,
}

impl Write {
    /// `record(write)`: the exact delta.
    pub fn delta(&self) -> Record {
        let mut seen = self.ctx.clone();
        seen.add_range(self.dot.actor, self.lo, self.dot.counter);
        Record { seen, mark: self.mark(), hi: self.time, versions: self.version().into_iter().collect() }
    }

    /// Whether the write knows this dot: it replaces it, claims it as a fill, or is it.
    pub fn covers(&self, dot: Dot) -> bool {
        let own = dot.actor == self.dot.actor && (self.lo..=self.dot.counter).contains(&dot.counter);
        own || self.ctx.contains(dot)
    }

    /// The highest plain write that a record knows after this write.
    pub(super) fn mark(&self) -> Mark {
        match self.kind {
            Kind::Register => self.cmark.max(Some((self.time, self.dot))),
            Kind::Causal => self.cmark,
        }
    }

    /// Bytes of its value; 0 of a delete.
    pub(crate) fn value_bytes(&self) -> usize {
        match &self.payload {
            Payload::Value { bytes, .. } => bytes.len(),
            Payload::Delete => 0,
        }
    }

    /// Whether it is a value, not a delete.
    pub(super) fn has_value(&self) -> bool {
        matches!(self.payload, Payload::Value { .. })
    }

    /// The version that it brings, if it is a value.
    pub(super) fn version(&self) -> Option<Version> {
        let Payload::Value { bytes, expires_ms } = &self.payload else { return None };
        Some(Version {
            dot: self.dot,
            ctx: self.ctx.clone(),
            time: self.time,
            expires_ms: *expires_ms,
            kind: self.kind,
            cmark: (self.kind == Kind::Causal).then_some(self.cmark),
            value: Value::Bytes(bytes.clone()),
        })
    }

    /// The write that brought this version of a key, as far as that is still known: all but the epoch, which nobody
    /// judges by, and counters that it claimed below its own. `None`: its bytes are freed, or it is not known which plain
    /// writes its writer had seen.
    pub fn again(key: &Bytes, version: &Version, epoch: Epoch) -> Option<Write> {
        let Value::Bytes(bytes) = &version.value else { return None };
        let cmark = match version.kind {
            // Whatever it was, the own time and dot are above it.
            Kind::Register => None,
            // Whoever had seen nothing had seen no plain write.
            Kind::Causal if version.ctx.is_empty() => None,
            Kind::Causal => version.cmark?,
        };
        let payload = Payload::Value { bytes: bytes.clone(), expires_ms: version.expires_ms };
        Some(Write {
            key: key.clone(),
            dot: version.dot,
            lo: version.dot.counter,
            ctx: version.ctx.clone(),
            cmark,
            time: version.time,
            kind: version.kind,
            payload,
            epoch,
        })
    }
}
