//! What servers want done: their shards' effects are carried out, logs synced, jobs run, frames sent and taken.

use crate::{
    event::Event,
    network::{Frame, Sent},
    random::span,
    server::{Input, State},
    world::World,
};
use bytes::Bytes;
use clockwise_core::{
    ids::MemberNumber,
    message::{Body, Message},
    outbox::{Action, Outbox},
};

impl World {
    /// Gives the same input to all shards of a server.
    pub(crate) fn drive_all(&mut self, server: usize, input: impl Fn() -> Input) {
        for shard in 0..self.servers[server].shards() {
            self.servers[server].drive(shard, input(), self.queue.now_us());
        }
        self.settle(server);
    }

    /// Gives an input to one shard.
    pub(crate) fn drive(&mut self, server: usize, shard: usize, input: Input) {
        self.servers[server].drive(shard, input, self.queue.now_us());
        self.settle(server);
    }

    /// Carries out what a server's shards want done, until they want nothing more.
    pub(crate) fn settle(&mut self, server: usize) {
        self.note_verdicts(server);
        while let Some((shard, out)) = self.servers[server].take_effects() {
            self.carry_out(server, shard, out);
        }
        self.start_sync(server);
        self.start_jobs(server);
    }

    fn carry_out(&mut self, server: usize, shard: usize, out: Outbox) {
        let at_us = self.queue.now_us();
        let me = self.servers[server].number;
        for send in out.sends {
            let message = &send.message;
            let frame = Frame {
                // What is too large to travel never arrives.
                bytes: crate::frame::pack(message, self.cluster_tag).unwrap_or_default(),
                lane: message.slot.map_or(0, |slot| slot.cell()),
                once: matches!(message.body, Body::Forward { .. }),
            };
            for to in send.to {
                if !self.transmit(server, to, &send.message, &frame) {
                    let failed = Input::SendFailed(to, send.message.clone());
                    self.servers[server].drive(shard, failed, at_us);
                }
            }
        }
        for (ticket, outcome) in out.replies {
            self.reply(server, ticket, outcome);
        }
        for action in out.actions {
            let life = self.servers[server].life;
            let late = 500 + self.link_rng.u64(0..5_000) * self.servers[server].disk_slowness;
            self.queue.after(late, Event::Acted { server, life, action });
        }
        for event in out.events {
            self.count(event);
            self.trace.line(at_us, || format!("{me} {event:?}"));
        }
    }

    fn transmit(&mut self, server: usize, to: MemberNumber, message: &Message, frame: &Frame) -> bool {
        let now_us = self.queue.now_us();
        let me = self.servers[server].number;
        let Some(peer) = self.servers.iter().position(|peer| peer.number == to && to != me) else {
            return false;
        };
        self.stats.frames += 1;
        let sent = self.network.send(server, peer, frame, now_us);
        self.trace.line(now_us, || format!("{me} -> {to} {sent:?} {:?}", message.body));
        match sent {
            Sent::Arrives { session, at_us } => {
                for at_us in at_us {
                    self.queue.at(
                        at_us,
                        Event::Frame { from: server, to: peer, session, bytes: frame.bytes.clone() },
                    );
                }
                true
            }
            Sent::Failed => false,
        }
    }

    pub(crate) fn frame_arrives(&mut self, from: usize, to: usize, session: u64, bytes: Bytes) {
        self.trace.number((from as u64) << 32 | to as u64);
        self.trace.bytes(&bytes);
        if !self.network.arrived(from, to, session) || self.servers[to].state == State::Down {
            return;
        }
        let Some(message) = crate::frame::unpack(&bytes, self.cluster_tag) else {
            self.broken = Some("a frame does not come out as it went in".to_owned());
            return;
        };
        let shard = self.servers[to].shard_of(message.slot);
        let from = self.servers[from].number;
        self.drive(to, shard, Input::Message(from, message));
    }

    fn start_sync(&mut self, server: usize) {
        let due = self.servers[server].sync_due();
        let Some(positions) = self.must(server, due).flatten() else { return };
        let (low, high) = self.plan.sync_us;
        let late = span(&mut self.link_rng, low, high) * self.servers[server].disk_slowness;
        let life = self.servers[server].life;
        self.queue.after(late, Event::Synced { server, life, positions });
    }

    fn start_jobs(&mut self, server: usize) {
        for job in self.servers[server].take_jobs() {
            let late = span(&mut self.link_rng, 50, 5_000) * self.servers[server].disk_slowness;
            let life = self.servers[server].life;
            self.queue.after(late, Event::Job { server, life, job });
        }
    }

    pub(crate) fn job_done(&mut self, server: usize, job: u64) {
        let (shard, loaded) = self.servers[server].run_job(job);
        for loaded in loaded {
            self.servers[server].drive(shard, Input::Loaded(loaded), self.queue.now_us());
        }
        self.settle(server);
    }

    /// What a server's disk answered; an error is nothing that this simulation lets happen.
    pub(crate) fn must<T>(&mut self, server: usize, result: Result<T, String>) -> Option<T> {
        result.map_err(|why| self.broken = Some(format!("s{}: {why}", server + 1))).ok()
    }

    pub(crate) fn acted(&mut self, server: usize, action: Action) {
        match action {
            Action::InstallLayout(bytes) => self.install_layout(server, bytes),
            Action::TakeIncarnation(incarnation) => {
                let taken = self.servers[server].take_incarnation(incarnation);
                if let Some(incarnation) = self.must(server, taken) {
                    self.drive_all(server, || Input::Incarnation(incarnation));
                }
            }
            Action::ReserveHlc(wanted) => {
                let reserved = self.servers[server].reserve(wanted);
                if let Some(reserved) = self.must(server, reserved) {
                    self.drive_all(server, || Input::Reserved(reserved));
                }
            }
        }
    }

    /// Puts a layout on a server, if it is newer than the one there.
    pub(crate) fn install_layout(&mut self, server: usize, bytes: Bytes) {
        let installed = self.servers[server].install_layout(bytes);
        if let Some(layout) = self.must(server, installed).flatten() {
            self.note(|| format!("s{} installs {:?}", server + 1, layout.epoch()));
            self.drive_all(server, || Input::Layout(layout.clone()));
        }
    }
}
