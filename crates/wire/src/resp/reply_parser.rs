//! Replies of servers, for our own command line and for tests.
//!
//! Aggregates that are not complete wait on a stack, so that no byte is looked at twice and depth is a number, not
//! recursion. Elements are kept as they arrive; an announced count reserves nothing.

use super::Reply;
use crate::{
    decimal,
    error::WireError,
    limits::{REPLY_BYTES, REPLY_DEPTH, REPLY_ELEMENTS, REPLY_LINE_BYTES},
};
use alloc::{boxed::Box, vec::Vec};
use bytes::{Buf, Bytes, BytesMut};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Array,
    Map,
    Set,
    Push,
    /// Its last element is the reply itself.
    Attributed,
}

/// An aggregate whose elements are still arriving.
#[derive(Debug)]
struct Open {
    kind: Kind,
    missing: usize,
    elements: Vec<Reply>,
}

/// Cuts a connection's input into replies.
#[derive(Debug, Default)]
pub struct ReplyParser {
    stack: Vec<Open>,
    /// Where the search for the line's end goes on.
    scanned: usize,
    /// Elements of the open reply.
    elements: usize,
    /// Bytes of the open reply.
    taken: usize,
}

/// One step into the input.
enum Item {
    Whole(Reply),
    Opens(Kind, usize),
}

fn broken(text: &'static str) -> WireError {
    WireError::close(text)
}

impl ReplyParser {
    /// A parser for a new connection.
    pub fn new() -> ReplyParser {
        ReplyParser::default()
    }

    /// Takes the next whole reply off the front of `buf`; `None` if more bytes are needed. After an error the
    /// connection must be closed.
    pub fn next(&mut self, buf: &mut BytesMut) -> Result<Option<Reply>, WireError> {
        loop {
            let before = buf.len();
            let Some(item) = self.item(buf)? else { return Ok(None) };
            self.scanned = 0;
            self.elements += 1;
            self.taken += before - buf.len();
            if self.elements > REPLY_ELEMENTS || self.taken > REPLY_BYTES {
                return Err(broken("ERR Protocol error: reply too large"));
            }
            let reply = match item {
                Item::Opens(kind, 0) => close(kind, Vec::new())?,
                Item::Opens(_, _) if self.stack.len() == REPLY_DEPTH => {
                    return Err(broken("ERR Protocol error: reply nested too deeply"));
                }
                Item::Opens(kind, missing) => {
                    self.stack.push(Open { kind, missing, elements: Vec::new() });
                    continue;
                }
                Item::Whole(reply) => reply,
            };
            if let Some(reply) = self.place(reply)? {
                (self.elements, self.taken) = (0, 0);
                return Ok(Some(reply));
            }
        }
    }

    /// Puts a reply where it belongs; answers it if it belongs to nothing.
    fn place(&mut self, mut reply: Reply) -> Result<Option<Reply>, WireError> {
        while let Some(open) = self.stack.last_mut() {
            open.elements.push(reply);
            open.missing -= 1;
            if open.missing > 0 {
                return Ok(None);
            }
            let (kind, elements) = (open.kind, core::mem::take(&mut open.elements));
            self.stack.pop();
            reply = close(kind, elements)?;
        }
        Ok(Some(reply))
    }

    fn item(&mut self, buf: &mut BytesMut) -> Result<Option<Item>, WireError> {
        let Some(end) = self.line_end(buf)? else { return Ok(None) };
        let kind = buf[0];
        let item = match kind {
            b'$' | b'=' | b'!' => return bytes(kind, buf, end),
            b'*' | b'%' | b'~' | b'>' | b'|' => aggregate(kind, &buf[1..end])?,
            _ => {
                buf.advance(1);
                let line = buf.split_to(end - 1).freeze();
                buf.advance(2);
                return scalar(kind, line).map(Item::Whole).map(Some);
            }
        };
        buf.advance(end + 2);
        Ok(Some(item))
    }

    /// Where the first line ends.
    fn line_end(&mut self, buf: &[u8]) -> Result<Option<usize>, WireError> {
        let window = buf.len().min(REPLY_LINE_BYTES);
        match memchr::memchr(b'\r', buf.get(self.scanned..window).unwrap_or_default()) {
            None if window == REPLY_LINE_BYTES => Err(broken("ERR Protocol error: line too long")),
            None => {
                self.scanned = window;
                Ok(None)
            }
            Some(0) if self.scanned == 0 => Err(broken("ERR Protocol error: empty line")),
            Some(found) => {
                let end = self.scanned + found;
                match buf.get(end + 1) {
                    None => Ok(None),
                    Some(b'\n') => Ok(Some(end)),
                    Some(_) => Err(broken("ERR Protocol error: expected LF after CR")),
                }
            }
        }
    }
}

fn scalar(kind: u8, line: Bytes) -> Result<Reply, WireError> {
    Ok(match kind {
        b'+' => Reply::Simple(line),
        b'-' => Reply::Error(line),
        b':' => {
            let digits = line.strip_prefix(b"+").unwrap_or(&line);
            Reply::Integer(decimal::parse_i64(digits).ok_or(broken("ERR Protocol error: invalid integer"))?)
        }
        b'_' if line.is_empty() => Reply::Null,
        b'#' if line[..] == *b"t" => Reply::Boolean(true),
        b'#' if line[..] == *b"f" => Reply::Boolean(false),
        b',' if !line.is_empty() && line.is_ascii() => Reply::Double(line),
        b'(' if is_big_number(&line) => Reply::BigNumber(line),
        _ => return Err(broken("ERR Protocol error: unknown kind of reply")),
    })
}

fn is_big_number(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

fn aggregate(kind: u8, count: &[u8]) -> Result<Item, WireError> {
    let invalid = broken("ERR Protocol error: invalid aggregate length");
    let count = match decimal::parse_i64(count) {
        Some(-1) if kind == b'*' => return Ok(Item::Whole(Reply::Null)),
        Some(count) => usize::try_from(count).map_err(|_| invalid.clone())?,
        None => return Err(invalid),
    };
    if count > REPLY_ELEMENTS {
        return Err(invalid);
    }
    Ok(match kind {
        b'*' => Item::Opens(Kind::Array, count),
        b'~' => Item::Opens(Kind::Set, count),
        b'>' => Item::Opens(Kind::Push, count),
        b'%' => Item::Opens(Kind::Map, count * 2),
        _ => Item::Opens(Kind::Attributed, count * 2 + 1),
    })
}

/// A string behind its length; `end` is where the length's line ends.
fn bytes(kind: u8, buf: &mut BytesMut, end: usize) -> Result<Option<Item>, WireError> {
    let invalid = broken("ERR Protocol error: invalid bulk length");
    let length = match decimal::parse_i64(&buf[1..end]) {
        Some(-1) if kind == b'$' => {
            buf.advance(end + 2);
            return Ok(Some(Item::Whole(Reply::Null)));
        }
        Some(length) => usize::try_from(length).map_err(|_| invalid.clone())?,
        None => return Err(invalid),
    };
    if length > REPLY_BYTES {
        return Err(invalid);
    }
    match buf.get(end + 2 + length..) {
        None | Some([] | [b'\r']) => return Ok(None),
        Some([b'\r', b'\n', ..]) => {}
        Some(_) => return Err(broken("ERR Protocol error: expected CRLF after a string")),
    }
    buf.advance(end + 2);
    let text = buf.split_to(length).freeze();
    buf.advance(2);
    Ok(Some(Item::Whole(match kind {
        b'$' => Reply::Bulk(text),
        b'!' => Reply::Error(text),
        _ => match text[..] {
            [a, b, c, b':', ..] => Reply::Verbatim { format: [a, b, c], text: text.slice(4..) },
            _ => return Err(broken("ERR Protocol error: verbatim string without a format")),
        },
    })))
}

fn close(kind: Kind, mut elements: Vec<Reply>) -> Result<Reply, WireError> {
    Ok(match kind {
        Kind::Array => Reply::Array(elements),
        Kind::Set => Reply::Set(elements),
        Kind::Push => Reply::Push(elements),
        Kind::Map => Reply::Map(pairs(elements)),
        Kind::Attributed => {
            let reply = elements.pop().ok_or(broken("ERR Protocol error: attributes of nothing"))?;
            Reply::Attributed { attributes: pairs(elements), reply: Box::new(reply) }
        }
    })
}

fn pairs(elements: Vec<Reply>) -> Vec<(Reply, Reply)> {
    let mut elements = elements.into_iter();
    let mut pairs = Vec::with_capacity(elements.len() / 2);
    while let (Some(key), Some(value)) = (elements.next(), elements.next()) {
        pairs.push((key, value));
    }
    pairs
}
