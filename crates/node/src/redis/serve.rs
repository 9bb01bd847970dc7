//! A connection's task: read, cut into commands, hand each to its shard.
//!
//! It reads whole batches and stops reading while a command is held, so that a client that sends faster than it
//! reads or than it is served is slowed down by its own socket. It writes nothing.

use super::{
    Connection, Door, Session,
    counted::UNPARSABLE,
    execute::{Start, Step},
};
use crate::{
    limits::{CLIENT_READ_BYTES, CLIENT_READ_MOST_BYTES, DRAIN_MS, SLOW_WRITES_MS},
    server::Shared,
    shard::{Key, ShardRef},
};
use bytes::BytesMut;
use clockwise_wire::{
    command::Command,
    error::WireError,
    resp::{Protocol, RequestParser},
};
use std::{future::poll_fn, io, sync::atomic::Ordering::Relaxed, task::Poll, time::Duration};
use tokio::{
    io::AsyncReadExt,
    net::{TcpStream, tcp::OwnedReadHalf},
    task::spawn_local,
    time::{sleep, timeout},
};

/// What the task does next.
enum Next {
    /// Nothing whole is left to execute.
    Read,
    /// Nothing more starts for now; a command may be held.
    Wait(Option<Command>),
    /// The connection ends.
    Close,
}

/// The session of a new connection.
pub(super) fn new_session(shared: &Shared) -> Session {
    let settings = &shared.settings;
    Session {
        protocol: Protocol::Resp2,
        authenticated: settings.password.is_none(),
        name: Vec::new(),
        library: Vec::new(),
        library_version: Vec::new(),
        read: settings.read_level,
        write: settings.write_level,
        timeout_ms: settings.timeout_ms,
    }
}

/// Makes an accepted connection one of this shard's.
pub(crate) fn welcome(shard: &ShardRef, stream: std::net::TcpStream, door: Door) {
    let prepared = TcpStream::from_std(stream).and_then(|stream| Ok((stream.peer_addr()?, stream)));
    let Ok((remote, stream)) = prepared else {
        // It has gone already.
        shard.borrow().shared.clients.fetch_sub(1, Relaxed);
        return;
    };
    let (reader, writer) = stream.into_split();
    let key = {
        let mut state = shard.borrow_mut();
        let id = state.shared.next_client();
        let session = new_session(&state.shared);
        let key = state.connections.insert(Connection::new(id, door, remote, writer, session));
        state.metrics.clients.set(state.connections.len() as u64);
        key
    };
    spawn_local(serve(shard.clone(), key, reader));
}

async fn serve(shard: ShardRef, connection: Key, mut reader: OwnedReadHalf) {
    let authenticated = shard.borrow().shared.settings.password.is_none();
    let mut parser = RequestParser::new(authenticated);
    let mut input = BytesMut::new();
    let mut room = CLIENT_READ_BYTES;
    let mut held = None;
    loop {
        match work(&shard, connection, &mut parser, &mut input, held.take()) {
            Next::Close => break,
            Next::Wait(command) => {
                held = command;
                resumed(&shard, connection).await;
                shard.borrow_mut().begin();
            }
            Next::Read => {
                if let Some(pause) = pause(&shard, connection) {
                    sleep(pause).await;
                }
                match read(&mut reader, &mut input, &mut room).await {
                    Ok(bytes @ 1..) => {
                        let mut state = shard.borrow_mut();
                        state.begin();
                        state.metrics.client_bytes_in.add(bytes as u64);
                    }
                    Ok(0) | Err(_) => break,
                }
            }
        }
    }
    // What is owed still leaves, if the client takes it.
    let _ = timeout(Duration::from_millis(DRAIN_MS), drained(&shard, connection)).await;
    let mut state = shard.borrow_mut();
    if let Some(mut client) = state.connections.remove(connection) {
        client.output.shut_down();
    }
    state.shared.clients.fetch_sub(1, Relaxed);
    state.metrics.clients.set(state.connections.len() as u64);
}

/// How long a connection that wrote is to wait before it is read again.
fn pause(shard: &ShardRef, connection: Key) -> Option<Duration> {
    let mut state = shard.borrow_mut();
    let wrote = state.connections.get_mut(connection).is_some_and(|client| std::mem::take(&mut client.wrote));
    if wrote { state.pause(SLOW_WRITES_MS) } else { None }
}

/// Executes everything that is whole, until something must wait.
fn work(
    shard: &ShardRef,
    connection: Key,
    parser: &mut RequestParser,
    input: &mut BytesMut,
    held: Option<Command>,
) -> Next {
    let mut state = shard.borrow_mut();
    let mut next = held;
    // What cannot be parsed is answered as well, but not without bound while the client reads nothing.
    if next.is_none() && !state.has_room(connection) {
        return Next::Wait(None);
    }
    loop {
        let command = match next.take() {
            Some(command) => command,
            None => match parser.next(input) {
                Ok(None) => return Next::Read,
                Ok(Some(args)) => match Command::parse(&args) {
                    Ok(command) => command,
                    Err(error) => {
                        state.say_as(Start { connection, kind: UNPARSABLE }, |writer| {
                            writer.error(error.text())
                        });
                        if let WireError::Close(_) = error {
                            return Next::Close;
                        }
                        if !state.has_room(connection) {
                            return Next::Wait(None);
                        }
                        continue;
                    }
                },
                Err(error) => {
                    state.say_as(Start { connection, kind: UNPARSABLE }, |writer| writer.error(error.text()));
                    return Next::Close;
                }
            },
        };
        let may_authenticate = command.needs_no_authentication();
        match state.execute(connection, command) {
            Step::Taken => {}
            Step::Held(command) => return Next::Wait(Some(command)),
            Step::Close => return Next::Close,
        }
        if may_authenticate && let Some(client) = state.connections.get(connection) {
            parser.set_authenticated(client.session.authenticated);
        }
    }
}

/// Reads what has arrived. A buffer that was filled is larger the next time.
async fn read(reader: &mut OwnedReadHalf, input: &mut BytesMut, room: &mut usize) -> io::Result<usize> {
    input.reserve(*room);
    loop {
        let spare = input.capacity() - input.len();
        match reader.read_buf(input).await {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(bytes) => {
                if bytes == spare {
                    *room = (*room * 2).min(CLIENT_READ_MOST_BYTES);
                }
                return Ok(bytes);
            }
            other => return other,
        }
    }
}

/// Waits until the shard says that the connection may go on.
async fn resumed(shard: &ShardRef, connection: Key) {
    let mut asked = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut asked, true) {
            // Whoever took the waker called it.
            let state = shard.borrow();
            let waits = state.connections.get(connection).is_some_and(|client| client.resume.is_some());
            return if waits { Poll::Pending } else { Poll::Ready(()) };
        }
        match shard.borrow_mut().connections.get_mut(connection) {
            Some(client) if !client.broken => client.resume = Some(cx.waker().clone()),
            _ => return Poll::Ready(()),
        }
        Poll::Pending
    })
    .await;
}

/// Waits until nothing is owed any more.
async fn drained(shard: &ShardRef, connection: Key) {
    loop {
        let idle =
            shard.borrow().connections.get(connection).is_none_or(|client| client.broken || client.is_idle());
        if idle {
            return;
        }
        resumed(shard, connection).await;
    }
}
