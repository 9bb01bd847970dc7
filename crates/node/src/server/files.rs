//! The operating system's limit on open files: sockets of clients and peers, tables and log segments all count.

use crate::limits::{PEER_FILES, SHARDS};
use clockwise_store::limits::OPEN_TABLES;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit as far as the hard one allows and says so if that is not enough.
pub(super) fn raise_limit(max_connections: usize) {
    let wanted = (max_connections + OPEN_TABLES + PEER_FILES + SHARDS * 8 + 64) as u64;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= wanted) {
        return;
    }
    let raised = maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let limit = Rlimit { current: Some(raised), maximum };
    match setrlimit(Resource::Nofile, limit) {
        Ok(()) if raised >= wanted => tracing::debug!(raised, "limit on open files raised"),
        _ => tracing::warn!(
            limit = raised.max(current.unwrap_or(raised)),
            wanted,
            "too few open files are allowed for all connections: raise `ulimit -n`, or lower --max-connections"
        ),
    }
}
