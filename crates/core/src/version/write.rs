//! A write as it travels: one dot, its own time, its own context.
use super::{DotSet, Kind, Mark, Record};
use crate::{
    hlc::Hlc,
    ids::{Dot, Epoch},
    varint::{Malformed, Reader},
};
use alloc::vec::Vec;
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
        todo!()
    }
    /// Appends its form on the wire.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let _ = out;
        todo!()
    }
    /// Reads its form on the wire.
    pub fn decode(reader: &mut Reader) -> Result<Write, Malformed> {
        let _ = reader;
        todo!()
    }
}
