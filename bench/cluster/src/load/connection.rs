//! One client connection: a batch on its way and the replies that it still waits for.
//!
//! Always holds: a new batch is sent only after the last reply of the one before. Does not
//! measure; the caller knows when a batch was due and when it was done.

use super::{
    replies::{Found, first_reply},
    request::{Batch, Source},
};
use anyhow::{Result, bail};
use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    time::Instant,
};

/// Received bytes that a connection holds at most; one reply must fit.
const BUFFER_BYTES: usize = 2 * 1_048_576;
/// What is taken from the socket at once as long as replies are small.
const SMALL_BUFFER_BYTES: usize = 16 * 1024;
/// Kept text of the first error.
const ERROR_TEXT_BYTES: usize = 200;

/// Replies that are not as they should be.
#[derive(Default, Clone)]
pub struct Faults {
    /// Error replies, and WAITs that no replica answered.
    pub errors: u64,
    /// GETs that found nothing.
    pub missing: u64,
    /// The first error's text.
    pub first: Option<String>,
}

/// A connection in the hot loop.
pub struct Connection {
    /// The socket, not blocking.
    pub stream: TcpStream,
    /// When the batch on its way was due.
    pub due: Instant,
    batch: Batch,
    sent: usize,
    awaited: u32,
    received: Vec<u8>,
    filled: usize,
}

impl Connection {
    /// Takes a connected stream that no longer blocks.
    pub fn new(stream: TcpStream, batch: Batch) -> Self {
        let received = vec![0; SMALL_BUFFER_BYTES];
        Self { stream, due: Instant::now(), batch, sent: 0, awaited: 0, received, filled: 0 }
    }

    /// True while replies are missing.
    pub fn is_busy(&self) -> bool {
        self.awaited > 0
    }

    /// True while bytes of the batch wait for the socket.
    pub fn is_unsent(&self) -> bool {
        self.is_busy() && self.sent < self.batch.bytes.len()
    }

    /// Operations of a batch.
    pub fn operations(&self) -> u32 {
        self.batch.operations
    }

    /// Exchanges what the connection sends; only while it is not busy.
    pub fn set_batch(&mut self, batch: &Batch) {
        assert!(!self.is_busy(), "a batch is exchanged only when its replies are there");
        self.batch = batch.clone();
    }

    /// Sends the next batch, which was due at `due`.
    pub fn start(&mut self, source: &mut Source, due: Instant) -> Result<()> {
        self.batch.refresh(source);
        self.due = due;
        self.sent = 0;
        self.awaited = self.batch.replies;
        self.send()
    }

    /// Sends what the socket takes.
    pub fn send(&mut self) -> Result<()> {
        while self.sent < self.batch.bytes.len() {
            match self.stream.write(&self.batch.bytes[self.sent..]) {
                Ok(0) => bail!("the server closed a connection"),
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Reads once; true when the batch's last reply came.
    pub fn receive(&mut self, faults: &mut Faults) -> Result<bool> {
        if self.filled == self.received.len() {
            if self.filled == BUFFER_BYTES {
                bail!("a reply is longer than {BUFFER_BYTES} bytes");
            }
            self.received.resize((self.filled * 2).min(BUFFER_BYTES), 0);
        }
        match self.stream.read(&mut self.received[self.filled..]) {
            Ok(0) => bail!("the server closed a connection"),
            Ok(count) => self.filled += count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        }
        let was_busy = self.is_busy();
        self.take_replies(faults)?;
        Ok(was_busy && !self.is_busy())
    }

    fn take_replies(&mut self, faults: &mut Faults) -> Result<()> {
        let mut at = 0;
        while at < self.filled {
            let rest = &self.received[at..self.filled];
            let length = match first_reply(rest) {
                Found::Incomplete => break,
                Found::Status(length) | Found::Value(length) => length,
                Found::Integer(replicas, length) => {
                    if replicas < 1 {
                        faults.note(b"WAIT: no replica answered");
                    }
                    length
                }
                Found::Missing(length) => {
                    faults.missing += 1;
                    length
                }
                Found::Error(length) => {
                    faults.note(&rest[..length]);
                    length
                }
                Found::Broken => bail!("not a reply: {:?}", text(rest)),
            };
            if self.awaited == 0 {
                bail!("a reply that nothing asked for: {:?}", text(rest));
            }
            self.awaited -= 1;
            at += length;
        }
        self.received.copy_within(at..self.filled, 0);
        self.filled -= at;
        Ok(())
    }
}

impl Faults {
    fn note(&mut self, error: &[u8]) {
        self.errors += 1;
        self.first.get_or_insert_with(|| text(error));
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(ERROR_TEXT_BYTES)]).trim_end().to_owned()
}
