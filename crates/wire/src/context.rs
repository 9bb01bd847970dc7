//! The text form of a context token: base64url without padding, so that it fits a shell, a header and a URL.
//!
//! What is inside is sealed and opened by `clockwise_core::version::Token`; here it is opaque.

use crate::{error::WireError, limits::CONTEXT_TEXT_BYTES};
use alloc::{string::String, vec::Vec};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// A sealed token as text.
pub fn to_text(sealed: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(sealed)
}

/// A sealed token from its text. Whether it is genuine is another question.
pub fn from_text(text: &[u8]) -> Result<Vec<u8>, WireError> {
    if text.is_empty() || text.len() > CONTEXT_TEXT_BYTES {
        return Err(WireError::answer("ERR invalid context: expected up to 1368 letters of base64url"));
    }
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| WireError::answer("ERR invalid context: not base64url, or not complete"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_comes_back() {
        for length in 1..=clockwise_core::limits::TOKEN_BYTES {
            let sealed: Vec<u8> = (0..length).map(|i| (i * 37) as u8).collect();
            let text = to_text(&sealed);
            assert!(text.len() <= CONTEXT_TEXT_BYTES && !text.contains(['+', '/', '=']));
            assert_eq!(from_text(text.as_bytes()).as_ref(), Ok(&sealed));
        }
    }

    #[test]
    fn what_is_not_base64url_is_refused() {
        let long = "A".repeat(CONTEXT_TEXT_BYTES + 1);
        for text in ["", "A", "AA==", "A+/A", "AB", "ä", " AAA", &long] {
            assert!(matches!(from_text(text.as_bytes()), Err(WireError::Answer(_))), "{text}");
        }
        assert_eq!(CONTEXT_TEXT_BYTES, 1368, "the text of the error names it");
    }
}
