//! What a frame says, by its kind.
//!
//! Pieces of fixed or prefixed length come first, and the one long piece (write, record, layout) fills the rest, so
//! that nothing needs to be measured before it is written.

use super::{
    exchange::{get_exchange, put_exchange},
    gossip::{get_gossip, put_gossip},
    outcome::{get_outcome, put_outcome},
    parts::{
        get_bool, get_key, get_last_layout, get_last_record, get_op, get_optional_op, get_probe, get_record,
        get_slot, get_stamp, get_time, put_op, put_optional_op, put_probe, put_slot, put_stamp, put_time,
    },
    request::{get_request, put_request},
    rounds::{get_rounds, put_rounds},
};
use crate::limits::{COUNT_RANGES, REPAIR_RECORDS};
use alloc::vec::Vec;
use clockwise_core::{
    ids::MemberNumber,
    limits::{DELIVERED_WRITES, REPLICAS},
    message::{Body, Delivered, ReadVerdict, RepairVerdict, StampedRecord, WriteVerdict},
    slot::Slot,
    varint::{Malformed, Reader, put_bytes, put_u64},
    version::{Token, Write},
};

const WRITE: u8 = 1;
const WRITE_ACK: u8 = 2;
const READ: u8 = 3;
const READ_ACK: u8 = 4;
const REPAIR: u8 = 5;
const REPAIR_ACK: u8 = 6;
const FORWARD: u8 = 7;
const FORWARD_ACK: u8 = 8;
const PROBE: u8 = 9;
const PROBE_ACK: u8 = 10;
const STALE_EPOCH: u8 = 11;
const NEED_LAYOUT: u8 = 12;
const LAYOUT: u8 = 13;
const COUNT: u8 = 14;
const COUNT_ACK: u8 = 15;
const PING: u8 = 16;
const PONG: u8 = 17;
const HINT: u8 = 18;
const DELIVER: u8 = 19;
const DELIVER_ACK: u8 = 20;
const GOSSIP: u8 = 21;
const EXCHANGE: u8 = 22;
const BEHIND: u8 = 23;
const ROUNDS: u8 = 24;

/// The byte that names what is said. Numbers are never used again for another body.
pub(super) fn kind(body: &Body) -> u8 {
    match body {
        Body::Write { .. } => WRITE,
        Body::WriteAck { .. } => WRITE_ACK,
        Body::Read { .. } => READ,
        Body::ReadAck { .. } => READ_ACK,
        Body::Repair { .. } => REPAIR,
        Body::RepairAck { .. } => REPAIR_ACK,
        Body::Forward { .. } => FORWARD,
        Body::ForwardAck { .. } => FORWARD_ACK,
        Body::Probe { .. } => PROBE,
        Body::ProbeAck { .. } => PROBE_ACK,
        Body::StaleEpoch { .. } => STALE_EPOCH,
        Body::NeedLayout { .. } => NEED_LAYOUT,
        Body::Layout { .. } => LAYOUT,
        Body::Count { .. } => COUNT,
        Body::CountAck { .. } => COUNT_ACK,
        Body::Ping { .. } => PING,
        Body::Exchange(_) => EXCHANGE,
        Body::Behind => BEHIND,
        Body::Rounds(_) => ROUNDS,
        Body::Pong { .. } => PONG,
        Body::Hint { .. } => HINT,
        Body::Deliver { .. } => DELIVER,
        Body::DeliverAck { .. } => DELIVER_ACK,
        Body::Gossip(_) => GOSSIP,
    }
}

/// Appends a body.
pub(super) fn encode(body: &Body, out: &mut Vec<u8>) {
    match body {
        Body::Write { op, write } => {
            put_op(out, *op);
            write.encode(out);
        }
        Body::WriteAck { op, verdict } => {
            put_op(out, *op);
            put_write_verdict(out, verdict);
        }
        Body::Read { op, key, digest, durable } => {
            put_op(out, *op);
            out.push(u8::from(*durable) | u8::from(digest.is_some()) << 1);
            put_bytes(out, key);
            if let Some(digest) = digest {
                out.extend_from_slice(&digest.to_le_bytes());
            }
        }
        Body::ReadAck { op, verdict } => {
            put_op(out, *op);
            put_read_verdict(out, verdict);
        }
        Body::Repair { op, key, records } => {
            put_optional_op(out, *op);
            put_bytes(out, key);
            put_u64(out, records.len() as u64);
            for StampedRecord { stamp, record } in records {
                put_stamp(out, stamp);
                put_bytes(out, record);
            }
        }
        Body::RepairAck { op, verdict } => {
            put_op(out, *op);
            put_repair_verdict(out, verdict);
        }
        Body::Forward { op, request } => {
            put_op(out, *op);
            put_request(out, request);
        }
        Body::ForwardAck { op, outcome } => {
            put_op(out, *op);
            put_outcome(out, outcome);
        }
        Body::Probe { op, key } => {
            put_op(out, *op);
            put_bytes(out, key);
        }
        _ => encode_service(body, out),
    }
}

/// The rest: what is not about one key's record.
fn encode_service(body: &Body, out: &mut Vec<u8>) {
    match body {
        Body::ProbeAck { op, record, probe } => {
            put_op(out, *op);
            put_probe(out, probe);
            out.push(u8::from(record.is_some()));
            out.extend_from_slice(record.as_deref().unwrap_or_default());
        }
        Body::StaleEpoch { op, layout } => {
            put_optional_op(out, *op);
            out.extend_from_slice(layout);
        }
        Body::NeedLayout { op } => put_optional_op(out, *op),
        Body::Layout { layout } => out.extend_from_slice(layout),
        Body::Count { op, ranges } => {
            put_op(out, *op);
            put_u64(out, ranges.len() as u64);
            for (first, last) in ranges {
                put_slot(out, *first);
                put_slot(out, *last);
            }
        }
        Body::CountAck { op, keys } => {
            put_op(out, *op);
            put_u64(out, *keys);
        }
        Body::Exchange(exchange) => put_exchange(out, exchange),
        Body::Rounds(steps) => put_rounds(out, steps),
        Body::Ping { sent_ms } => put_u64(out, *sent_ms),
        Body::Pong { sent_ms, wall_ms } => {
            put_u64(out, *sent_ms);
            put_u64(out, *wall_ms);
        }
        _ => encode_hints(body, out),
    }
}

/// What stand-ins and owners say to each other about hints.
fn encode_hints(body: &Body, out: &mut Vec<u8>) {
    match body {
        Body::Hint { op, targets, write } => {
            put_optional_op(out, *op);
            put_u64(out, targets.len() as u64);
            targets.iter().for_each(|target| put_u64(out, u64::from(target.0)));
            write.encode(out);
        }
        Body::Deliver { op, writes } => {
            put_op(out, *op);
            put_u64(out, writes.len() as u64);
            writes.iter().for_each(|write| write.encode(out));
        }
        Body::DeliverAck { op, verdicts, credit_bytes } => {
            put_op(out, *op);
            put_u64(out, u64::from(*credit_bytes));
            put_u64(out, verdicts.len() as u64);
            out.extend(verdicts.iter().map(|verdict| u8::from(*verdict == Delivered::Done)));
        }
        Body::Gossip(said) => put_gossip(out, said),
        // The others are taken before.
        _ => {}
    }
}

/// Reads the body of this kind.
pub(super) fn decode(kind: u8, reader: &mut Reader) -> Result<Body, Malformed> {
    Ok(match kind {
        WRITE => Body::Write { op: get_op(reader)?, write: Write::decode(reader)? },
        WRITE_ACK => Body::WriteAck { op: get_op(reader)?, verdict: get_write_verdict(reader)? },
        READ => decode_read(reader)?,
        READ_ACK => Body::ReadAck { op: get_op(reader)?, verdict: get_read_verdict(reader)? },
        REPAIR => decode_repair(reader)?,
        REPAIR_ACK => Body::RepairAck { op: get_op(reader)?, verdict: get_repair_verdict(reader)? },
        FORWARD => Body::Forward { op: get_op(reader)?, request: get_request(reader)? },
        FORWARD_ACK => Body::ForwardAck { op: get_op(reader)?, outcome: get_outcome(reader)? },
        PROBE => Body::Probe { op: get_op(reader)?, key: get_key(reader)? },
        PROBE_ACK => {
            let (op, probe) = (get_op(reader)?, get_probe(reader)?);
            let record = if get_bool(reader)? { Some(get_last_record(reader)?) } else { None };
            Body::ProbeAck { op, record, probe }
        }
        STALE_EPOCH => Body::StaleEpoch { op: get_optional_op(reader)?, layout: get_last_layout(reader)? },
        NEED_LAYOUT => Body::NeedLayout { op: get_optional_op(reader)? },
        LAYOUT => Body::Layout { layout: get_last_layout(reader)? },
        COUNT => decode_count(reader)?,
        COUNT_ACK => Body::CountAck { op: get_op(reader)?, keys: reader.u64()? },
        EXCHANGE => Body::Exchange(get_exchange(reader)?),
        BEHIND => Body::Behind,
        ROUNDS => Body::Rounds(get_rounds(reader)?),
        PING => Body::Ping { sent_ms: reader.u64()? },
        PONG => Body::Pong { sent_ms: reader.u64()?, wall_ms: reader.u64()? },
        HINT => decode_hint(reader)?,
        DELIVER => {
            let op = get_op(reader)?;
            let count = get_count(reader, DELIVERED_WRITES)?;
            Body::Deliver { op, writes: (0..count).map(|_| Write::decode(reader)).collect::<Result<_, _>>()? }
        }
        DELIVER_ACK => {
            let (op, credit_bytes) = (get_op(reader)?, reader.u32()?);
            let count = get_count(reader, DELIVERED_WRITES)?;
            let verdict = |_| Ok(if get_bool(reader)? { Delivered::Done } else { Delivered::Refused });
            Body::DeliverAck {
                op,
                verdicts: (0..count).map(verdict).collect::<Result<_, _>>()?,
                credit_bytes,
            }
        }
        GOSSIP => Body::Gossip(get_gossip(reader)?),
        _ => return Err(Malformed),
    })
}

/// A number of things, at most this many.
fn get_count(reader: &mut Reader, most: usize) -> Result<usize, Malformed> {
    usize::try_from(reader.u64()?).ok().filter(|&count| count <= most).ok_or(Malformed)
}

fn decode_hint(reader: &mut Reader) -> Result<Body, Malformed> {
    let op = get_optional_op(reader)?;
    let count = get_count(reader, REPLICAS)?;
    let targets = (0..count).map(|_| Ok(MemberNumber(reader.u32()?))).collect::<Result<_, Malformed>>()?;
    Ok(Body::Hint { op, targets, write: Write::decode(reader)? })
}

fn decode_read(reader: &mut Reader) -> Result<Body, Malformed> {
    let op = get_op(reader)?;
    let flags = reader.u8()?;
    if flags > 3 {
        return Err(Malformed);
    }
    let key = get_key(reader)?;
    let digest = if flags & 2 != 0 { Some(u128::from_le_bytes(reader.array()?)) } else { None };
    Ok(Body::Read { op, key, digest, durable: flags & 1 != 0 })
}

fn decode_repair(reader: &mut Reader) -> Result<Body, Malformed> {
    let (op, key) = (get_optional_op(reader)?, get_key(reader)?);
    let count = reader.u64()?;
    if count > REPAIR_RECORDS as u64 {
        return Err(Malformed);
    }
    let stamped = |_| Ok(StampedRecord { stamp: get_stamp(reader)?, record: get_record(reader)? });
    Ok(Body::Repair { op, key, records: (0..count).map(stamped).collect::<Result<_, Malformed>>()? })
}

fn decode_count(reader: &mut Reader) -> Result<Body, Malformed> {
    let op = get_op(reader)?;
    let count = reader.u64()?;
    if count > COUNT_RANGES as u64 {
        return Err(Malformed);
    }
    let mut ranges: Vec<(Slot, Slot)> = Vec::new();
    for _ in 0..count {
        let (first, last) = (get_slot(reader)?, get_slot(reader)?);
        if first > last || ranges.last().is_some_and(|before| before.1 >= first) {
            return Err(Malformed);
        }
        ranges.push((first, last));
    }
    Ok(Body::Count { op, ranges })
}

fn put_write_verdict(out: &mut Vec<u8>, verdict: &WriteVerdict) {
    match verdict {
        WriteVerdict::Taken { durable, beaten_by } => {
            out.push(u8::from(*durable) | u8::from(beaten_by.is_some()) << 1);
            if let Some(token) = beaten_by {
                token.encode(out);
            }
        }
        WriteVerdict::TooOld => out.push(4),
        WriteVerdict::Refused => out.push(5),
    }
}

fn get_write_verdict(reader: &mut Reader) -> Result<WriteVerdict, Malformed> {
    match reader.u8()? {
        flags @ 0..=1 => Ok(WriteVerdict::Taken { durable: flags == 1, beaten_by: None }),
        flags @ 2..=3 => {
            Ok(WriteVerdict::Taken { durable: flags == 3, beaten_by: Some(Token::decode(reader)?) })
        }
        4 => Ok(WriteVerdict::TooOld),
        5 => Ok(WriteVerdict::Refused),
        _ => Err(Malformed),
    }
}

fn put_read_verdict(out: &mut Vec<u8>, verdict: &ReadVerdict) {
    match verdict {
        ReadVerdict::Same { stamp } => {
            out.push(0);
            put_stamp(out, stamp);
        }
        ReadVerdict::Record(StampedRecord { stamp, record }) => {
            out.push(1);
            put_stamp(out, stamp);
            out.extend_from_slice(record);
        }
        ReadVerdict::Refused => out.push(2),
        ReadVerdict::Hints(record) => {
            out.push(3);
            out.extend_from_slice(record);
        }
    }
}

fn get_read_verdict(reader: &mut Reader) -> Result<ReadVerdict, Malformed> {
    match reader.u8()? {
        0 => Ok(ReadVerdict::Same { stamp: get_stamp(reader)? }),
        1 => {
            let stamp = get_stamp(reader)?;
            Ok(ReadVerdict::Record(StampedRecord { stamp, record: get_last_record(reader)? }))
        }
        2 => Ok(ReadVerdict::Refused),
        3 => Ok(ReadVerdict::Hints(get_last_record(reader)?)),
        _ => Err(Malformed),
    }
}

fn put_repair_verdict(out: &mut Vec<u8>, verdict: &RepairVerdict) {
    match verdict {
        RepairVerdict::Joined { durable } => out.push(u8::from(*durable)),
        RepairVerdict::Again { refuse, collect } => {
            out.push(2);
            put_time(out, *refuse);
            put_time(out, *collect);
        }
        RepairVerdict::Refused => out.push(3),
        RepairVerdict::Newer => out.push(4),
    }
}

fn get_repair_verdict(reader: &mut Reader) -> Result<RepairVerdict, Malformed> {
    match reader.u8()? {
        flag @ 0..=1 => Ok(RepairVerdict::Joined { durable: flag == 1 }),
        2 => Ok(RepairVerdict::Again { refuse: get_time(reader)?, collect: get_time(reader)? }),
        3 => Ok(RepairVerdict::Refused),
        4 => Ok(RepairVerdict::Newer),
        _ => Err(Malformed),
    }
}
