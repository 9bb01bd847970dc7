//! The arguments of one command: one slice of the connection's buffer, and where in it each argument lies.
//!
//! Argument 0 is the command's name. Taking an argument out shares the buffer and copies nothing.

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

/// Where an argument lies in its frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

/// Spans of one command; four need no allocation.
pub(super) type Spans = SmallVec<[Span; 4]>;

/// The arguments of one command.
#[derive(Clone, Debug)]
pub struct Args {
    frame: Bytes,
    spans: Spans,
}

impl Args {
    pub(super) fn new(frame: Bytes, spans: Spans) -> Args {
        debug_assert!(spans.iter().all(|span| span.start <= span.end && span.end as usize <= frame.len()));
        Args { frame, spans }
    }

    /// Arguments that did not come from a socket: copies them into one buffer.
    pub fn from_slices(arguments: &[&[u8]]) -> Args {
        let mut frame = BytesMut::new();
        let mut spans = Spans::new();
        for argument in arguments {
            let start = frame.len() as u32;
            frame.extend_from_slice(argument);
            spans.push(Span { start, end: frame.len() as u32 });
        }
        Args { frame: frame.freeze(), spans }
    }

    /// How many, the command's name among them.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is none. A parser never answers that.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The bytes of an argument.
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        let span = self.spans.get(index)?;
        self.frame.get(span.start as usize..span.end as usize)
    }

    /// An argument that shares the buffer.
    pub fn bytes(&self, index: usize) -> Option<Bytes> {
        let span = self.spans.get(index)?;
        Some(self.frame.slice(span.start as usize..span.end as usize))
    }

    /// All arguments in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.spans.iter().map(|span| &self.frame[span.start as usize..span.end as usize])
    }

    /// How much of the connection's input the command took, in bytes; for budgets.
    pub fn frame_bytes(&self) -> usize {
        self.frame.len()
    }
}

impl PartialEq for Args {
    fn eq(&self, other: &Args) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Args {}
