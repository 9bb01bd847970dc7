//! Accepting clients, on shard 0, and spreading them evenly over the shards.

use super::{Door, serve::welcome};
use crate::{
    limits::ACCEPT_PAUSE_MS,
    shard::{Letter, ShardRef},
};
use std::{
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};

/// Accepts until the thread ends.
pub(crate) async fn accept(shard: ShardRef, listener: TcpListener, door: Door) {
    let shared = Arc::clone(&shard.borrow().shared);
    let mut turn = usize::from(door == Door::Plain);
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a client's connection could not be accepted");
                sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
                continue;
            }
        };
        if shared.lifecycle.stopping() {
            return;
        }
        if shared.clients.load(Relaxed) >= shared.settings.max_connections {
            shared.metrics.refused_clients.fetch_add(1, Relaxed);
            // As Redis says it; if the client has gone already, nobody misses it.
            let _ = stream.try_write(b"-ERR max number of clients reached\r\n");
            continue;
        }
        let stream = match prepare(stream) {
            Ok(stream) => stream,
            Err(_) => continue,
        };
        shared.clients.fetch_add(1, Relaxed);
        turn = (turn + 1) % shared.mailboxes.len();
        if turn == 0 {
            welcome(&shard, stream, door);
        } else {
            shared.mailboxes[turn].post(Letter::Client(stream, door));
        }
    }
}

fn prepare(stream: TcpStream) -> io::Result<std::net::TcpStream> {
    stream.set_nodelay(true)?;
    stream.into_std()
}
