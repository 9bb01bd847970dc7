//! A connection that sends many commands before it reads the replies.

use bytes::BytesMut;
use clockwise_wire::resp::{Reply, ReplyParser, encode_command};
use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// See the module.
#[derive(Debug)]
pub struct Pipe {
    stream: TcpStream,
    parser: ReplyParser,
    input: BytesMut,
}

impl Pipe {
    /// Connects; every read waits for at most 8 s, longer than the deadline of a request.
    pub fn connect(address: SocketAddr) -> io::Result<Pipe> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_nodelay(true)?;
        let pipe = Pipe { stream, parser: ReplyParser::new(), input: BytesMut::new() };
        pipe.set_patience(Duration::from_secs(8))?;
        Ok(pipe)
    }

    /// Every read waits for at most so long from now on.
    pub fn set_patience(&self, patience: Duration) -> io::Result<()> {
        self.stream.set_read_timeout(Some(patience))?;
        self.stream.set_write_timeout(Some(patience))
    }

    /// The socket, when all replies have been read.
    pub fn into_stream(self) -> TcpStream {
        assert!(self.input.is_empty(), "a reply is left");
        self.stream
    }

    /// Sends all commands in one go.
    pub fn send(&mut self, commands: &[Vec<&[u8]>]) -> io::Result<()> {
        let mut bytes = Vec::new();
        commands.iter().for_each(|command| encode_command(&mut bytes, command));
        self.stream.write_all(&bytes)
    }

    /// The next reply.
    pub fn receive(&mut self) -> io::Result<Reply> {
        loop {
            if let Some(reply) =
                self.parser.next(&mut self.input).map_err(|e| io::Error::other(e.to_string()))?
            {
                return Ok(reply);
            }
            let mut chunk = [0; 16 * 1024];
            match self.stream.read(&mut chunk)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => self.input.extend_from_slice(&chunk[..count]),
            }
        }
    }

    /// Sends one command and reads its reply.
    pub fn call(&mut self, command: &[&[u8]]) -> io::Result<Reply> {
        self.send(&[command.to_vec()])?;
        self.receive()
    }
}
