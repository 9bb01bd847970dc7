//! Bytes of the steps of an exchange: the step, the session, then what it says.

use super::parts::{get_bool, get_key, get_record, get_stamp, get_time, put_stamp, put_time};
use crate::limits::{
    EXCHANGE_KEYS, EXCHANGE_RECORDS, EXCHANGE_ROOTS, EXCHANGE_SUMS, FILL_RECORDS, FILL_WRITES,
};
use alloc::vec::Vec;
use bytes::Bytes;
use clockwise_core::{
    exchange::{Exchange, Lines},
    tree::{self, Sum},
    varint::{Malformed, Reader, put_bytes, put_u64},
    version::Write,
};

const ROOTS: u8 = 0;
const GROUPS: u8 = 1;
const SLOTS: u8 = 2;
const SLOT_ROOTS: u8 = 3;
const SUMS: u8 = 4;
const SLOT_SUMS: u8 = 5;
const KEYS: u8 = 6;
const KEY_LIST: u8 = 7;
const WANT: u8 = 8;
const RECORDS: u8 = 9;
const BUSY: u8 = 10;
const UNREADABLE: u8 = 11;
const FILL: u8 = 12;
const FILLED: u8 = 13;
const BUFFERED: u8 = 14;
const INCOMPLETE: u8 = 15;

pub(super) fn put_exchange(out: &mut Vec<u8>, exchange: &Exchange) {
    let begin = |out: &mut Vec<u8>, step: u8| {
        out.push(step);
        put_u64(out, exchange.session());
    };
    match exchange {
        Exchange::Roots { root, .. } => {
            begin(out, ROOTS);
            put_sum(out, *root);
        }
        Exchange::Groups { groups, .. } => {
            begin(out, GROUPS);
            put_list(out, groups, |out, root| put_sum(out, *root));
        }
        Exchange::Slots { group, .. } => {
            begin(out, SLOTS);
            out.push(*group);
        }
        Exchange::SlotRoots { group, roots, .. } => {
            begin(out, SLOT_ROOTS);
            out.push(*group);
            put_list(out, roots, |out, root| put_sum(out, *root));
        }
        Exchange::Sums { lines, watch, .. } => {
            begin(out, SUMS);
            put_lines(out, lines);
            out.push(u8::from(*watch));
        }
        Exchange::SlotSums { lines, sums, .. } => {
            begin(out, SLOT_SUMS);
            put_lines(out, lines);
            out.push(u8::from(sums.is_some()));
            if let Some(sums) = sums {
                put_list(out, sums, |out, sum| {
                    put_u64(out, sum.name);
                    put_sum(out, sum.value);
                });
            }
        }
        Exchange::Keys { names, after, above, .. } => {
            begin(out, KEYS);
            put_list(out, names, |out, name| put_u64(out, *name));
            put_optional_key(out, after);
            out.push(u8::from(above.is_some()));
            above.iter().for_each(|above| put_time(out, *above));
        }
        Exchange::KeyList { keys, upto, .. } => {
            begin(out, KEY_LIST);
            put_list(out, keys, |out, (key, digest)| {
                put_bytes(out, key);
                out.extend_from_slice(&digest.to_le_bytes());
            });
            put_optional_key(out, upto);
        }
        Exchange::Want { lines, keys, .. } => {
            begin(out, WANT);
            put_lines(out, lines);
            put_list(out, keys, |out, key| put_bytes(out, key));
        }
        Exchange::Records { stamp, records, .. } => {
            begin(out, RECORDS);
            put_stamp(out, stamp);
            put_list(out, records, put_key_record);
        }
        Exchange::Fill { .. }
        | Exchange::Filled { .. }
        | Exchange::Buffered { .. }
        | Exchange::Incomplete { .. } => put_fill(out, exchange),
        Exchange::Busy { .. } => begin(out, BUSY),
        Exchange::Unreadable { .. } => begin(out, UNREADABLE),
    }
}

/// The steps that fill a slot.
fn put_fill(out: &mut Vec<u8>, exchange: &Exchange) {
    let mut begin = |step: u8| {
        out.push(step);
        put_u64(out, exchange.session());
    };
    match exchange {
        Exchange::Fill { lines, after, .. } => {
            begin(FILL);
            put_lines(out, lines);
            put_optional_key(out, after);
        }
        Exchange::Filled { stamp, records, upto, .. } => {
            begin(FILLED);
            put_stamp(out, stamp);
            put_list(out, records, put_key_record);
            put_optional_key(out, upto);
        }
        Exchange::Buffered { writes, upto, .. } => {
            begin(BUFFERED);
            put_list(out, writes, |out, write| write.encode(out));
            put_optional_key(out, upto);
        }
        Exchange::Incomplete { .. } => begin(INCOMPLETE),
        _ => {}
    }
}

pub(super) fn get_exchange(reader: &mut Reader) -> Result<Exchange, Malformed> {
    let step = reader.u8()?;
    let session = reader.u64()?;
    Ok(match step {
        ROOTS => Exchange::Roots { session, root: get_sum(reader)? },
        GROUPS => Exchange::Groups { session, groups: get_list(reader, EXCHANGE_ROOTS, get_sum)? },
        SLOTS => Exchange::Slots { session, group: reader.u8()? },
        SLOT_ROOTS => {
            let group = reader.u8()?;
            Exchange::SlotRoots { session, group, roots: get_list(reader, EXCHANGE_ROOTS, get_sum)? }
        }
        SUMS => Exchange::Sums { session, lines: get_lines(reader)?, watch: get_bool(reader)? },
        SLOT_SUMS => {
            let lines = get_lines(reader)?;
            let sums = match reader.u8()? {
                0 => None,
                1 => Some(get_sums(reader)?),
                _ => return Err(Malformed),
            };
            Exchange::SlotSums { session, lines, sums }
        }
        KEYS => {
            let names = get_list(reader, EXCHANGE_SUMS, Reader::u64)?;
            if !tree::are_names(&names) {
                return Err(Malformed);
            }
            let after = get_optional_key(reader)?;
            let above = if get_bool(reader)? { Some(get_time(reader)?) } else { None };
            Exchange::Keys { session, names, after, above }
        }
        KEY_LIST => {
            let key = |reader: &mut Reader| Ok((get_key(reader)?, u64::from_le_bytes(reader.array()?)));
            let keys = get_list(reader, EXCHANGE_KEYS, key)?;
            Exchange::KeyList { session, keys, upto: get_optional_key(reader)? }
        }
        WANT => {
            let lines = get_lines(reader)?;
            Exchange::Want { session, lines, keys: get_list(reader, EXCHANGE_RECORDS, get_key)? }
        }
        RECORDS => {
            let stamp = get_stamp(reader)?;
            Exchange::Records { session, stamp, records: get_list(reader, EXCHANGE_RECORDS, get_key_record)? }
        }
        FILL => Exchange::Fill { session, lines: get_lines(reader)?, after: get_optional_key(reader)? },
        FILLED => {
            let stamp = get_stamp(reader)?;
            let records = get_list(reader, FILL_RECORDS, get_key_record)?;
            Exchange::Filled { session, stamp, records, upto: get_optional_key(reader)? }
        }
        BUFFERED => {
            let writes = get_list(reader, FILL_WRITES, Write::decode)?;
            Exchange::Buffered { session, writes, upto: get_optional_key(reader)? }
        }
        INCOMPLETE => Exchange::Incomplete { session },
        BUSY => Exchange::Busy { session },
        UNREADABLE => Exchange::Unreadable { session },
        _ => return Err(Malformed),
    })
}

fn put_key_record(out: &mut Vec<u8>, (key, record): &(Bytes, Bytes)) {
    put_bytes(out, key);
    put_bytes(out, record);
}

fn get_key_record(reader: &mut Reader) -> Result<(Bytes, Bytes), Malformed> {
    Ok((get_key(reader)?, get_record(reader)?))
}

pub(super) fn put_list<T>(out: &mut Vec<u8>, list: &[T], put: impl Fn(&mut Vec<u8>, &T)) {
    put_u64(out, list.len() as u64);
    list.iter().for_each(|item| put(out, item));
}

pub(super) fn get_list<T>(
    reader: &mut Reader,
    most: usize,
    get: impl Fn(&mut Reader) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let count = reader.u64()?;
    if count > most as u64 {
        return Err(Malformed);
    }
    (0..count).map(|_| get(reader)).collect()
}

pub(super) fn put_sum(out: &mut Vec<u8>, sum: u128) {
    out.extend_from_slice(&sum.to_le_bytes());
}

pub(super) fn get_sum(reader: &mut Reader) -> Result<u128, Malformed> {
    Ok(u128::from_le_bytes(reader.array()?))
}

fn get_sums(reader: &mut Reader) -> Result<Vec<Sum>, Malformed> {
    let sum = |reader: &mut Reader| Ok(Sum { name: reader.u64()?, value: get_sum(reader)? });
    let sums = get_list(reader, EXCHANGE_SUMS, sum)?;
    if tree::is_sound(&sums) { Ok(sums) } else { Err(Malformed) }
}

pub(super) fn put_lines(out: &mut Vec<u8>, lines: &Lines) {
    put_time(out, lines.refuse);
    put_time(out, lines.collect);
}

pub(super) fn get_lines(reader: &mut Reader) -> Result<Lines, Malformed> {
    Ok(Lines { refuse: get_time(reader)?, collect: get_time(reader)? })
}

fn put_optional_key(out: &mut Vec<u8>, key: &Option<Bytes>) {
    out.push(u8::from(key.is_some()));
    if let Some(key) = key {
        put_bytes(out, key);
    }
}

fn get_optional_key(reader: &mut Reader) -> Result<Option<Bytes>, Malformed> {
    match reader.u8()? {
        0 => Ok(None),
        1 => Ok(Some(get_key(reader)?)),
        _ => Err(Malformed),
    }
}
