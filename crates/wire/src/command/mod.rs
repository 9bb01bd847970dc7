//! Which commands there are, and what each accepts.
//!
//! One command, one file: its [`Row`] (what `COMMAND` says of it) and its parser from arguments to a [`Command`].
//! Parsing decides everything that follows from the arguments alone; what needs a connection, a cluster or a clock is
//! the caller's. Options that are known but not built are refused by name, never ignored.

mod auth;
mod client;
mod cluster;
mod command_query;
mod config;
mod cw_del;
mod cw_explain;
mod cw_force_complete;
mod cw_get;
mod cw_identify;
mod cw_install;
mod cw_session;
mod cw_set;
mod cw_status;
mod dbsize;
mod del;
mod describe;
mod echo;
mod exists;
mod expiry;
mod get;
mod hello;
mod info;
mod mget;
mod mset;
mod options;
mod params;
mod ping;
mod quit;
mod readonly;
mod registry;
mod reset;
mod row;
mod select;
mod set;
mod ttl;
mod wait;

#[cfg(test)]
mod tests;

pub use client::{ClientCommand, ClientFilter};
pub use cluster::ClusterCommand;
pub use command_query::{CommandQuery, ListFilter};
pub use cw_session::SessionChange;
pub use describe::write_help;
pub use expiry::Expiry;
pub use hello::{Hello, HelloReply, REDIS_VERSION};
pub use options::Wish;
pub use registry::{ROWS, find};
pub use row::Row;

use crate::{
    error::{Text, WireError, echo},
    resp::Args,
};
use alloc::{format, vec::Vec};
use bytes::Bytes;
use smallvec::SmallVec;

/// Keys of one command; one needs no allocation.
pub type Keys = SmallVec<[Bytes; 1]>;

/// A command with everything that its arguments say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// `GET key`.
    Get {
        /// The key.
        key: Bytes,
    },
    /// `SET key value [EX s|PX ms|EXAT s|PXAT ms]`.
    Set {
        /// The key.
        key: Bytes,
        /// The value.
        value: Bytes,
        /// When it is to be hidden.
        expiry: Option<Expiry>,
    },
    /// `DEL key …` and `UNLINK key …`: answers how many existed.
    Delete {
        /// The keys, in order, repetitions among them.
        keys: Keys,
    },
    /// `EXISTS key …`: answers how many exist, repetitions counted.
    Exists {
        /// The keys.
        keys: Keys,
    },
    /// `MGET key …`.
    MultiGet {
        /// The keys.
        keys: Keys,
    },
    /// `MSET key value …`: later pairs win.
    MultiSet {
        /// Keys and values.
        pairs: Vec<(Bytes, Bytes)>,
    },
    /// `TTL key` and `PTTL key`.
    TimeToLive {
        /// The key.
        key: Bytes,
        /// Answer milliseconds, else seconds.
        in_ms: bool,
    },
    /// `DBSIZE`.
    CountKeys,
    /// `WAIT replicas timeout`.
    Wait {
        /// How many replicas are to hold all earlier writes of the connection.
        replicas: u64,
        /// How long to wait for them, in milliseconds; 0 is for ever.
        timeout_ms: u64,
    },
    /// `CW.GET key …`.
    CausalGet {
        /// The key.
        key: Bytes,
        /// R and deadline.
        wish: Wish,
    },
    /// `CW.SET key value …`.
    CausalSet {
        /// The key.
        key: Bytes,
        /// The value.
        value: Bytes,
        /// The sealed token, decoded from its text; without one nothing is replaced.
        context: Option<Bytes>,
        /// W and deadline.
        wish: Wish,
        /// When it is to be hidden.
        expiry: Option<Expiry>,
    },
    /// `CW.DEL key …`.
    CausalDelete {
        /// The key.
        key: Bytes,
        /// The sealed token, decoded from its text.
        context: Option<Bytes>,
        /// W and deadline.
        wish: Wish,
    },
    /// `CW.EXPLAIN key`.
    Explain {
        /// The key.
        key: Bytes,
    },
    /// `CW.SESSION …`: defaults for the connection's plain commands.
    Session(SessionChange),
    /// `CW.STATUS`.
    Status,
    /// `CW.IDENTIFY`.
    Identify,
    /// `CW.INSTALL layout`.
    Install {
        /// The encoded layout, decoded from its hex digits.
        layout: Bytes,
    },
    /// `CW.FORCE-COMPLETE slot|ALL`.
    ForceComplete {
        /// Which; all of them if none is named.
        slot: Option<clockwise_core::slot::Slot>,
    },
    /// `PING [message]`.
    Ping {
        /// What to answer instead of `PONG`.
        message: Option<Bytes>,
    },
    /// `ECHO message`.
    Echo {
        /// What to answer.
        message: Bytes,
    },
    /// `QUIT`: answer OK and close.
    Quit,
    /// `RESET`: answer `+RESET`; name, protocol version, authentication and session defaults are as on a new connection.
    Reset,
    /// `HELLO …`.
    Hello(Hello),
    /// `AUTH [user] password`.
    Auth {
        /// The user; `default` if none was named.
        user: Option<Bytes>,
        /// The password.
        password: Bytes,
    },
    /// `SELECT 0`. There is one database; any other index is refused while parsing.
    Select,
    /// `CLIENT …`.
    Client(ClientCommand),
    /// `COMMAND …`; it writes its answer itself.
    Command(CommandQuery),
    /// `CONFIG GET pattern …`.
    ConfigGet {
        /// Globs over names of settings; case does not matter.
        patterns: Vec<Bytes>,
    },
    /// `INFO [section …]`.
    Info {
        /// Names of sections in lower case; none means the default ones.
        sections: Vec<Bytes>,
    },
    /// `CLUSTER …`.
    Cluster(ClusterCommand),
    /// `READONLY`: replica reads are welcome. Writes go on.
    ReadOnly,
    /// `READWRITE`.
    ReadWrite,
    /// `CLIENT HELP` and its like; [`write_help`] writes the answer.
    Help(&'static Row),
}

impl Command {
    /// Reads a command. Errors are answered and the connection goes on.
    #[inline]
    pub fn parse(args: &Args) -> Result<Command, WireError> {
        match Command::parse_common(args) {
            Some(command) => command,
            None => Command::parse_any(args),
        }
    }

    /// The three commands that nearly all traffic consists of, without a look into the registry.
    #[inline]
    fn parse_common(args: &Args) -> Option<Result<Command, WireError>> {
        let &[a, b, c] = args.get(0)? else { return None };
        match ([a | 0x20, b | 0x20, c | 0x20], args.len()) {
            ([b'g', b'e', b't'], 2) => Some(get::parse(args)),
            ([b's', b'e', b't'], 3) => Some(set::parse(args)),
            ([b'd', b'e', b'l'], 2) => Some(del::parse(args)),
            _ => None,
        }
    }

    fn parse_any(args: &Args) -> Result<Command, WireError> {
        let name = args.get(0).unwrap_or_default();
        let Some(row) = registry::find(name) else { return Err(unknown_command(args)) };
        row.check_arity(args.len())?;
        if row.subcommands.is_empty() || args.len() == 1 {
            return (row.parse)(args);
        }
        let word = args.get(1).unwrap_or_default();
        if word.eq_ignore_ascii_case(b"help") && args.len() == 2 {
            return Ok(Command::Help(row));
        }
        let sub = row.subcommand(word).ok_or_else(|| unknown_subcommand(row, word))?;
        sub.check_arity(args.len())?;
        (sub.parse)(args)
    }

    /// Whether it is taken before authentication.
    pub fn needs_no_authentication(&self) -> bool {
        matches!(self, Command::Hello(_) | Command::Auth { .. } | Command::Quit | Command::Reset)
    }
}

#[cold]
fn unknown_command(args: &Args) -> WireError {
    let mut text = format!(
        "ERR unknown command '{}', with args beginning with: ",
        echo(args.get(0).unwrap_or_default())
    );
    for argument in args.iter().skip(1) {
        if text.len() >= 2 * crate::limits::ECHOED_BYTES {
            break;
        }
        text.push_str(&format!("'{}' ", echo(argument)));
    }
    WireError::Answer(Text::Owned(text))
}

#[cold]
fn unknown_subcommand(row: &Row, word: &[u8]) -> WireError {
    let text =
        format!("ERR unknown subcommand '{}'. Try {} HELP.", echo(word), row.name.to_ascii_uppercase());
    WireError::Answer(Text::Owned(text))
}
