//! Commands as a line of words, with quotes, for people and probes.
//!
//! `"…"` knows `\n \r \t \b \a \xHH \\ \"`, `'…'` knows `\'`; a closing quote ends its word, as in Redis. A line that
//! starts like an HTTP request is refused: a web page must not be able to make a browser write to a local server.

use super::args::{Args, Span, Spans};
use crate::error::WireError;
use alloc::vec::Vec;
use bytes::Bytes;

/// Splits a line; its end may be there or not. No words is no error.
pub(super) fn split(line: Bytes) -> Result<Args, WireError> {
    let quoted = line.iter().any(|byte| matches!(byte, b'"' | b'\''));
    let args = if quoted { split_quoted(&line)? } else { split_plain(line) };
    match args.get(0) {
        Some(first) if first.eq_ignore_ascii_case(b"post") || first.eq_ignore_ascii_case(b"host:") => {
            Err(WireError::close("ERR Protocol error: this is not an HTTP port"))
        }
        _ => Ok(args),
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn split_plain(line: Bytes) -> Args {
    let mut spans = Spans::new();
    let mut at = 0;
    for word in line.split(|&byte| is_space(byte)) {
        if !word.is_empty() {
            spans.push(Span { start: at as u32, end: (at + word.len()) as u32 });
        }
        at += word.len() + 1;
    }
    Args::new(line, spans)
}

/// Words are copied, because escapes make them shorter.
fn split_quoted(line: &[u8]) -> Result<Args, WireError> {
    let mut words = Vec::with_capacity(line.len());
    let mut spans = Spans::new();
    let mut rest = line;
    loop {
        while let [byte, behind @ ..] = rest
            && is_space(*byte)
        {
            rest = behind;
        }
        if rest.is_empty() {
            return Ok(Args::new(Bytes::from(words), spans));
        }
        let start = words.len() as u32;
        rest = word(rest, &mut words).ok_or(UNBALANCED)?;
        spans.push(Span { start, end: words.len() as u32 });
    }
}

const UNBALANCED: WireError =
    WireError::Close(alloc::borrow::Cow::Borrowed("ERR Protocol error: unbalanced quotes in request"));

/// Appends one word and answers what is behind it.
fn word<'a>(mut rest: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match rest {
            [] => return Some(rest),
            [byte, ..] if is_space(*byte) => return Some(rest),
            [b'"', inside @ ..] => return closed(double_quoted(inside, out)?),
            [b'\'', inside @ ..] => return closed(single_quoted(inside, out)?),
            [byte, behind @ ..] => {
                out.push(*byte);
                rest = behind;
            }
        }
    }
}

/// Behind a closing quote comes a space or the end.
fn closed(rest: &[u8]) -> Option<&[u8]> {
    rest.first().is_none_or(|&byte| is_space(byte)).then_some(rest)
}

fn single_quoted<'a>(mut rest: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match rest {
            [] => return None,
            [b'\'', behind @ ..] => return Some(behind),
            [b'\\', b'\'', behind @ ..] => {
                out.push(b'\'');
                behind
            }
            [byte, behind @ ..] => {
                out.push(*byte);
                behind
            }
        }
    }
}

fn double_quoted<'a>(mut rest: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match rest {
            [] => return None,
            [b'"', behind @ ..] => return Some(behind),
            [b'\\', b'x', high, low, behind @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push((nibble(*high) << 4) | nibble(*low));
                behind
            }
            [b'\\', escaped, behind @ ..] => {
                out.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                });
                behind
            }
            [byte, behind @ ..] => {
                out.push(*byte);
                behind
            }
        }
    }
}

fn nibble(digit: u8) -> u8 {
    char::from(digit).to_digit(16).map_or(0, |value| value as u8)
}
