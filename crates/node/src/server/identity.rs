//! Whether this process may mint, and whom it has met: what `core::witness` says, with threads and files.

use super::{Shared, control::Control};
use crate::shard::Letter;
use clockwise_core::{
    hlc::Now,
    ids::MemberNumber,
    witness::{Confirmation, Met, Process, Witness, lone_incarnation},
};
use std::sync::{Mutex, PoisonError};

/// How long a process with a layout waits for a majority of the others to confirm it before it takes an incarnation
/// that nobody else can have, in milliseconds.
const CONFIRM_MS: u64 = 3_000;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    process: Process,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    witness: Witness,
    confirmation: Confirmation,
    confirmed: bool,
    /// When it stops waiting, in monotonic milliseconds.
    alone_from_ms: Option<u64>,
}

impl Standing {
    pub(super) fn new(process: Process, witness: Witness) -> Standing {
        Standing { process, known: Mutex::new(Known { witness, ..Known::default() }) }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Which process of the server this is.
    pub(crate) fn process(&self) -> Process {
        self.standing.process
    }

    /// What is known of a peer's process.
    pub(crate) fn judge(&self, peer: MemberNumber, process: Process) -> Met {
        self.standing.known().witness.judge(peer, process)
    }

    /// A peer has proven who it is. If it was not outlived, it has confirmed this process by going on.
    pub(crate) fn met(&self, peer: MemberNumber, process: Process) -> Met {
        let mut known = self.standing.known();
        let met = known.witness.meet(peer, process);
        if met == Met::Newer {
            // If there is no room, the next meeting says so again.
            self.control.send(Control::Witness(known.witness.encode()));
        }
        if met != Met::Outlived {
            known.confirmation.add(peer);
        }
        drop(known);
        self.confirm_if_enough();
        met
    }

    /// Lets all shards mint once enough others have met this process.
    pub(crate) fn confirm_if_enough(&self) {
        let Some(layout) = self.layout() else { return };
        let others = layout.spec().members.iter().filter(|member| member.node != self.node);
        let mut known = self.standing.known();
        if !known.confirmed && known.confirmation.is_enough(others.map(|member| member.number)) {
            known.confirmed = true;
            drop(known);
            self.tell_all(|| Letter::Confirmed);
        }
    }

    /// Whether shards may mint.
    pub(crate) fn is_confirmed(&self) -> bool {
        self.standing.known().confirmed
    }

    /// Time passed: who is not confirmed in time takes an incarnation that nobody else can have.
    pub(crate) fn confirm_alone(&self, now: Now) {
        let mut known = self.standing.known();
        if known.confirmed || self.layout().is_none() {
            return;
        }
        if now.mono_ms < *known.alone_from_ms.get_or_insert(now.mono_ms + CONFIRM_MS) {
            return;
        }
        let incarnation = lone_incarnation(self.life().incarnation, now.wall_ms);
        if self.control.send(Control::LoneIncarnation(incarnation)) {
            // Should it take long, it is asked for again.
            known.alone_from_ms = Some(now.mono_ms + CONFIRM_MS);
        }
    }

    /// The incarnation that nobody else can have is durable.
    pub(super) fn confirmed_alone(&self) {
        self.standing.known().confirmed = true;
        self.tell_all(|| Letter::Confirmed);
    }

    /// A peer has met a later process of this server: this one has no right to its folder, nor has any that comes after
    /// it there.
    pub(crate) fn outlived(&self) {
        if !self.control.send(Control::Outlived) {
            self.end_outlived();
        }
    }

    /// Stops, because a later process of this server was met.
    pub(super) fn end_outlived(&self) {
        self.lifecycle.fail(
            "another server has met a later process of this one: the data folder is a copy, or was set back to an \
             older state. Its data must not be served again; start with an empty folder as a new server"
                .to_owned(),
        );
    }
}
