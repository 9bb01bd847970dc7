//! `CONFIG GET pattern …`. Settings are changed in the configuration file: there is no `CONFIG SET`.

use super::{Command, Row};
use crate::{error::WireError, resp::Args};

pub(super) static ROW: Row = Row {
    name: "config",
    arity: -2,
    categories: &["@slow"],
    summary: "Settings of the server",
    group: "server",
    since: "2.0.0",
    complexity: "Depends on subcommand.",
    subcommands: &[&GET],
    ..Row::BASE
};

static GET: Row = Row {
    name: "config|get",
    arity: -3,
    flags: &["admin", "noscript", "loading", "stale"],
    categories: &["@admin", "@slow", "@dangerous"],
    summary: "Answers names and values of the settings that match a pattern",
    syntax: "pattern [pattern ...]",
    group: "server",
    since: "2.0.0",
    complexity: "O(N) for N patterns",
    parse: get,
    ..Row::BASE
};

fn get(args: &Args) -> Result<Command, WireError> {
    Ok(Command::ConfigGet { patterns: (2..args.len()).filter_map(|index| args.bytes(index)).collect() })
}
