//! Every command, by name.

use super::{
    Row, auth, client, cluster, command_query, config, cw_del, cw_explain, cw_force_complete, cw_get,
    cw_identify, cw_install, cw_session, cw_set, cw_status, dbsize, del, echo, exists, get, hello, info,
    mget, mset, ping, quit, readonly, reset, select, set, ttl, wait,
};
use core::cmp::Ordering;

/// All commands, sorted by name.
pub static ROWS: &[&Row] = &[
    &auth::ROW,
    &client::ROW,
    &cluster::ROW,
    &command_query::ROW,
    &config::ROW,
    &cw_del::ROW,
    &cw_explain::ROW,
    &cw_force_complete::ROW,
    &cw_get::ROW,
    &cw_identify::ROW,
    &cw_install::ROW,
    &cw_session::ROW,
    &cw_set::ROW,
    &cw_status::ROW,
    &dbsize::ROW,
    &del::ROW,
    &echo::ROW,
    &exists::ROW,
    &get::ROW,
    &hello::ROW,
    &info::ROW,
    &mget::ROW,
    &mset::ROW,
    &ping::ROW,
    &ttl::PTTL,
    &quit::ROW,
    &readonly::ROW,
    &readonly::READWRITE,
    &reset::ROW,
    &select::ROW,
    &set::ROW,
    &ttl::ROW,
    &del::UNLINK,
    &wait::ROW,
];

/// The command with this name, in any case.
pub fn find(name: &[u8]) -> Option<&'static Row> {
    ROWS.binary_search_by(|row| compare(row.name.as_bytes(), name)).ok().map(|at| ROWS[at])
}

/// The command or subcommand (`client|list`) with this name, in any case.
pub(super) fn find_full(name: &[u8]) -> Option<&'static Row> {
    match name.iter().position(|&byte| byte == b'|') {
        None => find(name),
        Some(bar) => find(&name[..bar])?.subcommand(&name[bar + 1..]),
    }
}

/// Compares a name in lower case with one in any case.
fn compare(lower: &[u8], any: &[u8]) -> Ordering {
    lower.iter().copied().cmp(any.iter().map(u8::to_ascii_lowercase))
}
