//! Bytes of the steps of rounds: how many, then of each the slot, the step, the round, and what it says.

use super::{
    exchange::{get_lines, get_list, get_sum, put_lines, put_list, put_sum},
    parts::{get_bool, get_member, get_slot, get_time, put_slot, put_time},
};
use crate::limits::ROUND_STEPS;
use alloc::vec::Vec;
use clockwise_core::{
    collect::Step,
    ids::MemberNumber,
    limits::REPLICAS,
    slot::Slot,
    varint::{Malformed, Reader, put_u64},
};

const ASK: u8 = 0;
const FLOOR: u8 = 1;
const PULL: u8 = 2;
const PULLED: u8 = 3;
const PUSH: u8 = 4;
const CONFIRM: u8 = 5;
const VOID: u8 = 6;
const FACT: u8 = 7;

pub(super) fn put_rounds(out: &mut Vec<u8>, steps: &[(Slot, Step)]) {
    put_list(out, steps, |out, (slot, step)| {
        put_slot(out, *slot);
        put_step(out, step);
    });
}

pub(super) fn get_rounds(reader: &mut Reader) -> Result<Vec<(Slot, Step)>, Malformed> {
    get_list(reader, ROUND_STEPS, |reader| Ok((get_slot(reader)?, get_step(reader)?)))
}

fn put_step(out: &mut Vec<u8>, step: &Step) {
    let begin = |out: &mut Vec<u8>, code: u8| {
        out.push(code);
        if let Some(round) = step.round() {
            put_u64(out, round);
        }
    };
    match step {
        Step::Ask { .. } => begin(out, ASK),
        Step::Floor { incarnation, floor, .. } => {
            begin(out, FLOOR);
            put_u64(out, u64::from(*incarnation));
            out.push(u8::from(floor.is_some()));
            floor.iter().for_each(|floor| put_time(out, *floor));
        }
        Step::Pull { upto, collect, lives, .. } => {
            begin(out, PULL);
            put_time(out, *upto);
            put_time(out, *collect);
            put_list(out, lives, |out, (member, life)| {
                put_u64(out, u64::from(member.0));
                put_u64(out, u64::from(*life));
            });
        }
        Step::Pulled { incarnation, lines, root, .. } => {
            begin(out, PULLED);
            put_u64(out, u64::from(*incarnation));
            put_lines(out, lines);
            put_root(out, *root);
        }
        Step::Push { lines, root, .. } => {
            begin(out, PUSH);
            put_lines(out, lines);
            put_root(out, *root);
        }
        Step::Confirm { incarnation, .. } => {
            begin(out, CONFIRM);
            put_u64(out, u64::from(*incarnation));
        }
        Step::Void { .. } => begin(out, VOID),
        Step::Fact { lines } => {
            begin(out, FACT);
            put_lines(out, lines);
        }
    }
}

fn get_step(reader: &mut Reader) -> Result<Step, Malformed> {
    let code = reader.u8()?;
    if code == FACT {
        return Ok(Step::Fact { lines: get_lines(reader)? });
    }
    let round = reader.u64()?;
    Ok(match code {
        ASK => Step::Ask { round },
        FLOOR => {
            let incarnation = reader.u32()?;
            let floor = if get_bool(reader)? { Some(get_time(reader)?) } else { None };
            Step::Floor { round, incarnation, floor }
        }
        PULL => {
            let (upto, collect) = (get_time(reader)?, get_time(reader)?);
            let life = |reader: &mut Reader| Ok((get_member(reader)?, reader.u32()?));
            Step::Pull {
                round,
                upto,
                collect,
                lives: get_list::<(MemberNumber, u32)>(reader, REPLICAS, life)?,
            }
        }
        PULLED => {
            let incarnation = reader.u32()?;
            Step::Pulled { round, incarnation, lines: get_lines(reader)?, root: get_root(reader)? }
        }
        PUSH => Step::Push { round, lines: get_lines(reader)?, root: get_root(reader)? },
        CONFIRM => Step::Confirm { round, incarnation: reader.u32()? },
        VOID => Step::Void { round },
        _ => return Err(Malformed),
    })
}

fn put_root(out: &mut Vec<u8>, root: Option<u128>) {
    out.push(u8::from(root.is_some()));
    root.iter().for_each(|root| put_sum(out, *root));
}

fn get_root(reader: &mut Reader) -> Result<Option<u128>, Malformed> {
    if get_bool(reader)? { get_sum(reader).map(Some) } else { Ok(None) }
}
