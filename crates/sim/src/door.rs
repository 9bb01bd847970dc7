//! The door of a server as clients see it: contexts are sealed and opened, expiries become instants on the server's
//! clock, expired versions are hidden, and answers travel back.

use crate::{
    client::Answer,
    event::Event,
    history::seen_in,
    server::{Input, State},
    world::World,
};
use bytes::Bytes;
use clockwise_core::{
    layout::Layout,
    outbox,
    request::{Basis, Op, Outcome, Request, Ticket},
    version::Token,
};

/// Longest way between a client and a server, in microseconds.
const DOORSTEP_US: u64 = 400;

impl World {
    /// Sends a request to a server.
    pub(crate) fn knock(&mut self, server: usize, operation: u64, request: Request, context: Option<Bytes>) {
        let late = self.work_rng.u64(50..DOORSTEP_US);
        self.queue.after(late, Event::Request { server, operation, request: Box::new(request), context });
    }

    /// A request arrives at a server's door.
    pub(crate) fn request_arrives(
        &mut self,
        server: usize,
        operation: u64,
        mut request: Request,
        context: Option<Bytes>,
    ) {
        self.trace.number(operation);
        let at_us = self.queue.now_us();
        let slot = request.slot();
        let host = &mut self.servers[server];
        if host.state == State::Down {
            return self.answer(100, operation, Answer::Refused);
        }
        let owner = host.owns(slot);
        let now = host.clock.now(at_us);
        let Some(process) = &mut host.process else { return };
        if !open_context(&mut request, context, &process.layout) {
            self.broken = Some("a context that the cluster sealed is refused".to_owned());
            return;
        }
        if let Op::Set { expires_ms: Some(expires_ms), .. } = &mut request.op {
            *expires_ms += now.wall_ms;
        }
        process.open.insert(operation);
        let life = host.life;
        let shard = host.shard_of(Some(slot));
        if let Some(record) = self.history.operations.get_mut(operation as usize) {
            record.server = server;
            record.life = life;
            record.owner = owner;
        }
        self.trace.line(at_us, || format!("s{} takes {operation}: {request:?}", server + 1));
        self.drive(server, shard, Input::Request(Ticket(operation), request));
    }

    /// A shard answers a request.
    pub(crate) fn reply(&mut self, server: usize, ticket: Ticket, outcome: Outcome) {
        let at_us = self.queue.now_us();
        let wall_ms = self.servers[server].clock.now(at_us).wall_ms;
        let Some(process) = &mut self.servers[server].process else { return };
        if !process.open.remove(&ticket.0) {
            self.broken = Some(format!("operation {} is answered twice", ticket.0));
            return;
        }
        let layout = process.layout.clone();
        let key = self.history.operations.get(ticket.0 as usize).map(|operation| operation.key);
        let key =
            key.and_then(|key| self.history.keys.get(key)).map(|key| key.name.clone()).unwrap_or_default();
        let seal = |token: &Token| token.seal(&layout.spec().token_key, &key).ok().map(Bytes::from);
        let answer = match outcome {
            Outcome::Read(read) => {
                Answer::Read { seen: seen_in(&read.record, wall_ms), context: seal(&read.record.token()) }
            }
            Outcome::Written(written) => {
                Answer::Written { time: written.time, context: seal(&written.token) }
            }
            Outcome::Explained(explained) => {
                let holdings = explained.holdings.into_iter();
                Answer::Explained(holdings.map(|holding| (holding.member.0, holding.record)).collect())
            }
            Outcome::Rejected(why) => Answer::Rejected(why),
            Outcome::Unknown { .. } | Outcome::Counted(_) => Answer::Unknown,
        };
        self.trace.line(at_us, || format!("s{} answers {}: {answer:?}", server + 1, ticket.0));
        let late = self.work_rng.u64(50..DOORSTEP_US);
        self.answer(late, ticket.0, answer);
    }

    /// Sends an answer to the client of an operation.
    pub(crate) fn answer(&mut self, late_us: u64, operation: u64, answer: Answer) {
        let client = self.history.operations.get(operation as usize).map_or(usize::MAX, |begun| begun.client);
        self.queue.after(late_us, Event::Answer { client, operation, answer: Box::new(answer) });
    }

    /// Counts what a shard reports.
    pub(crate) fn count(&mut self, event: outbox::Event) {
        match event {
            outbox::Event::SecondRound => self.stats.second_rounds += 1,
            outbox::Event::ReadRepair => self.stats.read_repairs += 1,
            outbox::Event::Amnesia => self.stats.amnesia += 1,
            _ => {}
        }
    }
}

/// Puts the client's context into a request. False if it is refused.
fn open_context(request: &mut Request, context: Option<Bytes>, layout: &Layout) -> bool {
    let Some(sealed) = context else { return true };
    let Ok(token) = Token::open(sealed, &layout.spec().token_key, &request.key) else { return false };
    if let Op::Set { basis, .. } | Op::Delete { basis } = &mut request.op {
        *basis = Basis::Causal(token);
    }
    true
}
