//! `COMMAND …`: what commands there are. The answers follow from the registry alone.

use super::{
    Command, Row, describe,
    params::{Params, is, syntax},
    registry,
};
use crate::{
    error::WireError,
    resp::{Args, ReplyWriter},
};
use alloc::vec::Vec;
use bytes::Bytes;

/// One question about commands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CommandQuery {
    /// `COMMAND`: every row.
    All,
    /// `COMMAND COUNT`.
    Count,
    /// `COMMAND INFO [name …]`; no name means all.
    Info(Vec<Bytes>),
    /// `COMMAND DOCS [name …]`; no name means all.
    Docs(Vec<Bytes>),
    /// `COMMAND LIST [FILTERBY …]`.
    List(ListFilter),
    /// `COMMAND GETKEYS command argument …`: the keys that were found.
    GetKeys(Vec<Bytes>),
}

/// Which names `COMMAND LIST` answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ListFilter {
    /// All.
    All,
    /// Those in an ACL category, named without `@`.
    Category(Bytes),
    /// Those that match a glob.
    Pattern(Bytes),
    /// Those of a module: there is none.
    Module,
}

const SUB: Row = Row {
    arity: -2,
    flags: &["loading", "stale"],
    categories: &["@slow", "@connection"],
    group: "server",
    since: "2.8.13",
    complexity: "O(N) for N commands",
    ..Row::BASE
};
const UNORDERED: Row = Row { tips: &["nondeterministic_output_order"], ..SUB };

pub(super) static ROW: Row = Row {
    name: "command",
    arity: -1,
    summary: "Describes every command",
    subcommands: &[&COUNT, &DOCS, &GETKEYS, &INFO, &LIST],
    parse: |_| Ok(Command::Command(CommandQuery::All)),
    ..UNORDERED
};

static COUNT: Row = Row {
    name: "command|count",
    arity: 2,
    summary: "Answers the number of commands",
    complexity: "O(1)",
    parse: |_| Ok(Command::Command(CommandQuery::Count)),
    ..SUB
};
static DOCS: Row = Row {
    name: "command|docs",
    summary: "Answers what is written about commands",
    syntax: "[command [command ...]]",
    since: "7.0.0",
    parse: |args| Ok(Command::Command(CommandQuery::Docs(names(args)))),
    ..UNORDERED
};
static GETKEYS: Row = Row {
    name: "command|getkeys",
    arity: -3,
    summary: "Answers the keys of a whole command",
    syntax: "command [argument ...]",
    complexity: "O(N) for N arguments",
    parse: get_keys,
    ..SUB
};
static INFO: Row = Row {
    name: "command|info",
    summary: "Answers the rows of some commands",
    syntax: "[command [command ...]]",
    parse: |args| Ok(Command::Command(CommandQuery::Info(names(args)))),
    ..UNORDERED
};
static LIST: Row = Row {
    name: "command|list",
    summary: "Answers the names of commands",
    syntax: "[FILTERBY MODULE module|ACLCAT category|PATTERN pattern]",
    since: "7.0.0",
    parse: list,
    ..UNORDERED
};

fn names(args: &Args) -> Vec<Bytes> {
    (2..args.len()).filter_map(|index| args.bytes(index)).collect()
}

fn list(args: &Args) -> Result<Command, WireError> {
    let mut params = Params::from(args, 2);
    let filter = match (args.len(), params.next()) {
        (2, _) => ListFilter::All,
        (5, Some(word)) if is(word, "filterby") => {
            let by = params.value()?;
            let what = params.bytes()?;
            match by {
                word if is(word, "aclcat") => ListFilter::Category(what),
                word if is(word, "pattern") => ListFilter::Pattern(what),
                word if is(word, "module") => ListFilter::Module,
                _ => return Err(syntax()),
            }
        }
        _ => return Err(syntax()),
    };
    Ok(Command::Command(CommandQuery::List(filter)))
}

fn get_keys(args: &Args) -> Result<Command, WireError> {
    let row = registry::find(args.get(2).unwrap_or_default())
        .ok_or(WireError::answer("ERR Invalid command specified"))?;
    let row = args.get(3).and_then(|word| row.subcommand(word)).unwrap_or(row);
    if row.first == 0 {
        return Err(WireError::answer("ERR The command has no key arguments"));
    }
    let arguments = args.len() - 2;
    if !row.takes(arguments) {
        return Err(WireError::answer("ERR Invalid number of arguments specified for command"));
    }
    let keys = row.key_indices(arguments).filter_map(|index| args.bytes(index + 2)).collect();
    Ok(Command::Command(CommandQuery::GetKeys(keys)))
}

impl CommandQuery {
    /// Writes the answer.
    pub fn write(&self, writer: &mut ReplyWriter<'_>) {
        match self {
            CommandQuery::All => describe::all_rows(writer),
            CommandQuery::Info(names) if names.is_empty() => describe::all_rows(writer),
            CommandQuery::Info(names) => describe::some_rows(names, writer),
            CommandQuery::Count => writer.integer(registry::ROWS.len() as i64),
            CommandQuery::Docs(names) => describe::docs(names, writer),
            CommandQuery::List(filter) => describe::list(filter, writer),
            CommandQuery::GetKeys(keys) => {
                writer.array(keys.len());
                keys.iter().for_each(|key| writer.bulk(key));
            }
        }
    }
}
