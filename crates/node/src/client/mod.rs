//! A small blocking Redis client for the command line: one connection, one command at a time.
//!
//! It never retries: whoever asks knows what a second try would mean.

mod describe;
mod health;
mod identified;
mod status;

#[cfg(test)]
mod tests;

pub use describe::to_json;
pub use health::is_ready;
pub use identified::{Identified, ServerAddresses};
pub use status::{GossipView, HintsView, MemberView, StatusView, WaitView};

use bytes::BytesMut;
use clockwise_wire::resp::{Reply, ReplyParser, encode_command};
use serde::de::DeserializeOwned;
use std::{
    fmt,
    io::{self, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

/// Bytes asked of the socket at a time.
const READ_BYTES: usize = 16 * 1024;

/// A connection to one server.
#[derive(Debug)]
pub struct Client {
    address: String,
    stream: TcpStream,
    parser: ReplyParser,
    input: BytesMut,
}

/// Why a command has no answer.
#[derive(Debug)]
pub enum ClientError {
    /// No connection, or it broke. A write that was under way may have been applied.
    Unreachable {
        /// Where.
        address: String,
        /// What happened.
        error: io::Error,
    },
    /// The server says no; the text begins with its code.
    Refused(String),
    /// The answer is not what this version understands.
    Strange {
        /// Where.
        address: String,
        /// What is wrong with it.
        why: String,
    },
}

impl Client {
    /// Connects, and authenticates if there is a password. No single step takes longer than `timeout`.
    pub fn connect(address: &str, password: Option<&str>, timeout: Duration) -> Result<Client, ClientError> {
        let unreachable = |error| ClientError::Unreachable { address: address.to_owned(), error };
        let stream = connect(address, timeout).map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        stream.set_read_timeout(Some(timeout)).map_err(unreachable)?;
        stream.set_write_timeout(Some(timeout)).map_err(unreachable)?;
        let mut client = Client {
            address: address.to_owned(),
            stream,
            parser: ReplyParser::new(),
            input: BytesMut::new(),
        };
        match password {
            Some(password) => client.call(&[b"HELLO", b"3", b"AUTH", b"default", password.as_bytes()])?,
            None => client.call(&[b"HELLO", b"3"])?,
        };
        Ok(client)
    }

    /// The same connection, with another bound on the wait for an answer.
    pub fn wait_up_to(self, timeout: Duration) -> Result<Client, ClientError> {
        self.stream.set_read_timeout(Some(timeout)).map_err(|error| self.broken(error))?;
        Ok(self)
    }

    /// Sends a command and waits for its answer. An error reply is [`ClientError::Refused`].
    pub fn call(&mut self, arguments: &[&[u8]]) -> Result<Reply, ClientError> {
        let mut command = Vec::new();
        encode_command(&mut command, arguments);
        self.stream.write_all(&command).map_err(|error| self.broken(error))?;
        loop {
            let address = &self.address;
            let strange = |why| ClientError::Strange { address: address.clone(), why };
            match self.parser.next(&mut self.input).map_err(|error| strange(error.to_string()))? {
                Some(Reply::Error(text)) => {
                    return Err(ClientError::Refused(String::from_utf8_lossy(&text).into_owned()));
                }
                Some(Reply::Push(_)) => continue,
                Some(reply) => return Ok(reply),
                None => self.fill()?,
            }
        }
    }

    /// Sends a command whose answer is a text in JSON.
    pub fn json<T: DeserializeOwned>(&mut self, arguments: &[&[u8]]) -> Result<T, ClientError> {
        let reply = self.call(arguments)?;
        let strange = |why| ClientError::Strange { address: self.address.clone(), why };
        let text = reply.as_bytes().ok_or_else(|| strange("a text was expected".to_owned()))?;
        serde_json::from_slice(text).map_err(|error| strange(error.to_string()))
    }

    fn fill(&mut self) -> Result<(), ClientError> {
        let mut chunk = [0; READ_BYTES];
        match self.stream.read(&mut chunk) {
            Ok(0) => Err(self.broken(io::Error::new(io::ErrorKind::UnexpectedEof, "the server hung up"))),
            Ok(count) => {
                self.input.extend_from_slice(&chunk[..count]);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Err(self.broken(io::Error::new(io::ErrorKind::TimedOut, "no answer in time")))
            }
            Err(error) => Err(self.broken(error)),
        }
    }

    fn broken(&self, error: io::Error) -> ClientError {
        ClientError::Unreachable { address: self.address.clone(), error }
    }
}

/// Tries every address that a name has.
fn connect(address: &str, timeout: Duration) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for candidate in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&candidate, timeout) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::Unreachable { address, error } => write!(f, "{address}: {error}"),
            ClientError::Refused(text) => f.write_str(text),
            ClientError::Strange { address, why } => {
                write!(f, "{address} gave an answer that this version does not understand: {why}")
            }
        }
    }
}

impl std::error::Error for ClientError {}
