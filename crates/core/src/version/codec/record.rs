//! Bytes of a record: `format · hi · seen · mark · number of versions · version …`; see `docs/formats/record.md`.
//!
//! The context of an only version is usually all that the record has seen but the version itself; then a flag stands
//! for it. Beside a sibling that cannot be: the sibling's dot would be in the context. So one bit makes a
//! decoder build one set at most.

use super::{
    get_bytes, get_dot, get_mark, get_time, get_time_below, minimal_u64, put_dot, put_mark, put_time,
    put_time_below,
};
use crate::{
    hlc::Hlc,
    limits::RECORD_BYTES,
    varint::{Malformed, Reader, put_bytes, put_u64},
    version::{DotSet, Kind, Record, Value, Version},
};
use alloc::vec::Vec;
use bytes::Bytes;

/// First byte.
const FORMAT: u8 = 1;

const REGISTER: u8 = 1;
const EXPIRES: u8 = 1 << 1;
const FREED: u8 = 1 << 2;
/// The context is `seen` less the own dot.
const REST_OF_SEEN: u8 = 1 << 3;
/// Of a causal version: the mark that its writer knew follows. Records without it were stored by an older program.
const MARKED: u8 = 1 << 4;
const FLAGS: u8 = REGISTER | EXPIRES | FREED | REST_OF_SEEN | MARKED;

/// Room for everything of a version but its value, in the usual case.
const VERSION_BYTES: usize = 48;
/// More than a range of a set of dots takes: two numbers of five bytes, two of ten.
const RANGE_BYTES: usize = 32;
/// Room for this many versions is made before they are read, whatever number is announced.
const EXPECTED_VERSIONS: u64 = 4;

impl Record {
    /// Whether its stored form would exceed [`RECORD_BYTES`].
    pub fn is_too_large(&self) -> bool {
        // Most are far from it: they are not encoded for that.
        let ranges =
            self.seen.ranges().len() + self.versions.iter().map(|it| it.ctx.ranges().len()).sum::<usize>();
        let values: usize = self.versions.iter().map(|it| value_bytes(it) + VERSION_BYTES).sum();
        if values + ranges * RANGE_BYTES + VERSION_BYTES <= RECORD_BYTES {
            return false;
        }
        let mut encoded = Vec::new();
        self.encode(&mut encoded);
        encoded.len() > RECORD_BYTES
    }

    /// Appends the stored form, with its version byte. The empty record has no bytes at all.
    pub fn encode(&self, out: &mut Vec<u8>) {
        if self.is_empty() {
            return;
        }
        out.reserve(
            VERSION_BYTES + self.versions.iter().map(|it| VERSION_BYTES + value_bytes(it)).sum::<usize>(),
        );
        out.push(FORMAT);
        put_time(out, self.hi);
        self.seen.encode(out);
        put_mark(out, self.mark, self.hi);
        put_u64(out, self.versions.len() as u64);
        for version in &self.versions {
            put_version(out, version, self);
        }
    }

    /// Reads the stored form; values share the buffer. Empty bytes are the empty record.
    pub fn decode(bytes: Bytes) -> Result<Record, Malformed> {
        if bytes.is_empty() {
            return Ok(Record::default());
        }
        let mut reader = Reader::new(bytes);
        if reader.u8()? != FORMAT {
            return Err(Malformed);
        }
        let hi = get_time(&mut reader)?;
        let seen = DotSet::decode(&mut reader)?;
        if seen.is_empty() {
            return Err(Malformed);
        }
        let mark = get_mark(&mut reader, hi)?;
        let count = minimal_u64(&mut reader)?;
        let only = count == 1;
        let mut versions: Vec<Version> = Vec::with_capacity(count.min(EXPECTED_VERSIONS) as usize);
        for _ in 0..count {
            let version = get_version(&mut reader, &seen, hi, only)?;
            if versions.last().is_some_and(|last| last.dot >= version.dot) {
                return Err(Malformed);
            }
            versions.push(version);
        }
        reader.end()?;
        Ok(Record { seen, mark, hi, versions })
    }
}

fn value_bytes(version: &Version) -> usize {
    match &version.value {
        Value::Bytes(bytes) => bytes.len(),
        Value::Freed => 0,
    }
}

/// Whether the context is `seen` less the own dot.
fn is_rest_of_seen(version: &Version, seen: &DotSet) -> bool {
    // The lengths decide most cases without building the set.
    let may_be = version.ctx.ranges().len().abs_diff(seen.ranges().len()) <= 1;
    may_be && version.ctx == seen.without(version.dot)
}

fn put_version(out: &mut Vec<u8>, version: &Version, record: &Record) {
    let rest_of_seen = record.versions.len() == 1 && is_rest_of_seen(version, &record.seen);
    let mut flags = 0;
    for (flag, is_set) in [
        (REGISTER, version.kind == Kind::Register),
        (EXPIRES, version.expires_ms.is_some()),
        (FREED, matches!(version.value, Value::Freed)),
        (REST_OF_SEEN, rest_of_seen),
        (MARKED, version.cmark.is_some()),
    ] {
        flags |= if is_set { flag } else { 0 };
    }
    out.push(flags);
    put_dot(out, version.dot);
    put_time_below(out, record.hi, version.time);
    if let Some(expires_ms) = version.expires_ms {
        put_u64(out, expires_ms);
    }
    if !rest_of_seen {
        version.ctx.encode(out);
    }
    if let Some(cmark) = version.cmark {
        put_mark(out, cmark, record.hi);
    }
    if let Value::Bytes(bytes) = &version.value {
        put_bytes(out, bytes);
    }
}

fn get_version(reader: &mut Reader, seen: &DotSet, hi: Hlc, only: bool) -> Result<Version, Malformed> {
    let flags = reader.u8()?;
    let rest_of_seen = flags & REST_OF_SEEN != 0;
    if flags & !FLAGS != 0 || rest_of_seen && !only || flags & (REGISTER | MARKED) == REGISTER | MARKED {
        return Err(Malformed);
    }
    let kind = if flags & REGISTER != 0 { Kind::Register } else { Kind::Causal };
    let dot = get_dot(reader)?;
    let time = get_time_below(reader, hi)?;
    let expires_ms = if flags & EXPIRES != 0 { Some(minimal_u64(reader)?) } else { None };
    let ctx = if rest_of_seen { seen.without(dot) } else { DotSet::decode(reader)? };
    let cmark = if flags & MARKED != 0 { Some(get_mark(reader, hi)?) } else { None };
    let value = if flags & FREED != 0 { Value::Freed } else { Value::Bytes(get_bytes(reader, usize::MAX)?) };
    let version = Version { dot, ctx, time, expires_ms, kind, cmark, value };
    if !rest_of_seen && only && is_rest_of_seen(&version, seen) {
        return Err(Malformed);
    }
    Ok(version)
}
