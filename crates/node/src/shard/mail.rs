//! Letters of other threads, taken whole and handled in order.

use super::{Letter, ShardRef, ShardState, Waiting};
use crate::{limits::DRAIN_MS, peer, redis};
use std::time::{Duration, Instant};

/// Handles letters until the shard has stopped.
pub(super) async fn mail_loop(shard: ShardRef) {
    let shared = shard.borrow().shared.clone();
    let id = usize::from(shard.borrow().id);
    let mailbox = &shared.mailboxes[id];
    let mut letters = Vec::new();
    let mut stop_at: Option<Instant> = None;
    loop {
        match stop_at {
            None => mailbox.take(&mut letters).await,
            Some(at) => {
                // Letters may be what the last requests wait for.
                let pause = Duration::from_millis(5);
                let _ = tokio::time::timeout(pause, mailbox.take(&mut letters)).await;
                if shard.borrow_mut().is_drained() || at <= Instant::now() {
                    break;
                }
            }
        }
        shard.borrow_mut().begin();
        for letter in letters.drain(..) {
            if matches!(letter, Letter::Stop) {
                // After a failure nothing more may be acknowledged.
                let drain_ms = if shared.lifecycle.failure().is_some() { 0 } else { DRAIN_MS };
                stop_at = Some(Instant::now() + Duration::from_millis(drain_ms));
            }
            handle(&shard, letter);
        }
    }
    mailbox.close();
    shard.borrow_mut().hand_over_batch();
}

fn handle(shard: &ShardRef, letter: Letter) {
    let mut state = shard.borrow_mut();
    match letter {
        Letter::Request { from, ticket, request } => {
            state.submit(Waiting::Shard(from, ticket), request);
        }
        Letter::Count { from, ticket, cell, targets } => {
            state.submit_count(Waiting::Shard(from, ticket), cell, &targets);
        }
        Letter::Reply { ticket, outcome } => state.on_reply(ticket, outcome),
        Letter::Ask { request, reply } => {
            state.submit(Waiting::Thread(reply), request);
        }
        Letter::Crossing(crossing) => state.on_crossing(crossing),
        Letter::LinkLost(peer) => state.on_link_lost(peer),
        Letter::ForceComplete(slot) => state.on_force_complete(slot),
        Letter::Durable(durable) => state.on_durable(durable),
        Letter::JobDone(done) => state.on_job_done(*done),
        Letter::Layout(layout) => {
            state.on_layout(layout);
            drop(state);
            peer::follow(shard);
        }
        Letter::Installed { connection, seq, result } => state.on_installed(connection, seq, result),
        Letter::Incarnation(incarnation) => state.on_incarnation(incarnation),
        Letter::Confirmed => state.on_confirmed(),
        Letter::ClockReserved(reserved) => state.on_clock_reserved(reserved),
        Letter::Verdict(member, verdict) => state.on_verdict(member, verdict),
        Letter::PeerShards => {
            drop(state);
            peer::follow(shard);
        }
        Letter::Client(stream, door) => {
            drop(state);
            redis::welcome(shard, stream, door);
        }
        Letter::Link(handover) => {
            drop(state);
            peer::take_over(shard, *handover);
        }
        Letter::Stop => state.stop(),
    }
}

impl ShardState {
    /// Takes nothing new from now on. What is in flight may end.
    fn stop(&mut self) {
        self.stopping = true;
        if self.shared.lifecycle.failure().is_some() {
            self.store.engine.fail();
        }
        for connection in self.connections.keys() {
            if let Some(client) = self.connections.get_mut(connection) {
                client.wake();
            }
        }
        self.store.touch();
        self.flush_later();
    }

    /// Whether nothing is in flight and every reply is written.
    fn is_drained(&mut self) -> bool {
        self.tickets.len() == 0
            && !self.due
            && self
                .connections
                .keys()
                .into_iter()
                .all(|key| self.connections.get(key).is_none_or(|c| c.is_idle()))
    }
}
