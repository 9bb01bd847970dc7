//! What can be wrong with bytes from outside, by what the caller should do about it.
//!
//! A text about a client's bytes is complete: it starts with its code (`ERR`, `NOPROTO`, …), so that it can be written
//! to the client as it is. A text about a peer's bytes is for the log. Neither holds a line break. Whoever handles
//! an error logs it; nothing here does.

use crate::limits::ECHOED_BYTES;
use alloc::{borrow::Cow, string::String};
use core::fmt;

/// The text of an error.
pub type Text = Cow<'static, str>;

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WireError {
    /// The bytes were well formed, but what they ask cannot be done: answer the text and go on.
    Answer(Text),
    /// From here on the bytes cannot be trusted: answer the text if the other side speaks RESP, and close.
    Close(Text),
}

impl WireError {
    /// An answer after which the connection goes on.
    pub(crate) fn answer(text: &'static str) -> WireError {
        WireError::Answer(Cow::Borrowed(text))
    }

    /// An error after which the connection is closed.
    pub(crate) fn close(text: &'static str) -> WireError {
        WireError::Close(Cow::Borrowed(text))
    }

    /// The text, for a client with its code in front.
    pub fn text(&self) -> &str {
        match self {
            WireError::Answer(text) | WireError::Close(text) => text,
        }
    }

    /// Whether the connection is to be closed.
    pub fn closes(&self) -> bool {
        matches!(self, WireError::Close(_))
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl core::error::Error for WireError {}

/// The start of a client's text, fit to be repeated in an error: short, valid, without line breaks.
pub(crate) fn echo(text: &[u8]) -> String {
    let start = &text[..text.len().min(ECHOED_BYTES)];
    String::from_utf8_lossy(start)
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}
