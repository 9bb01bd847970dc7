//! A client: one operation at a time, a home server that it leaves when refused, and the contexts that it keeps.

use crate::{
    history::{Class, Seen},
    random::chance,
};
use bytes::Bytes;
use clockwise_core::{
    hlc::Hlc,
    request::{Level, Rejected},
    version::Record,
};
use fastrand::Rng;
use std::collections::BTreeMap;

/// Contexts that a client keeps for a key.
const CONTEXTS: usize = 4;

/// What arrives at a client.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// The versions of a key, with the sealed context.
    Read { seen: Vec<Seen>, context: Option<Bytes> },
    /// An acknowledgement, with the sealed context.
    Written { time: Hlc, context: Option<Bytes> },
    /// What each owner holds.
    Explained(Vec<(u32, Option<Record>)>),
    /// Certainly not applied.
    Rejected(Rejected),
    /// May have been applied.
    Unknown,
    /// Nobody listens: not even sent.
    Refused,
    /// The connection broke while waiting.
    Broken,
}

/// A context and the operations whose values came with it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Context {
    pub(crate) sealed: Bytes,
    pub(crate) direct: Vec<u64>,
}

/// A key that only this client uses.
#[derive(Clone, Debug)]
pub(crate) struct Own {
    pub(crate) key: usize,
    pub(crate) class: Class,
    /// What its next write passes on.
    pub(crate) context: Option<Context>,
    /// A loner reads before it writes.
    pub(crate) has_read: bool,
    pub(crate) read_level: Level,
    pub(crate) write_level: Level,
}

/// A client.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) rng: Rng,
    pub(crate) home: usize,
    /// How often it asks another server than its home, in a thousand.
    pub(crate) hops_per_mille: u32,
    /// The operation that it waits for.
    pub(crate) open: Option<u64>,
    pub(crate) contexts: BTreeMap<usize, Vec<Context>>,
    pub(crate) own: Option<Own>,
}

impl Client {
    /// A client that has not done anything yet.
    pub(crate) fn new(mut rng: Rng, servers: usize) -> Client {
        let home = rng.usize(0..servers);
        let hops_per_mille = [0, 100, 1000][rng.usize(0..3)];
        Client { rng, home, hops_per_mille, open: None, contexts: BTreeMap::new(), own: None }
    }

    /// The server that it asks next.
    pub(crate) fn server(&mut self, servers: usize) -> usize {
        if chance(&mut self.rng, self.hops_per_mille) { self.rng.usize(0..servers) } else { self.home }
    }

    /// Keeps a context for later.
    pub(crate) fn keep(&mut self, key: usize, context: Context) {
        let contexts = self.contexts.entry(key).or_default();
        if contexts.len() == CONTEXTS {
            // The newest is last; an old one may stay for long.
            let gone = self.rng.usize(0..CONTEXTS);
            contexts.remove(gone);
        }
        contexts.push(context);
    }

    /// The newest context of a key.
    pub(crate) fn newest(&self, key: usize) -> Option<Context> {
        self.contexts.get(&key).and_then(|contexts| contexts.last().cloned())
    }

    /// Any context of a key.
    pub(crate) fn any(&mut self, key: usize) -> Option<Context> {
        let contexts = self.contexts.get(&key)?;
        let at = self.rng.usize(0..contexts.len().max(1));
        contexts.get(at).cloned()
    }
}
