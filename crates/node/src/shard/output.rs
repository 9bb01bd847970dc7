//! Bytes on their way to one socket: gathered, then written with as few system calls as there are wake-ups.
//!
//! Nothing here waits. What the socket does not take stays, and whoever owns the output asks for a task that
//! waits for the socket.

use crate::limits::KEEP_BUFFER_BYTES;
use std::{io, net::Shutdown, rc::Rc};
use tokio::net::{TcpStream, tcp::OwnedWriteHalf};

/// How a write ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Progress {
    /// Nothing is left.
    Done,
    /// The socket is full.
    Blocked,
    /// The socket is broken.
    Broken,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Output {
    socket: Rc<OwnedWriteHalf>,
    bytes: Vec<u8>,
    /// How many of `bytes` the socket has.
    sent: usize,
    /// A task waits for the socket.
    pub(crate) blocked: bool,
    /// It stands in the shard's list of outputs to be written.
    pub(crate) dirty: bool,
}

impl Output {
    pub(crate) fn new(socket: OwnedWriteHalf) -> Output {
        Output { socket: Rc::new(socket), bytes: Vec::new(), sent: 0, blocked: false, dirty: false }
    }

    /// Where to append.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Bytes that the socket has not taken.
    pub(crate) fn waiting(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// The socket, to wait for it.
    pub(crate) fn socket(&self) -> Rc<OwnedWriteHalf> {
        Rc::clone(&self.socket)
    }

    /// Gives the socket what it takes; the number is what it took.
    pub(crate) fn write(&mut self) -> (Progress, usize) {
        let before = self.sent;
        let progress = self.write_on();
        let taken = self.sent - before;
        if self.sent == self.bytes.len() {
            self.clear();
        } else if self.sent > self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
        (progress, taken)
    }

    /// Closes the socket in both directions; whoever reads from it sees the end.
    pub(crate) fn shut_down(&mut self) {
        self.bytes = Vec::new();
        self.sent = 0;
        let socket: &TcpStream = (*self.socket).as_ref();
        // It may be closed already.
        let _ = socket2::SockRef::from(socket).shutdown(Shutdown::Both);
    }

    fn write_on(&mut self) -> Progress {
        while self.sent < self.bytes.len() {
            match self.socket.try_write(&self.bytes[self.sent..]) {
                Ok(0) => return Progress::Broken,
                Ok(taken) => self.sent += taken,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Progress::Blocked,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Progress::Broken,
            }
        }
        Progress::Done
    }

    fn clear(&mut self) {
        self.sent = 0;
        if self.bytes.capacity() > KEEP_BUFFER_BYTES {
            self.bytes = Vec::new();
        } else {
            self.bytes.clear();
        }
    }
}
