//! Carrying out effects: once per wake-up, after every task that was ready has run.
//!
//! The flush is itself a task; whoever leaves an effect behind wakes it, and the runtime's queue is first in,
//! first out, so it runs after all tasks that the same wake-up made ready. In this order: messages are encoded
//! once and appended to each link, replies to each connection; log bytes and jobs leave for their threads,
//! letters for other shards; last comes one write per socket that has something to say.

use super::{Key, Letter, ShardRef, ShardState, Waiting, letter::LogLetter, output::Progress};
use crate::{
    limits::{FLUSH_ROUNDS, LOG_GATHER_MS},
    redis::{Pending, Ready, Seq, Stage, Work},
    server::{Asker, Control},
};
use clockwise_core::{
    ids::MemberNumber,
    message::Message,
    outbox::{Action, Send},
    request::{Outcome, Ticket},
    shard::Durability,
};
use std::{future::poll_fn, task::Poll, time::Duration};

/// Runs the flush whenever it is due.
pub(super) async fn flush_loop(shard: ShardRef) {
    loop {
        poll_fn(|cx| {
            let mut state = shard.borrow_mut();
            if state.due {
                return Poll::Ready(());
            }
            if !state.flusher.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                state.flusher = Some(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
        let blocked = shard.borrow_mut().flush();
        for what in blocked {
            tokio::task::spawn_local(write_when_possible(shard.clone(), what));
        }
    }
}

/// Hands log bytes over some milliseconds after they arose, so that the log thread is not woken for each flush.
pub(super) async fn log_loop(shard: ShardRef) {
    loop {
        poll_fn(|cx| {
            let mut state = shard.borrow_mut();
            state.log_waker = Some(cx.waker().clone());
            if state.log_due { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        tokio::time::sleep(Duration::from_millis(LOG_GATHER_MS)).await;
        let mut state = shard.borrow_mut();
        state.log_due = false;
        state.hand_over_batch();
    }
}

/// Something with an output.
#[derive(Clone, Copy, Debug)]
pub(super) enum Writer {
    Client(Key),
    Link(MemberNumber, u16),
}

/// Writes what a full socket left over, as soon as it takes more.
async fn write_when_possible(shard: ShardRef, what: Writer) {
    loop {
        let Some(socket) = shard.borrow_mut().output_of(what).map(|output| output.socket()) else { return };
        let writable = socket.writable().await;
        let mut state = shard.borrow_mut();
        let Some(output) = state.output_of(what) else { return };
        if !std::rc::Rc::ptr_eq(&socket, &output.socket()) {
            // Another connection took the place; it has its own task.
            return;
        }
        output.blocked = false;
        let progress = if writable.is_ok() { state.write_output(what) } else { Progress::Broken };
        match progress {
            Progress::Blocked => {}
            Progress::Done => return,
            Progress::Broken => return state.break_off(what),
        }
    }
}

impl ShardState {
    /// Carries out everything that waits. Answers the outputs whose sockets are full.
    fn flush(&mut self) -> Vec<Writer> {
        self.due = false;
        self.metrics.flushes.one();
        self.begin();
        for _ in 0..FLUSH_ROUNDS {
            if self.outbox.is_empty() {
                break;
            }
            self.carry_out();
        }
        if !self.outbox.is_empty() {
            self.flush_later();
        }
        self.serve_engine();
        self.post_mail();
        self.write_all()
    }

    fn carry_out(&mut self) {
        let mut failed: Vec<(MemberNumber, Message)> = Vec::new();
        let mut sends = std::mem::take(&mut self.outbox.sends);
        for Send { to, message } in sends.drain(..) {
            self.metrics.messages_out.add(to.len() as u64);
            self.links.send(&to, message, &mut self.dirty_links, &mut failed);
        }
        let mut replies = std::mem::take(&mut self.outbox.replies);
        for (ticket, outcome) in replies.drain(..) {
            self.deliver(ticket, outcome);
        }
        for action in std::mem::take(&mut self.outbox.actions) {
            let sent = self.shared.control.send(match action {
                Action::InstallLayout(layout) => Control::Layout { layout, asker: Asker::Peer },
                Action::TakeIncarnation(incarnation) => Control::Incarnation(incarnation),
                Action::ReserveHlc(up_to) => Control::ReserveClock(up_to),
            });
            if !sent && !self.stopping {
                // Without an answer the shard would wait for ever.
                self.shared.lifecycle.fail("too many durable steps wait for the data folder".to_owned());
            }
        }
        for event in std::mem::take(&mut self.outbox.events) {
            self.metrics.event(event);
        }
        // The buffers are kept, unless delivering filled new ones.
        if self.outbox.sends.is_empty() {
            self.outbox.sends = sends;
        }
        if self.outbox.replies.is_empty() {
            self.outbox.replies = replies;
        }
        self.metrics.send_failures.add(failed.len() as u64);
        if let Some(core) = &mut self.core {
            for (peer, message) in failed {
                core.on_send_failed(peer, &message, self.reading.now, &mut self.store, &mut self.outbox);
            }
        }
    }

    /// An outcome goes to whoever waits for it.
    fn deliver(&mut self, ticket: Ticket, outcome: Outcome) {
        match self.tickets.redeem(ticket) {
            Some(Waiting::Client { connection, seq, part }) => {
                self.answer_client(connection, seq, part, outcome)
            }
            Some(Waiting::Shard(from, ticket)) => {
                self.mail[usize::from(from)].answers.push(Letter::Reply { ticket, outcome });
            }
            // Who asked may have gone.
            Some(Waiting::Thread(reply)) => drop(reply.send(outcome)),
            None => {}
        }
    }

    fn answer_client(&mut self, connection: Key, seq: Seq, part: u32, outcome: Outcome) {
        let wall_ms = self.reading.now.wall_ms;
        let Some(client) = self.connections.get_mut(connection) else { return };
        if let Outcome::Written(written) = &outcome {
            let acks = written.receipt.acks.len();
            client.least_acks = Some(client.least_acks.map_or(acks, |least| least.min(acks)));
        }
        if let Some(Pending { work: Work::Many(gather), .. }) = client.replies.get_mut(seq) {
            gather.answer(part, outcome, wall_ms);
            if !gather.is_finished() {
                return self.start_parts(connection, seq);
            }
            if client.barrier == Some(seq) {
                client.barrier = None;
            }
            let Some((pending, first)) = client.finish(seq) else { return };
            return self.reply(connection, seq, Ready::Many(pending), first);
        }
        if let Some((pending, first)) = client.finish(seq) {
            self.reply(connection, seq, Ready::One(pending, outcome), first);
        }
    }

    /// Writes a reply and those that waited for it, or keeps it until its turn.
    pub(crate) fn reply(&mut self, connection: Key, seq: Seq, ready: Ready, first: bool) {
        if first {
            return self.render(connection, Some(ready));
        }
        let Some(client) = self.connections.get_mut(connection) else { return };
        let bytes = ready.bytes();
        client.replies.keep(seq, ready, bytes);
        // A read may have waited for this very write.
        client.wake();
    }

    /// Renders a reply, and those whose turn it is then as far as the output has room for them.
    fn render(&mut self, connection: Key, mut next: Option<Ready>) {
        let Some(client) = self.connections.get_mut(connection) else { return };
        let stage = Stage {
            layout: self.core.as_ref().map(|core| &**core.layout()),
            clock_threshold: self.shared.settings.clock_threshold,
            metrics: &self.metrics,
            reading: self.reading,
        };
        let mut rendered = false;
        while let Some(ready) = next {
            let bytes = stage.write(client, ready);
            self.large_reply = self.large_reply.max(bytes);
            rendered = true;
            next = if client.takes_replies() { client.replies.next() } else { None };
        }
        if rendered {
            self.touch_client(connection);
        }
    }

    /// A connection has something to write, or may go on.
    pub(crate) fn touch_client(&mut self, connection: Key) {
        let Some(client) = self.connections.get_mut(connection) else { return };
        if !client.output.dirty {
            client.output.dirty = true;
            self.dirty_clients.push(connection);
        }
        self.flush_later();
    }

    /// Log bytes, jobs and finished flushes go to their threads.
    fn serve_engine(&mut self) {
        if !self.store.take_touched() {
            return;
        }
        if self.shared.settings.durability == Durability::Sync || self.stopping {
            self.hand_over_batch();
        } else if !self.log_due {
            self.log_due = true;
            if let Some(waker) = self.log_waker.take() {
                waker.wake();
            }
        }
        self.store.engine.take_jobs(&mut self.jobs);
        self.shared.jobs.run(self.id, &mut self.jobs);
        self.store.engine.take_flushed(&mut self.flushed);
        for flushed in self.flushed.drain(..) {
            self.shared.log.post(LogLetter::Flushed(flushed));
        }
    }

    /// Gives the log thread what was applied since the last time.
    pub(super) fn hand_over_batch(&mut self) {
        if let Some(batch) = self.store.engine.take_batch() {
            self.shared.log.post(LogLetter::Batch(batch));
        }
    }

    fn post_mail(&mut self) {
        for (shard, mail) in self.mail.iter_mut().enumerate() {
            let mailbox = &self.shared.mailboxes[shard];
            if !mail.crossing.is_empty() {
                mailbox.post(Letter::Crossing(std::mem::take(&mut mail.crossing)));
            }
            if mail.requests.is_empty() && mail.answers.is_empty() {
                continue;
            }
            mailbox.post_all(&mut mail.answers);
            mailbox.requests(&mut mail.requests);
            for refused in mail.requests.drain(..) {
                if let Letter::Request { ticket, .. } | Letter::Count { ticket, .. } = refused {
                    let overloaded = Outcome::Rejected(clockwise_core::request::Rejected::Overloaded);
                    self.outbox.replies.push((ticket, overloaded));
                }
            }
        }
        if !self.outbox.is_empty() {
            self.flush_later();
        }
    }

    fn write_all(&mut self) -> Vec<Writer> {
        let mut blocked = Vec::new();
        let mut links = std::mem::take(&mut self.dirty_links);
        for (peer, shard) in links.drain(..) {
            self.write_one(Writer::Link(peer, shard), &mut blocked);
        }
        if self.dirty_links.is_empty() {
            self.dirty_links = links;
        }
        let mut clients = std::mem::take(&mut self.dirty_clients);
        for connection in clients.drain(..) {
            self.write_one(Writer::Client(connection), &mut blocked);
        }
        if self.dirty_clients.is_empty() {
            self.dirty_clients = clients;
        }
        blocked
    }

    fn write_one(&mut self, what: Writer, blocked: &mut Vec<Writer>) {
        let Some(output) = self.output_of(what) else { return };
        output.dirty = false;
        if output.blocked {
            // A task waits for the socket already; but the output may have grown too large in the meantime.
            return self.look_after(what);
        }
        match self.write_output(what) {
            Progress::Done => {}
            Progress::Blocked => blocked.push(what),
            Progress::Broken => self.break_off(what),
        }
    }

    fn output_of(&mut self, what: Writer) -> Option<&mut super::output::Output> {
        match what {
            Writer::Client(connection) => {
                self.connections.get_mut(connection).map(|client| &mut client.output)
            }
            Writer::Link(peer, shard) => self.links.output(peer, shard),
        }
    }

    fn write_output(&mut self, what: Writer) -> Progress {
        let Some(output) = self.output_of(what) else { return Progress::Done };
        let (progress, bytes) = output.write();
        output.blocked = progress == Progress::Blocked;
        let metrics = &self.metrics;
        match what {
            Writer::Client(_) => metrics.client_bytes_out.add(bytes as u64),
            Writer::Link(..) => metrics.peer_bytes_out.add(bytes as u64),
        }
        self.look_after(what);
        progress
    }

    /// After a write: who waits may go on; who takes nothing is cut off.
    fn look_after(&mut self, what: Writer) {
        let Writer::Client(connection) = what else { return };
        let Some(client) = self.connections.get_mut(connection) else { return };
        if client.is_over() {
            self.metrics.slow_clients.one();
            return self.break_off(what);
        }
        client.wake();
        if client.takes_replies() {
            // Some may have waited for room.
            let next = client.replies.next();
            self.render(connection, next);
        }
    }

    /// Closes a broken connection; its task sees the end and cleans up.
    fn break_off(&mut self, what: Writer) {
        match what {
            Writer::Client(connection) => {
                if let Some(client) = self.connections.get_mut(connection) {
                    client.broken = true;
                    client.output.shut_down();
                    client.wake();
                }
            }
            Writer::Link(peer, shard) => {
                if let Some(output) = self.links.output(peer, shard) {
                    output.shut_down();
                }
            }
        }
    }
}
