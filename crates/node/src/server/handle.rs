//! A running server, as the rest of the process sees it.

use super::{
    Asker, Control, Exit, InstallError, MetricsSnapshot, ServerStatus, Shared,
    status::{ready, snapshot, status},
};
use crate::shard::Letter;
use bytes::Bytes;
use clockwise_core::request::{Outcome, Rejected, Request};
use std::{sync::Arc, time::Duration};
use tokio::sync::oneshot;

/// Longest wait for a layout to become durable.
const INSTALL_TIMEOUT: Duration = Duration::from_secs(10);

/// See the module. Cloning it is cheap; the server stops when asked to, not when handles go.
#[derive(Clone, Debug)]
pub struct ServerHandle {
    shared: Arc<Shared>,
}

impl ServerHandle {
    pub(super) fn new(shared: Arc<Shared>) -> ServerHandle {
        ServerHandle { shared }
    }

    /// Asks the shard that owns the key. Works on any thread and runtime.
    pub async fn request(&self, request: Request) -> Outcome {
        let shard = request.slot().cell() % self.shared.shards;
        let is_write = request.op.is_write();
        let (reply, outcome) = oneshot::channel();
        let letter = Letter::Ask { request, reply };
        if self.shared.mailboxes[usize::from(shard)].request(letter).is_err() {
            return Outcome::Rejected(Rejected::Overloaded);
        }
        match outcome.await {
            Ok(outcome) => outcome,
            // The server stopped with the request in hand.
            Err(_) if is_write => Outcome::Unknown { required: 1, acked: 0 },
            Err(_) => Outcome::Rejected(Rejected::NotReady),
        }
    }

    /// How this server sees itself and the cluster.
    pub fn status(&self) -> ServerStatus {
        status(&self.shared)
    }

    /// All numbers.
    pub fn metrics(&self) -> MetricsSnapshot {
        snapshot(&self.shared)
    }

    /// Whether a quorum of the owners of every slot answers; else why not.
    pub fn ready(&self) -> Result<(), String> {
        ready(&self.shared)
    }

    /// Makes an encoded layout durable and serves under it. Installing the same one again is fine. Blocks until it
    /// is on disk.
    pub fn install_layout(&self, layout: Bytes) -> Result<(), InstallError> {
        let (reply, answer) = std::sync::mpsc::sync_channel(1);
        if !self.shared.control.send(Control::Layout { layout, asker: Asker::Thread(reply) }) {
            return Err(InstallError::Unavailable);
        }
        answer.recv_timeout(INSTALL_TIMEOUT).unwrap_or(Err(InstallError::Unavailable))
    }

    /// Begins a clean stop: nothing new is taken, what is in flight has about two seconds, then the log is synced and
    /// the folder marked as clean.
    pub fn shutdown(&self) {
        self.shared.lifecycle.stop();
    }

    /// Waits until the server has stopped.
    pub fn wait(&self) -> Exit {
        self.shared.lifecycle.wait_for_end()
    }
}
