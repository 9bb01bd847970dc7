//! `HELLO [2|3 [AUTH user password] [SETNAME name]]`, and the answer to it.

use super::{
    Command, Row,
    client::check_name,
    params::{Params, is},
};
use crate::{
    decimal,
    error::{Text, WireError, echo},
    limits::CREDENTIAL_BYTES,
    resp::{Args, Protocol, ReplyWriter},
};
use alloc::format;
use bytes::Bytes;

/// The version of Redis whose command set and habits clients may expect; they gate features by it.
pub const REDIS_VERSION: &str = "7.2.0";

pub(super) static ROW: Row = Row {
    name: "hello",
    arity: -1,
    flags: &["noscript", "loading", "stale", "fast", "no_auth", "allow_busy"],
    categories: &["@fast", "@connection"],
    summary: "Chooses the protocol version, and authenticates and names the connection",
    syntax: "[protover [AUTH user password] [SETNAME name]]",
    since: "6.0.0",
    parse,
    ..Row::BASE
};

/// What a client says of itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Hello {
    /// The protocol version; `None`: as it is.
    pub protocol: Option<Protocol>,
    /// User and password.
    pub credentials: Option<(Bytes, Bytes)>,
    /// The connection's name.
    pub name: Option<Bytes>,
}

/// What the server answers.
#[derive(Clone, Copy, Debug)]
pub struct HelloReply {
    /// The connection's number.
    pub id: u64,
    /// Whether this is a cluster port; else a plain one.
    pub cluster: bool,
}

fn parse(args: &Args) -> Result<Command, WireError> {
    let mut params = Params::from(args, 1);
    let mut hello = Hello::default();
    let Some(version) = params.next() else { return Ok(Command::Hello(hello)) };
    hello.protocol = Some(match decimal::parse_i64(version) {
        Some(2) => Protocol::Resp2,
        Some(3) => Protocol::Resp3,
        Some(_) => return Err(WireError::answer("NOPROTO unsupported protocol version")),
        None => return Err(WireError::answer("ERR Protocol version is not an integer or out of range")),
    });
    while let Some(word) = params.next() {
        let bad_option =
            || WireError::Answer(Text::Owned(format!("ERR Syntax error in HELLO option '{}'", echo(word))));
        if is(word, "auth") {
            let user = params.bytes().map_err(|_| bad_option())?;
            let password = params.bytes().map_err(|_| bad_option())?;
            if user.len().max(password.len()) > CREDENTIAL_BYTES {
                return Err(WireError::answer(
                    "WRONGPASS invalid username-password pair or user is disabled.",
                ));
            }
            hello.credentials = Some((user, password));
        } else if is(word, "setname") {
            let name = params.bytes().map_err(|_| bad_option())?;
            check_name(&name)?;
            hello.name = Some(name);
        } else {
            return Err(bad_option());
        }
    }
    Ok(Command::Hello(hello))
}

impl HelloReply {
    /// Writes it in the writer's protocol version, which it names. The server calls itself `redis`, as clients expect;
    /// who it really is stands in INFO.
    pub fn write(&self, writer: &mut ReplyWriter<'_>) {
        writer.map(7);
        for (name, value) in [("server", "redis"), ("version", REDIS_VERSION)] {
            writer.bulk(name.as_bytes());
            writer.bulk(value.as_bytes());
        }
        writer.bulk(b"proto");
        writer.integer(i64::from(writer.protocol().number()));
        writer.bulk(b"id");
        writer.integer(self.id.min(i64::MAX as u64) as i64);
        writer.bulk(b"mode");
        writer.bulk(if self.cluster { b"cluster" } else { b"standalone" });
        writer.bulk(b"role");
        writer.bulk(b"master");
        writer.bulk(b"modules");
        writer.array(0);
    }
}
