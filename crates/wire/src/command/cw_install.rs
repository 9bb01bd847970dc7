//! `CW.INSTALL layout`: gives a new server its first layout; `clockwise init` sends it.

use super::{Command, Row};
use crate::{error::WireError, limits::BULK_BYTES, resp::Args};
use alloc::vec::Vec;
use bytes::Bytes;

pub(super) static ROW: Row = Row {
    name: "cw.install",
    arity: 2,
    flags: &["admin", "noscript", "loading", "stale"],
    categories: &["@admin", "@slow", "@dangerous"],
    summary: "Gives a server that has no layout its first one",
    syntax: "layout-as-hex",
    group: "cluster",
    since: "0.1.0",
    complexity: "O(N) for N members",
    parse,
    ..Row::BASE
};

fn parse(args: &Args) -> Result<Command, WireError> {
    let layout = unhex(args.get(1).unwrap_or_default())
        .ok_or(WireError::answer("ERR invalid layout: expected an even number of hex digits"))?;
    Ok(Command::Install { layout: Bytes::from(layout) })
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    if text.is_empty() || !text.len().is_multiple_of(2) || text.len() > BULK_BYTES {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    text.chunks_exact(2).map(|pair| Some((digit(pair[0])? << 4) | digit(pair[1])?)).collect()
}
