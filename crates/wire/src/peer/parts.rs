//! The small pieces that bodies are made of. Decoding takes only what encoding can have written.

use crate::limits::LAYOUT_BYTES;
use alloc::vec::Vec;
use bytes::Bytes;
use clockwise_core::{
    hlc::Hlc,
    ids::{Epoch, MemberNumber},
    limits::{KEY_BYTES, RECORD_BYTES},
    message::{OpId, Stamp},
    slot::Slot,
    storage::Probe,
    varint::{Malformed, Reader, put_bytes, put_u64},
    version::Record,
};

pub(super) fn put_op(out: &mut Vec<u8>, op: OpId) {
    out.extend_from_slice(&op.0.to_le_bytes());
}

pub(super) fn get_op(reader: &mut Reader) -> Result<OpId, Malformed> {
    Ok(OpId(u64::from_le_bytes(reader.array()?)))
}

pub(super) fn put_optional_op(out: &mut Vec<u8>, op: Option<OpId>) {
    out.push(u8::from(op.is_some()));
    if let Some(op) = op {
        put_op(out, op);
    }
}

pub(super) fn get_optional_op(reader: &mut Reader) -> Result<Option<OpId>, Malformed> {
    if get_bool(reader)? { get_op(reader).map(Some) } else { Ok(None) }
}

pub(super) fn get_bool(reader: &mut Reader) -> Result<bool, Malformed> {
    match reader.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Malformed),
    }
}

pub(super) fn put_time(out: &mut Vec<u8>, time: Hlc) {
    out.extend_from_slice(&time.0.to_le_bytes());
}

pub(super) fn get_time(reader: &mut Reader) -> Result<Hlc, Malformed> {
    Ok(Hlc(u64::from_le_bytes(reader.array()?)))
}

pub(super) fn put_slot(out: &mut Vec<u8>, slot: Slot) {
    out.extend_from_slice(&slot.number().to_le_bytes());
}

pub(super) fn get_slot(reader: &mut Reader) -> Result<Slot, Malformed> {
    Slot::new(u16::from_le_bytes(reader.array()?)).ok_or(Malformed)
}

pub(super) fn get_member(reader: &mut Reader) -> Result<MemberNumber, Malformed> {
    reader.u32().map(MemberNumber)
}

/// Bytes behind their length, up to a limit.
pub(super) fn get_bytes(reader: &mut Reader, limit_bytes: usize) -> Result<Bytes, Malformed> {
    let bytes = reader.bytes()?;
    if bytes.len() <= limit_bytes { Ok(bytes) } else { Err(Malformed) }
}

pub(super) fn get_key(reader: &mut Reader) -> Result<Bytes, Malformed> {
    get_bytes(reader, KEY_BYTES)
}

/// Everything that is left, up to a limit.
fn get_rest(reader: &mut Reader, limit_bytes: usize) -> Result<Bytes, Malformed> {
    match reader.remaining() {
        rest if rest <= limit_bytes => reader.take(rest),
        _ => Err(Malformed),
    }
}

/// An encoded record that fills the rest of the frame.
pub(super) fn get_last_record(reader: &mut Reader) -> Result<Bytes, Malformed> {
    get_rest(reader, RECORD_BYTES)
}

/// An encoded layout that fills the rest of the frame.
pub(super) fn get_last_layout(reader: &mut Reader) -> Result<Bytes, Malformed> {
    get_rest(reader, LAYOUT_BYTES)
}

/// An encoded record behind its length.
pub(super) fn get_record(reader: &mut Reader) -> Result<Bytes, Malformed> {
    get_bytes(reader, RECORD_BYTES)
}

/// A record behind its length. Only `explain` sends records as values; the copy is its price.
pub(super) fn put_record_value(out: &mut Vec<u8>, record: &Record) {
    let mut encoded = Vec::new();
    record.encode(&mut encoded);
    put_bytes(out, &encoded);
}

pub(super) fn get_record_value(reader: &mut Reader) -> Result<Record, Malformed> {
    Record::decode(get_record(reader)?)
}

pub(super) fn put_stamp(out: &mut Vec<u8>, stamp: &Stamp) {
    put_u64(out, stamp.epoch.0);
    put_u64(out, u64::from(stamp.sender.0));
    put_u64(out, u64::from(stamp.incarnation));
    put_time(out, stamp.refuse);
    put_time(out, stamp.collect);
}

pub(super) fn get_stamp(reader: &mut Reader) -> Result<Stamp, Malformed> {
    Ok(Stamp {
        epoch: Epoch(reader.u64()?),
        sender: get_member(reader)?,
        incarnation: reader.u32()?,
        refuse: get_time(reader)?,
        collect: get_time(reader)?,
    })
}

pub(super) fn put_probe(out: &mut Vec<u8>, probe: &Probe) {
    out.push(u8::from(probe.memtable));
    for count in [probe.bloom_skips, probe.tables_read, probe.disk_reads] {
        put_u64(out, u64::from(count));
    }
}

pub(super) fn get_probe(reader: &mut Reader) -> Result<Probe, Malformed> {
    let memtable = get_bool(reader)?;
    let mut count = || u16::try_from(reader.u64()?).map_err(|_| Malformed);
    Ok(Probe { memtable, bloom_skips: count()?, tables_read: count()?, disk_reads: count()? })
}
