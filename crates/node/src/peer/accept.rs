//! Accepting peers, on shard 0: the handshake, then over to the shard that the connection is for.

use super::{
    handshake::{self, Refusal},
    receive::Handover,
    socket,
};
use crate::{
    limits::{ACCEPT_PAUSE_MS, HANDSHAKE_MS, HANDSHAKES},
    server::Shared,
    shard::{Letter, ShardRef},
};
use std::{cell::Cell, net::SocketAddr, rc::Rc, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    task::spawn_local,
    time::{sleep, timeout},
};

/// Accepts until the thread ends.
pub(crate) async fn accept(shard: ShardRef, listener: TcpListener) {
    let shared = Arc::clone(&shard.borrow().shared);
    let shaking = Rc::new(Cell::new(0));
    loop {
        match listener.accept().await {
            // Strangers beyond the cap are dropped; real peers dial again.
            Ok(_) if shaking.get() >= HANDSHAKES || shared.lifecycle.stopping() => {}
            Ok((stream, from)) => {
                shaking.set(shaking.get() + 1);
                let (shared, shaking) = (Arc::clone(&shared), Rc::clone(&shaking));
                spawn_local(async move {
                    shake(&shared, stream, from).await;
                    shaking.set(shaking.get() - 1);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a peer's connection could not be accepted");
                sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
            }
        }
    }
}

async fn shake(shared: &Arc<Shared>, mut stream: TcpStream, from: SocketAddr) {
    let shaken = async {
        socket::prepare(&stream)?;
        handshake::accept(&mut stream, shared).await
    };
    let proven = match timeout(Duration::from_millis(HANDSHAKE_MS), shaken).await {
        Ok(Ok(proven)) => proven,
        // Until `init` is done, members that were told earlier than this one call in vain.
        Ok(Err(_)) if shared.layout().is_none() => return,
        Ok(Err(Refusal::Outlived)) => return shared.outlived(),
        Ok(Err(why)) => return shared.refusals.log_once(from, &why.to_string()),
        Err(_) => return shared.refusals.log_once(from, "the handshake took too long"),
    };
    let hello = proven.hello;
    if shared.book.learn(proven.peer, hello.addresses, hello.shards) {
        shared.tell_all(|| Letter::PeerShards);
    }
    let stream = match stream.into_std() {
        Ok(stream) => stream,
        Err(error) => return tracing::warn!(%error, "a peer's connection cannot be handed over"),
    };
    let handover = Handover {
        peer: proven.peer,
        shard: hello.shard,
        session: hello.session,
        stream,
        input: proven.input,
    };
    if let Some(mailbox) = shared.mailboxes.get(usize::from(hello.to_shard)) {
        mailbox.post(Letter::Link(Box::new(handover)));
    }
}
