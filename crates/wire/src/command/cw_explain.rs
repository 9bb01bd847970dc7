//! `CW.EXPLAIN key`: slot, owners, and who holds which version.

use super::{Command, Row, params};
use crate::{error::WireError, resp::Args};

pub(super) static ROW: Row = Row {
    name: "cw.explain",
    arity: 2,
    flags: &["readonly"],
    categories: &["@read", "@slow"],
    tips: &["nondeterministic_output"],
    key_flags: &["RO"],
    summary: "Answers slot and owners of a key, and what each of them holds",
    syntax: "key",
    group: "generic",
    since: "0.1.0",
    complexity: "O(N) for N owners",
    parse,
    ..Row::ONE_KEY
};

fn parse(args: &Args) -> Result<Command, WireError> {
    Ok(Command::Explain { key: params::key(args, 1)? })
}
