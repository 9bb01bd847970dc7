//! A reply as a client sees it: every type of RESP2 and RESP3.

use alloc::{boxed::Box, vec::Vec};
use bytes::Bytes;

/// A reply. Byte strings share the connection's buffer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// `+text`.
    Simple(Bytes),
    /// `-CODE text`, or `!` with a length.
    Error(Bytes),
    /// `:1`.
    Integer(i64),
    /// `$1` with bytes.
    Bulk(Bytes),
    /// `_`, or `$-1`, or `*-1`.
    Null,
    /// `*n`.
    Array(Vec<Reply>),
    /// `%n`.
    Map(Vec<(Reply, Reply)>),
    /// `~n`.
    Set(Vec<Reply>),
    /// `>n`: not the answer to a command.
    Push(Vec<Reply>),
    /// `#t` or `#f`.
    Boolean(bool),
    /// `,1.5`, kept as its text.
    Double(Bytes),
    /// `(123…`, kept as its text.
    BigNumber(Bytes),
    /// `=n` with a format of three letters.
    Verbatim {
        /// `txt` or `mkd`.
        format: [u8; 3],
        /// What is to be shown.
        text: Bytes,
    },
    /// `|n`: remarks on the reply that follows them.
    Attributed {
        /// The remarks.
        attributes: Vec<(Reply, Reply)>,
        /// The reply.
        reply: Box<Reply>,
    },
}

impl Reply {
    /// The bytes of a string of any kind, errors not among them.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Reply::Simple(bytes) | Reply::Bulk(bytes) | Reply::Verbatim { text: bytes, .. } => Some(bytes),
            _ => None,
        }
    }

    /// The elements of an array, set or push.
    pub fn as_elements(&self) -> Option<&[Reply]> {
        match self {
            Reply::Array(elements) | Reply::Set(elements) | Reply::Push(elements) => Some(elements),
            _ => None,
        }
    }

    /// The value behind a key of a map, or of the flat array that stands for a map in RESP2.
    pub fn field(&self, name: &[u8]) -> Option<&Reply> {
        match self {
            Reply::Map(pairs) => {
                pairs.iter().find(|(key, _)| key.as_bytes() == Some(name)).map(|(_, value)| value)
            }
            Reply::Array(flat) => {
                flat.chunks_exact(2).find(|pair| pair[0].as_bytes() == Some(name)).map(|pair| &pair[1])
            }
            _ => None,
        }
    }
}
