//! A whole request, as one server hands it to another.

use super::parts::{get_bool, get_bytes, get_key};
use alloc::vec::Vec;
use clockwise_core::{
    limits::VALUE_BYTES,
    request::{Basis, Level, Need, Op, Request},
    varint::{Malformed, Reader, put_bytes, put_u64},
    version::Token,
};

const GET: u8 = 0;
const SET: u8 = 1;
const DELETE: u8 = 2;
const EXPLAIN: u8 = 3;

const COUNT: u8 = 0;
const ONE: u8 = 1;
const QUORUM: u8 = 2;
const ALL: u8 = 3;

pub(super) fn put_request(out: &mut Vec<u8>, request: &Request) {
    put_bytes(out, &request.key);
    put_level(out, request.level);
    put_u64(out, request.timeout_ms);
    match &request.op {
        Op::Get => out.push(GET),
        Op::Set { basis, value, expires_ms } => {
            out.push(SET);
            put_basis(out, basis);
            out.push(u8::from(expires_ms.is_some()));
            if let Some(expires_ms) = expires_ms {
                put_u64(out, *expires_ms);
            }
            put_bytes(out, value);
        }
        Op::Delete { basis } => {
            out.push(DELETE);
            put_basis(out, basis);
        }
        Op::Explain => out.push(EXPLAIN),
    }
}

pub(super) fn get_request(reader: &mut Reader) -> Result<Request, Malformed> {
    let (key, level, timeout_ms) = (get_key(reader)?, get_level(reader)?, reader.u64()?);
    let op = match reader.u8()? {
        GET => Op::Get,
        SET => {
            let basis = get_basis(reader)?;
            let expires_ms = if get_bool(reader)? { Some(reader.u64()?) } else { None };
            Op::Set { basis, value: get_bytes(reader, VALUE_BYTES)?, expires_ms }
        }
        DELETE => Op::Delete { basis: get_basis(reader)? },
        EXPLAIN => Op::Explain,
        _ => return Err(Malformed),
    };
    Ok(Request { key, op, level, timeout_ms })
}

fn put_basis(out: &mut Vec<u8>, basis: &Basis) {
    match basis {
        Basis::Plain => out.push(0),
        Basis::Causal(token) => {
            out.push(1);
            token.encode(out);
        }
    }
}

fn get_basis(reader: &mut Reader) -> Result<Basis, Malformed> {
    Ok(if get_bool(reader)? { Basis::Causal(Token::decode(reader)?) } else { Basis::Plain })
}

fn put_level(out: &mut Vec<u8>, level: Level) {
    let (need, count) = match level.need {
        Need::Count(count) => (COUNT, count),
        Need::One => (ONE, 0),
        Need::Quorum => (QUORUM, 0),
        Need::All => (ALL, 0),
    };
    out.extend_from_slice(&[u8::from(level.strict) | need << 1, count]);
}

fn get_level(reader: &mut Reader) -> Result<Level, Malformed> {
    let [flags, count] = reader.array()?;
    let need = match (flags >> 1, count) {
        (COUNT, count) => Need::Count(count),
        (ONE, 0) => Need::One,
        (QUORUM, 0) => Need::Quorum,
        (ALL, 0) => Need::All,
        _ => return Err(Malformed),
    };
    Ok(Level { need, strict: flags & 1 == 1 })
}
