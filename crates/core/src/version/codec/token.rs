//! Bytes of a token between servers, and inside its sealed form: `hi · seen · mark`.

use super::{get_mark, get_time, put_mark, put_time};
use crate::{
    varint::{Malformed, Reader},
    version::{DotSet, Token},
};
use alloc::vec::Vec;

impl Token {
    /// Appends the form between servers (no checksum: frames have one).
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_time(out, self.hi);
        self.seen.encode(out);
        put_mark(out, self.mark, self.hi);
    }

    /// Reads the form between servers.
    pub fn decode(reader: &mut Reader) -> Result<Token, Malformed> {
        let hi = get_time(reader)?;
        let seen = DotSet::decode(reader)?;
        Ok(Token { seen, mark: get_mark(reader, hi)?, hi })
    }
}
