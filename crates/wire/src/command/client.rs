//! `CLIENT …`: what a connection says of itself, and what is known of it.
//!
//! Deliberately absent: everything that promises pushes (`TRACKING`, `MAINT_NOTIFICATIONS`), `REPLY`, `KILL`, `PAUSE`.
//! They get the clean error of an unknown subcommand, after which clients go on without.

use super::{
    Command, Row,
    params::{Params, is, syntax},
};
use crate::{
    decimal,
    error::{Text, WireError, echo},
    limits::CLIENT_NAME_BYTES,
    resp::Args,
};
use alloc::{format, vec::Vec};
use bytes::Bytes;

/// One `CLIENT` subcommand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClientCommand {
    /// `CLIENT SETNAME name`; an empty one takes it away.
    SetName(Bytes),
    /// `CLIENT GETNAME`.
    GetName,
    /// `CLIENT SETINFO LIB-NAME name`.
    SetLibraryName(Bytes),
    /// `CLIENT SETINFO LIB-VER version`.
    SetLibraryVersion(Bytes),
    /// `CLIENT ID`.
    Id,
    /// `CLIENT INFO`.
    Info,
    /// `CLIENT LIST [TYPE t] [ID id …]`.
    List(ClientFilter),
    /// `CLIENT NO-EVICT ON|OFF`: true of every connection here, as none is closed to save memory.
    NoEvict(bool),
    /// `CLIENT NO-TOUCH ON|OFF`: true of every connection here, as reads leave no trace on keys.
    NoTouch(bool),
}

/// Which connections `CLIENT LIST` shows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClientFilter {
    /// All.
    All,
    /// Normal ones: all there are.
    Normal,
    /// A kind that does not exist here (replica, pub/sub): none.
    Nobody,
    /// Those with these numbers.
    Ids(Vec<u64>),
}

const SUB: Row = Row {
    arity: 2,
    flags: &["noscript", "loading", "stale"],
    categories: &["@slow", "@connection"],
    since: "5.0.0",
    ..Row::BASE
};
const ADMIN: Row = Row {
    flags: &["admin", "noscript", "loading", "stale"],
    categories: &["@admin", "@slow", "@dangerous", "@connection"],
    ..SUB
};

pub(super) static ROW: Row = Row {
    name: "client",
    arity: -2,
    flags: &[],
    categories: &["@slow"],
    summary: "The connection's own data",
    since: "2.4.0",
    complexity: "Depends on subcommand.",
    subcommands: &[&GETNAME, &ID, &INFO, &LIST, &NO_EVICT, &NO_TOUCH, &SETINFO, &SETNAME],
    ..Row::BASE
};

static GETNAME: Row = Row {
    name: "client|getname",
    summary: "Answers the connection's name",
    since: "2.6.9",
    parse: |_| Ok(Command::Client(ClientCommand::GetName)),
    ..SUB
};
static ID: Row = Row {
    name: "client|id",
    summary: "Answers the connection's number",
    parse: |_| Ok(Command::Client(ClientCommand::Id)),
    ..SUB
};
static INFO: Row = Row {
    name: "client|info",
    tips: &["nondeterministic_output"],
    summary: "Describes this connection",
    since: "6.2.0",
    parse: |_| Ok(Command::Client(ClientCommand::Info)),
    ..SUB
};
static LIST: Row = Row {
    name: "client|list",
    arity: -2,
    tips: &["nondeterministic_output"],
    summary: "Describes all connections of the server",
    syntax: "[TYPE normal|master|replica|pubsub] [ID id [id ...]]",
    since: "2.4.0",
    complexity: "O(N) for N connections",
    parse: list,
    ..ADMIN
};
static NO_EVICT: Row = Row {
    name: "client|no-evict",
    arity: 3,
    summary: "Keeps the connection when memory is short; always so here",
    syntax: "ON|OFF",
    since: "7.0.0",
    parse: |args| Ok(Command::Client(ClientCommand::NoEvict(on_or_off(args)?))),
    ..ADMIN
};
static NO_TOUCH: Row = Row {
    name: "client|no-touch",
    arity: 3,
    summary: "Lets reads leave no trace on keys; always so here",
    syntax: "ON|OFF",
    since: "7.2.0",
    parse: |args| Ok(Command::Client(ClientCommand::NoTouch(on_or_off(args)?))),
    ..SUB
};
static SETINFO: Row = Row {
    name: "client|setinfo",
    arity: 4,
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    summary: "Names the client library or its version",
    syntax: "LIB-NAME name|LIB-VER version",
    since: "7.2.0",
    parse: set_info,
    ..SUB
};
static SETNAME: Row = Row {
    name: "client|setname",
    arity: 3,
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    summary: "Names the connection",
    syntax: "name",
    since: "2.6.9",
    parse: set_name,
    ..SUB
};

/// Printable ASCII without spaces, so that lists of connections stay readable.
pub(super) fn check_name(name: &[u8]) -> Result<(), WireError> {
    if is_plain(name) {
        return Ok(());
    }
    Err(WireError::answer("ERR Client names cannot contain spaces, newlines or special characters."))
}

fn is_plain(name: &[u8]) -> bool {
    name.len() <= CLIENT_NAME_BYTES && name.iter().all(u8::is_ascii_graphic)
}

fn set_name(args: &Args) -> Result<Command, WireError> {
    let name = Params::from(args, 2).bytes()?;
    check_name(&name)?;
    Ok(Command::Client(ClientCommand::SetName(name)))
}

fn set_info(args: &Args) -> Result<Command, WireError> {
    let mut params = Params::from(args, 2);
    let attribute = params.value()?;
    let value = params.bytes()?;
    let (name, command) = match attribute {
        word if is(word, "lib-name") => ("lib-name", ClientCommand::SetLibraryName(value.clone())),
        word if is(word, "lib-ver") => ("lib-ver", ClientCommand::SetLibraryVersion(value.clone())),
        other => {
            return Err(WireError::Answer(Text::Owned(format!("ERR Unrecognized option '{}'", echo(other)))));
        }
    };
    if is_plain(&value) {
        return Ok(Command::Client(command));
    }
    let text = format!("ERR {name} cannot contain spaces, newlines or special characters.");
    Err(WireError::Answer(Text::Owned(text)))
}

fn on_or_off(args: &Args) -> Result<bool, WireError> {
    match Params::from(args, 2).value()? {
        word if is(word, "on") => Ok(true),
        word if is(word, "off") => Ok(false),
        _ => Err(syntax()),
    }
}

fn list(args: &Args) -> Result<Command, WireError> {
    let mut params = Params::from(args, 2);
    let filter = match params.next() {
        None => ClientFilter::All,
        Some(word) if is(word, "type") && args.len() == 4 => kind(params.value()?)?,
        Some(word) if is(word, "id") && args.len() > 3 => {
            let mut ids = Vec::new();
            while let Some(id) = params.next() {
                ids.push(decimal::parse_u64(id).ok_or(WireError::answer("ERR Invalid client ID"))?);
            }
            ClientFilter::Ids(ids)
        }
        Some(_) => return Err(syntax()),
    };
    Ok(Command::Client(ClientCommand::List(filter)))
}

fn kind(word: &[u8]) -> Result<ClientFilter, WireError> {
    match word {
        word if is(word, "normal") => Ok(ClientFilter::Normal),
        word if ["master", "replica", "slave", "pubsub"].iter().any(|kind| is(word, kind)) => {
            Ok(ClientFilter::Nobody)
        }
        other => Err(WireError::Answer(Text::Owned(format!("ERR Unknown client type '{}'", echo(other))))),
    }
}
