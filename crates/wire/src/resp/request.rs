//! Requests of clients: `*2\r\n$3\r\nGET\r\n$1\r\na\r\n`, or a line of words.
//!
//! The parser remembers how far it understood the open command, so that nothing is scanned twice. Memory is bounded
//! by what has arrived: an announced count or length reserves nothing. Error texts are those of Redis where it has
//! one; stricter than Redis, an argument must really end with `\r\n`.

use super::{
    args::{Args, Span, Spans},
    inline,
};
use crate::{
    decimal,
    error::WireError,
    limits::{
        ARGUMENTS, BULK_BYTES, COMMAND_BYTES, HEADER_BYTES, INLINE_BYTES, REDIS_BULK_BYTES,
        UNAUTHENTICATED_ARGUMENTS, UNAUTHENTICATED_BULK_BYTES,
    },
};
use alloc::{borrow::Cow, format};
use bytes::{Buf, BytesMut};

/// Cuts a connection's input into commands.
#[derive(Debug)]
pub struct RequestParser {
    authenticated: bool,
    /// Bytes of the buffer that are understood and belong to the open command.
    at: usize,
    /// Arguments that the open command still lacks; 0 if none is open.
    missing: usize,
    spans: Spans,
}

/// A `*n\r\n` or `$n\r\n` line, seen from behind its first letter.
enum Header {
    /// Not all of it is here.
    Partial,
    /// No line end where one must be.
    Endless,
    /// The number, if it is one, and where the next byte is.
    Line(Option<i64>, usize),
}

impl RequestParser {
    /// A parser for a new connection. Until it is authenticated, commands must be small.
    pub fn new(authenticated: bool) -> RequestParser {
        RequestParser { authenticated, at: 0, missing: 0, spans: Spans::new() }
    }

    /// Whether commands may be large from now on.
    pub fn set_authenticated(&mut self, authenticated: bool) {
        self.authenticated = authenticated;
    }

    /// Takes the next whole command off the front of `buf`; `None` if more bytes are needed. After an error the
    /// connection must be closed.
    #[inline]
    pub fn next(&mut self, buf: &mut BytesMut) -> Result<Option<Args>, WireError> {
        while self.missing == 0 {
            match buf.first() {
                None => return Ok(None),
                Some(b'*') => {
                    if !self.open(buf)? {
                        return Ok(None);
                    }
                }
                Some(_) => match self.line(buf)? {
                    Some(args) if args.is_empty() => {}
                    other => return Ok(other),
                },
            }
        }
        while self.missing > 0 {
            if !self.argument(buf)? {
                return Ok(None);
            }
        }
        let frame = buf.split_to(self.at).freeze();
        self.at = 0;
        Ok(Some(Args::new(frame, core::mem::take(&mut self.spans))))
    }

    /// Reads `*n`; false if it is not complete. A command of no arguments is skipped.
    fn open(&mut self, buf: &mut BytesMut) -> Result<bool, WireError> {
        let (count, next) = match header(buf, 1) {
            Header::Partial => return Ok(false),
            Header::Endless => {
                return Err(WireError::close("ERR Protocol error: too big mbulk count string"));
            }
            Header::Line(count, next) => (count, next),
        };
        match count {
            Some(..=0) => buf.advance(next),
            Some(count) if count > ARGUMENTS as i64 => return Err(invalid_count()),
            Some(count) if count > UNAUTHENTICATED_ARGUMENTS as i64 && !self.authenticated => {
                return Err(WireError::close("ERR Protocol error: unauthenticated multibulk length"));
            }
            Some(count) => {
                self.missing = count as usize;
                self.at = next;
            }
            None => return Err(invalid_count()),
        }
        Ok(true)
    }

    /// Reads one argument at `self.at`; false if it is not complete.
    #[inline]
    fn argument(&mut self, buf: &[u8]) -> Result<bool, WireError> {
        match buf.get(self.at) {
            None => return Ok(false),
            Some(b'$') => {}
            Some(&other) => return Err(expected_bulk(other)),
        }
        let (length, start) = match header(buf, self.at + 1) {
            Header::Partial => return Ok(false),
            Header::Endless => return Err(WireError::close("ERR Protocol error: too big bulk count string")),
            Header::Line(length, next) => (self.admit(length, next)?, next),
        };
        let end = start + length;
        match buf.get(end..) {
            Some([b'\r', b'\n', ..]) => {}
            Some([b'\r'] | []) | None => return Ok(false),
            Some(_) => return Err(WireError::close("ERR Protocol error: expected CRLF after an argument")),
        }
        self.spans.push(Span { start: start as u32, end: end as u32 });
        self.at = end + 2;
        self.missing -= 1;
        Ok(true)
    }

    /// Checks an announced length before anything waits for it.
    #[inline]
    fn admit(&self, length: Option<i64>, start: usize) -> Result<usize, WireError> {
        match length {
            Some(length @ 0..) if length as u64 <= UNAUTHENTICATED_BULK_BYTES as u64 => {
                if start + length as usize + 2 <= COMMAND_BYTES {
                    return Ok(length as usize);
                }
                Err(command_too_large())
            }
            Some(0..=REDIS_BULK_BYTES) if !self.authenticated => {
                Err(WireError::close("ERR Protocol error: unauthenticated bulk length"))
            }
            Some(length @ 0..=REDIS_BULK_BYTES) if length > BULK_BYTES as i64 => {
                Err(argument_too_large(length))
            }
            Some(length @ 0..=REDIS_BULK_BYTES) if start + length as usize + 2 <= COMMAND_BYTES => {
                Ok(length as usize)
            }
            Some(0..=REDIS_BULK_BYTES) => Err(command_too_large()),
            _ => Err(WireError::close("ERR Protocol error: invalid bulk length")),
        }
    }

    /// Reads a line of words.
    #[cold]
    fn line(&mut self, buf: &mut BytesMut) -> Result<Option<Args>, WireError> {
        let window = buf.len().min(INLINE_BYTES);
        let Some(found) = memchr::memchr(b'\n', &buf[self.at..window]) else {
            self.at = window;
            return match window {
                INLINE_BYTES => Err(WireError::close("ERR Protocol error: too big inline request")),
                _ => Ok(None),
            };
        };
        let line = buf.split_to(self.at + found + 1).freeze();
        self.at = 0;
        inline::split(line).map(Some)
    }
}

/// Reads the number behind `*` or `$`. What it answers depends on the line alone, never on what is behind it.
#[inline]
fn header(buf: &[u8], from: usize) -> Header {
    let line = buf.get(from..).unwrap_or_default();
    // Nearly all lengths have one to three digits.
    match *line {
        [a @ b'0'..=b'9', b'\r', b'\n', ..] => return Header::Line(Some(digit(a)), from + 3),
        [a @ b'1'..=b'9', b @ b'0'..=b'9', b'\r', b'\n', ..] => {
            return Header::Line(Some(digit(a) * 10 + digit(b)), from + 4);
        }
        [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', b'\r', b'\n', ..] => {
            return Header::Line(Some(digit(a) * 100 + digit(b) * 10 + digit(c)), from + 5);
        }
        _ => {}
    }
    long_header(line, from)
}

fn digit(letter: u8) -> i64 {
    i64::from(letter - b'0')
}

fn long_header(line: &[u8], from: usize) -> Header {
    let window = &line[..line.len().min(HEADER_BYTES)];
    match window.iter().position(|&byte| byte == b'\r') {
        None if window.len() == HEADER_BYTES => Header::Endless,
        None => Header::Partial,
        Some(end) => match line.get(end + 1) {
            None => Header::Partial,
            Some(b'\n') => Header::Line(decimal::parse_i64(&line[..end]), from + end + 2),
            Some(_) => Header::Line(None, from + end + 1),
        },
    }
}

#[cold]
fn invalid_count() -> WireError {
    WireError::close("ERR Protocol error: invalid multibulk length")
}

#[cold]
fn expected_bulk(got: u8) -> WireError {
    let got = if got.is_ascii_graphic() { char::from(got) } else { ' ' };
    WireError::Close(Cow::Owned(format!("ERR Protocol error: expected '$', got '{got}'")))
}

#[cold]
fn argument_too_large(length: i64) -> WireError {
    WireError::Close(Cow::Owned(format!(
        "ERR Protocol error: an argument of {length} bytes is too large (a value has at most {} bytes)",
        clockwise_core::limits::VALUE_BYTES
    )))
}

#[cold]
fn command_too_large() -> WireError {
    WireError::Close(Cow::Owned(format!("ERR Protocol error: a command has at most {COMMAND_BYTES} bytes")))
}
