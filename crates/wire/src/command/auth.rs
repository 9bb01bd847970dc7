//! `AUTH [user] password`.

use super::{
    Command, Row,
    params::{Params, syntax},
};
use crate::{error::WireError, limits::CREDENTIAL_BYTES, resp::Args};

pub(super) static ROW: Row = Row {
    name: "auth",
    arity: -2,
    flags: &["noscript", "loading", "stale", "fast", "no_auth", "allow_busy"],
    categories: &["@fast", "@connection"],
    summary: "Authenticates the connection",
    syntax: "[user] password",
    parse,
    ..Row::BASE
};

fn parse(args: &Args) -> Result<Command, WireError> {
    let mut params = Params::from(args, 1);
    let (user, password) = match args.len() {
        2 => (None, params.bytes()?),
        3 => (Some(params.bytes()?), params.bytes()?),
        _ => return Err(syntax()),
    };
    if password.len().max(user.as_ref().map_or(0, |user| user.len())) > CREDENTIAL_BYTES {
        return Err(WireError::answer("WRONGPASS invalid username-password pair or user is disabled."));
    }
    Ok(Command::Auth { user, password })
}
