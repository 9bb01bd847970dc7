//! What clients call the context: a record without bodies, bound to its key.
//!
//! A sealed token was made by this cluster for this key, or it does not open: a forged one could claim dots that
//! nobody minted, hide values and inflate incarnations. A token is not secret and does not expire; an old one only
//! covers less.

use super::{DotSet, Mark};
use crate::{
    hlc::Hlc,
    ids::Dot,
    limits::TOKEN_BYTES,
    varint::{Malformed, Reader},
};
use alloc::vec::Vec;
use bytes::Bytes;
use core::hash::Hasher;
use siphasher::sip::SipHasher24;

/// First byte of the client's form.
const FORMAT: u8 = 1;

/// Last bytes of the client's form.
const CHECKSUM_BYTES: usize = 8;

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

impl TokenKey {
    /// Keyed SipHash-2-4 over the user's key and the sealed bytes before the checksum.
    pub(super) fn checksum(&self, key: &[u8], sealed: &[u8]) -> [u8; CHECKSUM_BYTES] {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(&(key.len() as u64).to_le_bytes());
        hasher.write(key);
        hasher.write(sealed);
        hasher.finish().to_le_bytes()
    }
}

impl Token {
    /// Saw nothing: a blind write.
    pub const EMPTY: Token = Token { seen: DotSet::EMPTY, mark: None, hi: Hlc::ZERO };

    /// The client's form, exact: version byte, body, checksum keyed by `token_key` and bound to the user's key.
    ///
    /// [`TokenError::TooLong`] if it would exceed [`TOKEN_BYTES`]. For the token of a *read* that is the answer:
    /// cut, it would leave siblings behind that its reader saw and merged.
    pub fn seal(&self, token_key: &TokenKey, key: &[u8]) -> Result<Vec<u8>, TokenError> {
        let mut sealed = Vec::with_capacity(64);
        sealed.push(FORMAT);
        self.encode(&mut sealed);
        if sealed.len() + CHECKSUM_BYTES > TOKEN_BYTES {
            return Err(TokenError::TooLong);
        }
        let checksum = token_key.checksum(key, &sealed);
        sealed.extend_from_slice(&checksum);
        Ok(sealed)
    }

    /// The client's form of a *put's reply*, and how many ranges it gave up to fit into [`TOKEN_BYTES`]: the oldest,
    /// never the one that holds `newest`, the dot just written. What it gives up can come back to its writer as
    /// siblings, its own older writes; a read gives a compact token again.
    pub fn seal_trimmed(&self, token_key: &TokenKey, key: &[u8], newest: Dot) -> (Vec<u8>, usize) {
        if let Ok(sealed) = self.seal(token_key, key) {
            return (sealed, 0);
        }
        let ranges = self.seen.ranges().len();
        let by_worth = self.seen.by_worth(newest);
        let keep = |count: usize| Token { seen: by_worth.first(count), mark: self.mark, hi: self.hi };
        // One range always fits. A range takes two bytes or more, so this many never do.
        let (mut fits, mut too_many) = (1, ranges.min(TOKEN_BYTES / 2) + 1);
        while fits + 1 < too_many {
            let middle = fits.midpoint(too_many);
            match keep(middle).seal(token_key, key) {
                Ok(_) => fits = middle,
                Err(_) => too_many = middle,
            }
        }
        let sealed =
            keep(fits).seal(token_key, key).expect("one range, a mark and a time are below 100 bytes");
        (sealed, ranges - fits)
    }

    /// Reads and checks the client's form.
    pub fn open(bytes: Bytes, token_key: &TokenKey, key: &[u8]) -> Result<Token, TokenError> {
        if bytes.len() > TOKEN_BYTES {
            return Err(TokenError::TooLong);
        }
        let end = bytes.len().checked_sub(CHECKSUM_BYTES).ok_or(TokenError::Malformed)?;
        if end == 0 || bytes[0] != FORMAT {
            return Err(TokenError::Malformed);
        }
        if bytes[end..] != token_key.checksum(key, &bytes[..end]) {
            return Err(TokenError::Forged);
        }
        let read = |mut body: Reader| -> Result<Token, Malformed> {
            let token = Token::decode(&mut body)?;
            body.end().map(|()| token)
        };
        read(Reader::new(bytes.slice(1..end))).map_err(|Malformed| TokenError::Malformed)
    }
}
