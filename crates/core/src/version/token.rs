//! What clients call the context: a record without bodies, bound to its key.
use super::{DotSet, Mark};
use crate::{
    hlc::Hlc,
    varint::{Malformed, Reader},
};
use alloc::vec::Vec;
use bytes::Bytes;

/// What a writer has seen.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Token {
    /// All dots.
    pub seen: DotSet,
    /// The highest plain write.
    pub mark: Mark,
    /// The latest time.
    pub hi: Hlc,
}

/// Why a token is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TokenError {
    /// Not a token of this version.
    Malformed,
    /// Forged, damaged, of another key or another cluster.
    Forged,
    /// It would be longer than [`crate::limits::TOKEN_BYTES`].
    TooLong,
}

/// The cluster's key for tokens (in the layout), so that nobody can forge one and inflate incarnations.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenKey(pub [u8; 16]);

impl core::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("TokenKey(..)")
    }
}

impl Token {
    /// Saw nothing: a blind write.
    pub const EMPTY: Token = Token { seen: DotSet::EMPTY, mark: None, hi: Hlc::ZERO };

    /// The client's form: version byte, body, checksum keyed by `key` and bound to the user's key.
    /// A put-reply token that is too long gives up its oldest ranges, never the newest dot.
    pub fn seal(&self, token_key: &TokenKey, key: &[u8]) -> Result<Vec<u8>, TokenError> {
        let _ = (token_key, key);
        todo!()
    }
    /// Reads and checks the client's form.
    pub fn open(bytes: Bytes, token_key: &TokenKey, key: &[u8]) -> Result<Token, TokenError> {
        let _ = (bytes, token_key, key);
        todo!()
    }
    /// Appends the form between servers (no checksum: frames have one).
    pub fn encode(&self, out: &mut Vec<u8>) {
        let _ = out;
        todo!()
    }
    /// Reads the form between servers.
    pub fn decode(reader: &mut Reader) -> Result<Token, Malformed> {
        let _ = reader;
        todo!()
    }
}
