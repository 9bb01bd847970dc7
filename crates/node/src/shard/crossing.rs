//! Messages that came over a link of another shard than the one that they are for, on their way to it.
//!
//! They cross once, in batches, through the shard's mailbox, in the order in which they came. What waits for a shard
//! is bounded: whoever reads from peers reads nothing more while [`CROSSING_BYTES`] wait for the shard that the last
//! messages were for, and TCP holds the sender back. Nothing is dropped. A shard never waits; only tasks that read do.

use super::{Letter, ShardState};
use crate::limits::CROSSING_BYTES;
use clockwise_core::{ids::MemberNumber, message::Message, shard::LinkState};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use tokio::sync::Notify;

/// Messages for one shard, each with who sent it.
#[derive(Debug, Default)]
pub(crate) struct Crossing {
    messages: Vec<(MemberNumber, Message)>,
    /// What they take, as [`Gate`] counts it.
    bytes: usize,
}

impl Crossing {
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }
}

/// Shards for which messages crossed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Crossed(u16);

const _: () = assert!(crate::limits::SHARDS <= u16::BITS as usize);

/// What waits for one shard.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    bytes: AtomicUsize,
    opened: Notify,
}

impl Gate {
    fn enter(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, SeqCst);
    }

    fn leave(&self, bytes: usize) {
        let before = self.bytes.fetch_sub(bytes, SeqCst);
        if before >= CROSSING_BYTES && before - bytes < CROSSING_BYTES {
            self.opened.notify_waiters();
        }
    }

    /// Waits until less than the cap waits.
    async fn open(&self) {
        loop {
            // Made before the look, so that an opening in between is not missed.
            let opened = self.opened.notified();
            if self.bytes.load(SeqCst) < CROSSING_BYTES {
                return;
            }
            opened.await;
        }
    }
}

/// Waits until there is room for more behind the messages that crossed.
pub(crate) async fn room_behind(gates: &[Gate], crossed: Crossed) {
    for (shard, gate) in gates.iter().enumerate() {
        if crossed.0 & (1 << shard) != 0 {
            gate.open().await;
        }
    }
}

impl ShardState {
    /// A message of an authenticated peer, which came as a frame of this length. Noted in `crossed` if it is for
    /// another shard.
    pub(crate) fn on_message(
        &mut self,
        from: MemberNumber,
        message: Message,
        frame_bytes: usize,
        crossed: &mut Crossed,
    ) {
        let owner = message.slot.map_or(0, |slot| self.owner_of(slot));
        if owner == self.id {
            return self.on_own_message(from, message);
        }
        let bytes = frame_bytes + size_of::<(MemberNumber, Message)>();
        self.shared.gates[usize::from(owner)].enter(bytes);
        let crossing = &mut self.mail[usize::from(owner)].crossing;
        crossing.messages.push((from, message));
        crossing.bytes += bytes;
        crossed.0 |= 1 << owner;
        self.metrics.messages_crossed.one();
        self.flush_later();
    }

    /// Messages that came over links of another shard.
    pub(super) fn on_crossing(&mut self, crossing: Crossing) {
        for (from, message) in crossing.messages {
            self.on_own_message(from, message);
        }
        self.shared.gates[usize::from(self.id)].leave(crossing.bytes);
    }

    fn on_own_message(&mut self, from: MemberNumber, message: Message) {
        if let Some(core) = &mut self.core {
            core.on_message(from, message, self.reading.now, &mut self.store, &mut self.outbox);
            if !self.outbox.gossip.is_empty() {
                self.host_gossip(false);
            }
            self.flush_later();
        }
    }

    /// A link of this shard is gone on which other shards may have had answers under way.
    pub(crate) fn tell_of_loss(&mut self, peer: MemberNumber) {
        for (shard, mail) in self.mail.iter_mut().enumerate() {
            if shard != usize::from(self.id) {
                mail.answers.push(Letter::LinkLost(peer));
            }
        }
        self.flush_later();
    }

    /// Another shard lost a link: what waits for the peer gives up on it, as after a loss of this shard's own.
    pub(super) fn on_link_lost(&mut self, peer: MemberNumber) {
        if self.links.is_up(peer) {
            self.on_link(peer, LinkState::Down);
            self.on_link(peer, LinkState::Up);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CROSSING_BYTES, Crossed, Gate, room_behind};
    use std::{future::Future, task::Poll};

    #[test]
    fn who_reads_waits_for_the_shard_that_is_behind_and_for_no_other() {
        let gates = [Gate::default(), Gate::default()];
        gates[1].enter(CROSSING_BYTES);
        gates[1].enter(10);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            room_behind(&gates, Crossed(0b01)).await;
            let mut waiting = std::pin::pin!(room_behind(&gates, Crossed(0b11)));
            let mut is_waiting =
                async || std::future::poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx).is_pending())).await;
            assert!(is_waiting().await);
            gates[1].leave(10);
            assert!(is_waiting().await, "still at the cap");
            gates[1].leave(1);
            assert!(!is_waiting().await);
        });
    }
}
