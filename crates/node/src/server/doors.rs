//! The sockets on which a server listens: all are bound before anything else starts, so that a port that is taken
//! is a clear error and not half a server.

use super::StartError;
use crate::{
    peer,
    redis::{self, Door},
    settings::Listen,
    shard::ShardRef,
};
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    io,
    net::{SocketAddr, TcpListener},
};
use tokio::task::spawn_local;

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: i32 = 1_024;

/// See the module.
#[derive(Debug)]
pub(crate) struct Doors {
    peer: TcpListener,
    cluster: TcpListener,
    plain: TcpListener,
}

impl Doors {
    /// Binds the sockets of the data path.
    pub(crate) fn bind(listen: &Listen) -> Result<Doors, StartError> {
        let at = |name, address| bind(address).map_err(|error| StartError::Bind { name, address, error });
        Ok(Doors {
            peer: at("peer", listen.peer)?,
            cluster: at("cluster", listen.cluster)?,
            plain: at("plain", listen.plain)?,
        })
    }

    /// Begins to accept, on the calling shard's thread.
    pub(crate) fn open(self, shard: &ShardRef) {
        let asynchronous = |listener: TcpListener| match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => Some(listener),
            Err(error) => {
                shard.borrow().shared.lifecycle.fail(format!("a socket cannot be used: {error}"));
                None
            }
        };
        if let Some(listener) = asynchronous(self.peer) {
            spawn_local(peer::accept(shard.clone(), listener));
        }
        for (listener, door) in [(self.cluster, Door::Cluster), (self.plain, Door::Plain)] {
            if let Some(listener) = asynchronous(listener) {
                spawn_local(redis::accept(shard.clone(), listener, door));
            }
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restarted server must not wait for connections of its former life to fade.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
