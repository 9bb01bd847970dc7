//! What is known of a command: the one row from which parsing, `COMMAND`, `COMMAND INFO` and `COMMAND DOCS` follow.

use super::Command;
use crate::{
    error::{Text, WireError},
    resp::Args,
};
use alloc::format;

/// Reads the arguments of one command whose arity was checked.
pub(super) type Parse = fn(&Args) -> Result<Command, WireError>;

/// One command or subcommand.
#[derive(Debug)]
pub struct Row {
    /// In lower case; a subcommand is `parent|name`.
    pub name: &'static str,
    /// Arguments with the name; negative: at least that many.
    pub arity: i64,
    /// As in `COMMAND INFO`.
    pub flags: &'static [&'static str],
    /// Index of the first key; 0 if there is none.
    pub first: i64,
    /// Index of the last key; −1: the last argument.
    pub last: i64,
    /// From one key to the next.
    pub step: i64,
    /// ACL categories, with their `@`.
    pub categories: &'static [&'static str],
    /// Tips for clients that fan out.
    pub tips: &'static [&'static str],
    /// What is done to the keys; empty if there are none.
    pub key_flags: &'static [&'static str],
    /// One line for people.
    pub summary: &'static str,
    /// How the arguments are written, for people.
    pub syntax: &'static str,
    /// `string`, `generic`, `connection`, `server` or `cluster`.
    pub group: &'static str,
    /// The version of Redis (for `CW.` of Clockwise) that had it first.
    pub since: &'static str,
    /// Cost.
    pub complexity: &'static str,
    /// Subcommands by name.
    pub subcommands: &'static [&'static Row],
    pub(super) parse: Parse,
}

impl PartialEq for Row {
    /// Names are unique.
    fn eq(&self, other: &Row) -> bool {
        self.name == other.name
    }
}

impl Eq for Row {}

impl Row {
    /// A command without keys, for the connection at hand.
    pub(super) const BASE: Row = Row {
        name: "",
        arity: 1,
        flags: &[],
        first: 0,
        last: 0,
        step: 0,
        categories: &[],
        tips: &[],
        key_flags: &[],
        summary: "",
        syntax: "",
        group: "connection",
        since: "1.0.0",
        complexity: "O(1)",
        subcommands: &[],
        parse: unreachable_parse,
    };

    /// A command with one key as its first argument.
    pub(super) const ONE_KEY: Row = Row { first: 1, last: 1, step: 1, group: "string", ..Row::BASE };

    /// A command whose arguments are all keys.
    pub(super) const ALL_KEYS: Row =
        Row { first: 1, last: -1, step: 1, group: "generic", complexity: "O(N) for N keys", ..Row::BASE };

    /// The part of the name behind `|`, or all of it.
    pub fn word(&self) -> &'static str {
        self.name.rsplit('|').next().unwrap_or(self.name)
    }

    /// The subcommand with this name in any case.
    pub fn subcommand(&self, word: &[u8]) -> Option<&'static Row> {
        self.subcommands.iter().find(|row| row.word().as_bytes().eq_ignore_ascii_case(word)).copied()
    }

    /// Whether that many arguments, the name among them, are right.
    pub fn takes(&self, arguments: usize) -> bool {
        let arguments = arguments as i64;
        if self.arity >= 0 { arguments == self.arity } else { arguments >= -self.arity }
    }

    pub(super) fn check_arity(&self, arguments: usize) -> Result<(), WireError> {
        if self.takes(arguments) { Ok(()) } else { Err(self.wrong_arity()) }
    }

    /// Redis' text for too few or too many arguments.
    #[cold]
    pub(super) fn wrong_arity(&self) -> WireError {
        WireError::Answer(Text::Owned(format!("ERR wrong number of arguments for '{}' command", self.name)))
    }

    /// Indices of the keys among that many arguments.
    pub fn key_indices(&self, arguments: usize) -> impl Iterator<Item = usize> + use<> {
        let last = if self.last < 0 { arguments as i64 + self.last } else { self.last };
        let (first, step) = (self.first, self.step.max(1));
        (first..=last).step_by(step as usize).filter(move |_| first > 0).map(|index| index as usize)
    }
}

/// Containers have subcommands only; their arity is checked before this could be asked.
fn unreachable_parse(_: &Args) -> Result<Command, WireError> {
    Err(WireError::answer("ERR syntax error"))
}
