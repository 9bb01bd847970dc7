//! `CW.SESSION [R level] [W level] [LEVEL STRICT|SLOPPY] [TIMEOUT ms]`: defaults for the connection's plain commands.

use super::{
    Command, Row,
    options::{need, once, strictness, timeout_ms},
    params::{Params, is, syntax},
};
use crate::{error::WireError, resp::Args};
use clockwise_core::request::{Level, Need};

pub(super) static ROW: Row = Row {
    name: "cw.session",
    arity: -1,
    flags: &["loading", "stale", "fast"],
    categories: &["@fast", "@connection"],
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    summary: "Sets R, W, level and deadline of the connection's plain commands; without arguments answers them",
    syntax: "[R n|one|quorum|all] [W n|one|quorum|all] [LEVEL STRICT|SLOPPY] [TIMEOUT ms]",
    since: "0.1.0",
    parse,
    ..Row::BASE
};

/// What is to change; `None` stays.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SessionChange {
    /// R.
    pub read: Option<Need>,
    /// W.
    pub write: Option<Need>,
    /// Strict or sloppy, for both.
    pub strict: Option<bool>,
    /// Deadline, in milliseconds.
    pub timeout_ms: Option<u64>,
}

impl SessionChange {
    /// Nothing is to change: the client asks how it is.
    pub fn is_question(&self) -> bool {
        *self == SessionChange::default()
    }

    /// The new levels for reads and writes, over the present ones.
    pub fn levels(&self, read: Level, write: Level) -> (Level, Level) {
        let over = |need: Option<Need>, old: Level| Level {
            need: need.unwrap_or(old.need),
            strict: self.strict.unwrap_or(old.strict),
        };
        (over(self.read, read), over(self.write, write))
    }
}

fn parse(args: &Args) -> Result<Command, WireError> {
    let mut change = SessionChange::default();
    let mut params = Params::from(args, 1);
    while let Some(word) = params.next() {
        match word {
            word if is(word, "r") => once(&mut change.read, need(params.value()?)?)?,
            word if is(word, "w") => once(&mut change.write, need(params.value()?)?)?,
            word if is(word, "level") => {
                once(&mut change.strict, strictness(params.value()?).ok_or_else(syntax)?)?
            }
            word if is(word, "timeout") => once(&mut change.timeout_ms, timeout_ms(params.value()?)?)?,
            _ => return Err(syntax()),
        }
    }
    Ok(Command::Session(change))
}
