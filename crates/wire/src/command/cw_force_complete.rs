//! `CW.FORCE-COMPLETE slot|ALL`: an operator takes slots for whole that damage has hit and nobody is left to fill.

use super::{Command, Row};
use crate::{error::WireError, resp::Args};
use clockwise_core::slot::Slot;

pub(super) static ROW: Row = Row {
    name: "cw.force-complete",
    arity: 2,
    flags: &["admin", "noscript", "loading", "stale"],
    categories: &["@admin", "@slow", "@dangerous"],
    summary: "Takes damaged slots for whole as they are: acknowledged writes may be lost, deleted keys may be back",
    syntax: "slot|ALL",
    group: "cluster",
    since: "0.1.0",
    complexity: "O(N) for N damaged slots",
    parse,
    ..Row::BASE
};

fn parse(args: &Args) -> Result<Command, WireError> {
    let text = args.get(1).unwrap_or_default();
    if text.eq_ignore_ascii_case(b"all") {
        return Ok(Command::ForceComplete { slot: None });
    }
    let number = core::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    let slot = number.and_then(Slot::new).ok_or(WireError::answer("ERR Invalid or out of range slot"))?;
    Ok(Command::ForceComplete { slot: Some(slot) })
}
