//! One command of one connection: answered at once, started, or held until it may start.
//!
//! Commands start in order. A write does not wait for the one before it; a read waits for unfinished writes of
//! its key; a command without a single key waits for everything before it, and holds back what follows while it
//! runs. Nothing starts beyond the connection's budgets.

use super::{
    Door, Gather, KeysLeft, Pending, Ready, Requests, Wanted, Work, counted::counted_as, render::Shape,
};
use crate::shard::{Key, ShardState, Waiting};
use bytes::Bytes;
use clockwise_core::{
    request::{Basis, Level, Op, Rejected, Request},
    version::Token,
};
use clockwise_wire::{
    command::{Command, Expiry, Wish},
    resp::ReplyWriter,
};

/// What became of a command.
#[derive(Debug)]
pub(crate) enum Step {
    /// It is answered or on its way.
    Taken,
    /// It may not start yet; hand it in again when the connection is woken.
    Held(Command),
    /// The connection is to be closed after its last reply.
    Close,
}

/// What a command must wait for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum After {
    /// Nothing: it touches no key.
    Nothing,
    /// Budgets only.
    Room,
    /// Unfinished writes of this key.
    WritesOf(u32),
    /// All commands before it.
    All,
}

/// A short hash of a key. A collision costs a wait and nothing else.
fn short_hash(key: &[u8]) -> u32 {
    let mix = |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    let (words, rest) = key.as_chunks::<8>();
    let hash = words.iter().fold(key.len() as u64, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    (rest.iter().fold(hash, |hash, &byte| mix(hash, u64::from(byte))) >> 32) as u32
}

fn after(command: &Command) -> After {
    match command {
        Command::Get { key }
        | Command::TimeToLive { key, .. }
        | Command::CausalGet { key, .. }
        | Command::Explain { key } => After::WritesOf(short_hash(key)),
        Command::Exists { keys } => match keys.as_slice() {
            [key] => After::WritesOf(short_hash(key)),
            _ => After::All,
        },
        Command::Delete { keys } if keys.len() == 1 => After::Room,
        Command::Set { .. } | Command::CausalSet { .. } | Command::CausalDelete { .. } => After::Room,
        Command::Delete { .. }
        | Command::MultiGet { .. }
        | Command::MultiSet { .. }
        | Command::CountKeys
        | Command::Wait { .. }
        // These change how replies look; what came before is answered as before.
        | Command::Hello(_)
        | Command::Reset
        | Command::Cluster(clockwise_wire::command::ClusterCommand::CountKeysInSlot(_)) => After::All,
        _ => After::Nothing,
    }
}

/// Whether a command changes keys.
fn changes(command: &Command) -> bool {
    use Command::{CausalDelete, CausalSet, Delete, MultiSet, Set};
    matches!(command, Set { .. } | MultiSet { .. } | Delete { .. } | CausalSet { .. } | CausalDelete { .. })
}

impl ShardState {
    /// Takes one command of a connection.
    pub(crate) fn execute(&mut self, connection: Key, command: Command) -> Step {
        let Some(client) = self.connections.get_mut(connection) else { return Step::Close };
        if client.broken {
            return Step::Close;
        }
        let after = after(&command);
        if !client.has_room(after == After::Room) {
            // What is answered at once waits as well: not without bound while the client reads nothing.
            return Step::Held(command);
        }
        if !client.session.authenticated && !command.needs_no_authentication() {
            self.say(connection, &command, |writer| writer.error("NOAUTH Authentication required."));
            return Step::Taken;
        }
        let held = match after {
            After::Nothing => false,
            _ if client.barrier.is_some() => true,
            After::Room => false,
            After::WritesOf(hash) => client.replies.writes(hash),
            After::All => !client.replies.is_empty(),
        };
        if held {
            return Step::Held(command);
        }
        self.start(connection, command)
    }

    fn start(&mut self, connection: Key, command: Command) -> Step {
        let kind = counted_as(&command);
        let start = Start { connection, kind };
        if let Some(client) = self.connections.get_mut(connection) {
            client.wrote |= changes(&command);
        }
        match command {
            Command::Get { key } => self.read(start, key, None, Shape::Value),
            Command::TimeToLive { key, in_ms } => self.read(start, key, None, Shape::TimeToLive { in_ms }),
            Command::Set { key, value, expiry } => {
                let op = self.set(Basis::Plain, value, expiry);
                self.write(start, key, op, None, Shape::Done);
            }
            Command::Delete { keys } if keys.len() == 1 => {
                let key = keys.into_iter().next().unwrap_or_default();
                self.write(start, key, Op::Delete { basis: Basis::Plain }, None, Shape::Number);
            }
            Command::Exists { keys } if keys.len() == 1 => {
                self.read(start, keys.into_iter().next().unwrap_or_default(), None, Shape::Number);
            }
            Command::CausalGet { key, wish } => {
                self.read(start, key.clone(), Some(wish), Shape::Versions(key));
            }
            Command::CausalSet { key, value, context, wish, expiry } => match self.basis(&key, context) {
                Ok(basis) => {
                    let op = self.set(basis, value, expiry);
                    self.write(start, key.clone(), op, Some(wish), Shape::Context(key));
                }
                Err(why) => self.refuse(start, why),
            },
            Command::CausalDelete { key, context, wish } => match self.basis(&key, context) {
                Ok(basis) => {
                    self.write(start, key.clone(), Op::Delete { basis }, Some(wish), Shape::Context(key))
                }
                Err(why) => self.refuse(start, why),
            },
            Command::Explain { key } => {
                let request = self.request(start, key.clone(), Op::Explain, None);
                self.start_one(start, request, Shape::Explanation(key));
            }
            Command::Delete { keys } => {
                self.start_many(start, Wanted::Present, KeysLeft::Delete(keys.into_iter()), true);
            }
            Command::Exists { keys } => {
                self.start_many(start, Wanted::Present, KeysLeft::Get(keys.into_iter()), false);
            }
            Command::MultiGet { keys } => {
                self.start_many(start, Wanted::Values, KeysLeft::Get(keys.into_iter()), false);
            }
            Command::MultiSet { pairs } => {
                self.start_many(start, Wanted::Done, KeysLeft::Set(pairs.into_iter()), true);
            }
            Command::CountKeys => self.count_keys(start),
            Command::Wait { .. } => self.wait(start),
            command => return self.answer_at_once(start, command),
        }
        Step::Taken
    }

    fn read(&mut self, start: Start, key: Bytes, wish: Option<Wish>, shape: Shape) {
        let request = self.request(start, key, Op::Get, wish);
        self.start_one(start, request, shape);
    }

    fn write(&mut self, start: Start, key: Bytes, op: Op, wish: Option<Wish>, shape: Shape) {
        let request = self.request(start, key, op, wish);
        self.start_one(start, request, shape);
    }

    fn set(&self, basis: Basis, value: Bytes, expiry: Option<Expiry>) -> Op {
        let expires_ms = expiry.map(|expiry| expiry.at_ms(self.reading.now.wall_ms));
        Op::Set { basis, value, expires_ms }
    }

    /// The basis that a client's context stands for.
    fn basis(&self, key: &[u8], context: Option<Bytes>) -> Result<Basis, Rejected> {
        let Some(context) = context else { return Ok(Basis::Causal(Token::EMPTY)) };
        let shard = self.core.as_ref().ok_or(Rejected::NotReady)?;
        let token_key = &shard.layout().spec().token_key;
        Token::open(context, token_key, key).map(Basis::Causal).map_err(|_| Rejected::BadContext)
    }

    /// A request at the level of the command or else of the connection.
    fn request(&self, start: Start, key: Bytes, op: Op, wish: Option<Wish>) -> Request {
        let wish = wish.unwrap_or_default();
        let (default, timeout_ms) = match self.connections.get(start.connection) {
            Some(client) if op.is_write() => (client.session.write, client.session.timeout_ms),
            Some(client) => (client.session.read, client.session.timeout_ms),
            None => (Level::DEFAULT, clockwise_core::limits::DEFAULT_TIMEOUT_MS),
        };
        Request { key, op, level: wish.level(default), timeout_ms: wish.timeout_ms.unwrap_or(timeout_ms) }
    }

    fn start_one(&mut self, start: Start, request: Request, shape: Shape) {
        let writes = request.op.is_write().then(|| short_hash(&request.key));
        let pending =
            Pending { command: start.kind, started_us: self.reading.mono_us, work: Work::One(shape) };
        let Some(client) = self.connections.get_mut(start.connection) else { return };
        let seq = client.replies.start(pending, writes);
        let expected = self.submit(Waiting::Client { connection: start.connection, seq, part: 0 }, request);
        if let Some(client) = self.connections.get_mut(start.connection) {
            let bytes = client.estimate(expected, self.large_reply);
            client.replies.charge(seq, bytes);
        }
    }

    fn start_many(&mut self, start: Start, wanted: Wanted, keys: KeysLeft, is_write: bool) {
        let Some(client) = self.connections.get(start.connection) else { return };
        let level = if is_write { client.session.write } else { client.session.read };
        let requests = Requests { keys, level, timeout_ms: client.session.timeout_ms };
        let gather = Box::new(Gather::new(wanted, requests));
        let pending =
            Pending { command: start.kind, started_us: self.reading.mono_us, work: Work::Many(gather) };
        let Some(client) = self.connections.get_mut(start.connection) else { return };
        let seq = client.replies.start(pending, None);
        client.barrier = Some(seq);
        self.start_parts(start.connection, seq);
    }

    /// Starts as many requests of a command over several keys as its window takes.
    pub(crate) fn start_parts(&mut self, connection: Key, seq: super::Seq) {
        loop {
            let Some(client) = self.connections.get_mut(connection) else { return };
            let Some(Pending { work: Work::Many(gather), .. }) = client.replies.get_mut(seq) else { return };
            let Some((part, request)) = gather.start_next() else { return };
            let expected = self.submit(Waiting::Client { connection, seq, part }, request);
            let Some(client) = self.connections.get_mut(connection) else { return };
            let bytes = client.estimate(expected, self.large_reply);
            if let Some(Pending { work: Work::Many(gather), .. }) = client.replies.get_mut(seq) {
                gather.charge(bytes);
            }
        }
    }

    fn refuse(&mut self, start: Start, why: Rejected) {
        let text = super::Failure::Rejected(why).text();
        self.say_as(start, |writer| writer.error(&text));
    }

    /// Writes a reply that is known now; it leaves when its turn comes.
    pub(crate) fn say(
        &mut self,
        connection: Key,
        command: &Command,
        write: impl FnOnce(&mut ReplyWriter<'_>),
    ) {
        self.say_as(Start { connection, kind: counted_as(command) }, write);
    }

    /// As [`ShardState::say`].
    pub(crate) fn say_as(&mut self, start: Start, write: impl FnOnce(&mut ReplyWriter<'_>)) {
        self.metrics.commands[start.kind].done.one();
        let Some(client) = self.connections.get_mut(start.connection) else { return };
        let protocol = client.session.protocol;
        if client.replies.is_empty() {
            write(&mut ReplyWriter::new(client.output.buffer(), protocol));
        } else {
            let mut bytes = Vec::new();
            write(&mut ReplyWriter::new(&mut bytes, protocol));
            let held = bytes.len();
            client.replies.push(Ready::Bytes(bytes), held);
        }
        self.touch_client(start.connection);
    }

    /// Whether a connection may owe another small reply; one that is gone or broken may, and then ends.
    pub(super) fn has_room(&self, connection: Key) -> bool {
        self.connections.get(connection).is_none_or(|client| client.broken || client.has_room(true))
    }

    /// Which port the connection came through.
    pub(crate) fn door(&self, connection: Key) -> Door {
        self.connections.get(connection).map_or(Door::Plain, |client| client.door)
    }
}

/// A command that starts: whose, and which one for metrics.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    pub(crate) connection: Key,
    pub(crate) kind: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_wait_for_their_key_and_commands_without_one_for_all() {
        let keys = |keys: &[&'static str]| keys.iter().map(|key| Bytes::from(*key)).collect();
        let get = after(&Command::Get { key: Bytes::from("k") });
        assert_eq!(get, After::WritesOf(short_hash(b"k")));
        assert_eq!(after(&Command::Exists { keys: keys(&["k"]) }), get);
        assert_eq!(after(&Command::Delete { keys: keys(&["k"]) }), After::Room);
        assert_eq!(after(&Command::Delete { keys: keys(&["k", "l"]) }), After::All);
        assert_eq!(after(&Command::MultiGet { keys: keys(&["k"]) }), After::All);
        assert_eq!(after(&Command::Ping { message: None }), After::Nothing);
        assert_ne!(short_hash(b"key:000000000001"), short_hash(b"key:000000000002"));
    }
}
