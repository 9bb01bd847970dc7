//! How a handed-over request ended.

use super::parts::{
    get_bool, get_member, get_probe, get_record_value, get_slot, get_time, put_probe, put_record_value,
    put_slot, put_time,
};
use crate::limits::RECEIPT_ACKS;
use alloc::vec::Vec;
use clockwise_core::{
    ids::Epoch,
    limits::REPLICAS,
    request::{Ack, Explanation, Holding, Outcome, ReadAnswer, Receipt, Rejected, WriteAnswer},
    varint::{Malformed, Reader, put_u64},
    version::Token,
};

const READ: u8 = 0;
const WRITTEN: u8 = 1;
const EXPLAINED: u8 = 2;
const REJECTED: u8 = 3;
const UNKNOWN: u8 = 4;
const COUNTED: u8 = 5;

pub(super) fn put_outcome(out: &mut Vec<u8>, outcome: &Outcome) {
    match outcome {
        Outcome::Read(answer) => {
            out.push(READ);
            put_receipt(out, &answer.receipt);
            put_record_value(out, &answer.record);
        }
        Outcome::Written(answer) => {
            out.push(WRITTEN);
            put_receipt(out, &answer.receipt);
            put_time(out, answer.time);
            out.push(u8::from(answer.existed));
            answer.token.encode(out);
        }
        Outcome::Counted(keys) => {
            out.push(COUNTED);
            put_u64(out, *keys);
        }
        Outcome::Explained(explanation) => {
            out.push(EXPLAINED);
            put_explanation(out, explanation);
        }
        Outcome::Rejected(rejected) => {
            out.push(REJECTED);
            put_rejected(out, *rejected);
        }
        Outcome::Unknown { required, acked } => out.extend_from_slice(&[UNKNOWN, *required, *acked]),
    }
}

pub(super) fn get_outcome(reader: &mut Reader) -> Result<Outcome, Malformed> {
    Ok(match reader.u8()? {
        READ => {
            let receipt = get_receipt(reader)?;
            Outcome::Read(ReadAnswer { record: get_record_value(reader)?, receipt })
        }
        WRITTEN => {
            let (receipt, time) = (get_receipt(reader)?, get_time(reader)?);
            let existed = get_bool(reader)?;
            Outcome::Written(WriteAnswer { token: Token::decode(reader)?, time, existed, receipt })
        }
        COUNTED => Outcome::Counted(reader.u64()?),
        EXPLAINED => Outcome::Explained(get_explanation(reader)?),
        REJECTED => Outcome::Rejected(get_rejected(reader)?),
        UNKNOWN => Outcome::Unknown { required: reader.u8()?, acked: reader.u8()? },
        _ => return Err(Malformed),
    })
}

/// Acknowledgements beyond the limit are left out: no slot has so many owners and stand-ins.
fn put_receipt(out: &mut Vec<u8>, receipt: &Receipt) {
    put_u64(out, receipt.epoch.0);
    let acks = &receipt.acks[..receipt.acks.len().min(RECEIPT_ACKS)];
    out.extend_from_slice(&[receipt.required, acks.len() as u8]);
    for ack in acks {
        put_u64(out, u64::from(ack.member.0));
        out.push(u8::from(ack.owner) | u8::from(ack.durable) << 1);
    }
}

fn get_receipt(reader: &mut Reader) -> Result<Receipt, Malformed> {
    let epoch = Epoch(reader.u64()?);
    let [required, count] = reader.array()?;
    if usize::from(count) > RECEIPT_ACKS {
        return Err(Malformed);
    }
    let ack = |_| {
        let member = get_member(reader)?;
        match reader.u8()? {
            flags @ 0..=3 => Ok(Ack { member, owner: flags & 1 != 0, durable: flags & 2 != 0 }),
            _ => Err(Malformed),
        }
    };
    Ok(Receipt { epoch, required, acks: (0..count).map(ack).collect::<Result<_, Malformed>>()? })
}

fn put_explanation(out: &mut Vec<u8>, explanation: &Explanation) {
    put_u64(out, explanation.epoch.0);
    put_slot(out, explanation.slot);
    put_u64(out, explanation.holdings.len() as u64);
    for holding in &explanation.holdings {
        put_u64(out, u64::from(holding.member.0));
        put_probe(out, &holding.probe);
        out.push(u8::from(holding.record.is_some()));
        if let Some(record) = &holding.record {
            put_record_value(out, record);
        }
    }
}

fn get_explanation(reader: &mut Reader) -> Result<Explanation, Malformed> {
    let (epoch, slot) = (Epoch(reader.u64()?), get_slot(reader)?);
    let count = reader.u64()?;
    if count > REPLICAS as u64 {
        return Err(Malformed);
    }
    let holding = |_| {
        let (member, probe) = (get_member(reader)?, get_probe(reader)?);
        let record = if get_bool(reader)? { Some(get_record_value(reader)?) } else { None };
        Ok(Holding { member, record, probe })
    };
    Ok(Explanation { epoch, slot, holdings: (0..count).map(holding).collect::<Result<_, Malformed>>()? })
}

fn put_rejected(out: &mut Vec<u8>, rejected: Rejected) {
    match rejected {
        Rejected::NoQuorum { required, alive } => out.extend_from_slice(&[1, required, alive]),
        Rejected::Overloaded => out.push(2),
        Rejected::DiskFull => out.push(3),
        Rejected::TooManySiblings => out.push(4),
        Rejected::RecordTooLarge => out.push(5),
        Rejected::BadContext => out.push(6),
        Rejected::ClockSkew => out.push(7),
        Rejected::NotReady => out.push(8),
        Rejected::Damaged => out.push(9),
        Rejected::BadRequest => out.push(10),
        Rejected::ReadTimeout { required, acked } => out.extend_from_slice(&[11, required, acked]),
    }
}

fn get_rejected(reader: &mut Reader) -> Result<Rejected, Malformed> {
    Ok(match reader.u8()? {
        1 => Rejected::NoQuorum { required: reader.u8()?, alive: reader.u8()? },
        2 => Rejected::Overloaded,
        3 => Rejected::DiskFull,
        4 => Rejected::TooManySiblings,
        5 => Rejected::RecordTooLarge,
        6 => Rejected::BadContext,
        7 => Rejected::ClockSkew,
        8 => Rejected::NotReady,
        9 => Rejected::Damaged,
        10 => Rejected::BadRequest,
        11 => Rejected::ReadTimeout { required: reader.u8()?, acked: reader.u8()? },
        _ => return Err(Malformed),
    })
}
