//! A blocking client for what happens outside of the measured stretches.

use anyhow::{Context, Result, bail};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest value that is read here.
const VALUE_BYTES: usize = 1_048_576;

/// A connection that sends one command at a time.
pub struct Client {
    reader: BufReader<TcpStream>,
}

impl Client {
    /// Connects.
    pub fn connect(target: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(target).with_context(|| format!("connect to {target}"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { reader: BufReader::new(stream) })
    }

    /// Sends a command and takes its answer as text; nested answers are not understood.
    /// An error reply is an answer that begins with `-`.
    pub fn call(&mut self, command: &[&str]) -> Result<String> {
        let mut bytes = format!("*{}\r\n", command.len()).into_bytes();
        for word in command {
            bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
        }
        self.reader.get_mut().write_all(&bytes)?;
        let mut line = String::new();
        if self.reader.by_ref().take(4096).read_line(&mut line)? == 0 {
            bail!("the connection was closed");
        }
        let line = line.trim_end();
        match line.split_at_checked(1) {
            Some(("$", "-1")) => Ok(String::new()),
            Some(("$", length)) => {
                let length: usize = length.parse()?;
                if length > VALUE_BYTES {
                    bail!("an answer of {length} bytes");
                }
                let mut value = vec![0; length + 2];
                self.reader.read_exact(&mut value)?;
                value.truncate(length);
                Ok(String::from_utf8_lossy(&value).into_owned())
            }
            Some(("+" | ":", rest)) => Ok(rest.to_owned()),
            Some(("-", _)) => Ok(line.to_owned()),
            Some(("_", _)) => Ok(String::new()),
            _ => bail!("{command:?} was answered by {line:?}"),
        }
    }

    /// Sends a command that must not fail.
    pub fn must(&mut self, command: &[&str]) -> Result<String> {
        let answer = self.call(command)?;
        if answer.starts_with('-') {
            bail!("{command:?} was answered by {answer}");
        }
        Ok(answer)
    }

    /// The connection itself, for the load generator.
    pub fn into_stream(self) -> Result<TcpStream> {
        if !self.reader.buffer().is_empty() {
            bail!("the server said more than it was asked");
        }
        let stream = self.reader.into_inner();
        stream.set_read_timeout(None)?;
        Ok(stream)
    }
}
