//! Bytes of a write: `format · flags · key · dot · fill · time · epoch · ctx · cmark · [expires] · [value]`.

use super::{get_bytes, get_dot, get_mark, get_time, minimal_u64, put_dot, put_mark, put_time};
use crate::{
    ids::Epoch,
    limits::{KEY_BYTES, VALUE_BYTES},
    varint::{Malformed, Reader, put_bytes, put_u64},
    version::{DotSet, Kind, Payload, Write},
};
use alloc::vec::Vec;

/// First byte.
const FORMAT: u8 = 1;

const REGISTER: u8 = 1;
const EXPIRES: u8 = 1 << 1;
const DELETE: u8 = 1 << 2;

impl Write {
    /// Appends its form on the wire.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let register = if self.kind == Kind::Register { REGISTER } else { 0 };
        let payload = match &self.payload {
            Payload::Delete => DELETE,
            Payload::Value { expires_ms: Some(_), .. } => EXPIRES,
            Payload::Value { expires_ms: None, .. } => 0,
        };
        out.push(FORMAT);
        out.push(register | payload);
        put_bytes(out, &self.key);
        put_dot(out, self.dot);
        put_u64(out, self.dot.counter - self.lo);
        put_time(out, self.time);
        put_u64(out, self.epoch.0);
        self.ctx.encode(out);
        put_mark(out, self.cmark, self.time);
        if let Payload::Value { bytes, expires_ms } = &self.payload {
            if let Some(expires_ms) = expires_ms {
                put_u64(out, *expires_ms);
            }
            put_bytes(out, bytes);
        }
    }

    /// Reads its form on the wire; key and value share the buffer.
    pub fn decode(reader: &mut Reader) -> Result<Write, Malformed> {
        if reader.u8()? != FORMAT {
            return Err(Malformed);
        }
        let flags = reader.u8()?;
        let kind = if flags & REGISTER != 0 { Kind::Register } else { Kind::Causal };
        let key = get_bytes(reader, KEY_BYTES)?;
        let dot = get_dot(reader)?;
        let fill = minimal_u64(reader)?;
        let lo = dot.counter.checked_sub(fill).filter(|&lo| lo >= 1).ok_or(Malformed)?;
        let time = get_time(reader)?;
        let epoch = Epoch(minimal_u64(reader)?);
        let ctx = DotSet::decode(reader)?;
        let cmark = get_mark(reader, time)?;
        let payload = match flags & !REGISTER {
            0 => Payload::Value { expires_ms: None, bytes: get_bytes(reader, VALUE_BYTES)? },
            EXPIRES => {
                let expires_ms = Some(minimal_u64(reader)?);
                Payload::Value { expires_ms, bytes: get_bytes(reader, VALUE_BYTES)? }
            }
            DELETE => Payload::Delete,
            _ => return Err(Malformed),
        };
        Ok(Write { key, dot, lo, ctx, cmark, time, kind, payload, epoch })
    }
}
