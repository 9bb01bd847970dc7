//! An authenticated connection: taken over by its shard, and read until it ends.

use super::links::Change;
use crate::{
    limits::{PEER_READ_BYTES, PEER_SPARE_BYTES, SLOW_PEER_MS},
    shard::{Crossed, ShardRef, ShardState, output::Output, room_behind},
};
use bytes::BytesMut;
use clockwise_core::ids::MemberNumber;
use clockwise_wire::peer::FrameParser;
use std::{io, sync::Arc};
use tokio::{
    io::AsyncReadExt,
    net::{TcpStream, tcp::OwnedReadHalf},
    task::spawn_local,
    time::sleep,
};

/// A connection that proved who it is, on its way to the shard that it is for.
#[derive(Debug)]
pub(crate) struct Handover {
    pub(crate) peer: MemberNumber,
    /// Which shard of the peer is at the other end.
    pub(crate) shard: u16,
    pub(crate) session: u64,
    pub(crate) stream: std::net::TcpStream,
    /// Bytes behind the handshake that were read already.
    pub(crate) input: BytesMut,
}

/// Names one connection.
#[derive(Clone, Copy, Debug)]
struct Name {
    peer: MemberNumber,
    shard: u16,
    session: u64,
}

/// Makes a connection this shard's link.
pub(crate) fn take_over(shard: &ShardRef, handover: Handover) {
    match TcpStream::from_std(handover.stream) {
        Ok(stream) => {
            let name = Name { peer: handover.peer, shard: handover.shard, session: handover.session };
            adopt(shard, name, stream, handover.input);
        }
        Err(error) => tracing::warn!(%error, peer = %handover.peer, "a peer's connection cannot be used"),
    }
}

/// As [`take_over`], for a connection that this shard dialled itself.
pub(super) fn adopt_dialled(
    shard: &ShardRef,
    (peer, remote_shard): (MemberNumber, u16),
    session: u64,
    stream: TcpStream,
    input: BytesMut,
) {
    adopt(shard, Name { peer, shard: remote_shard, session }, stream, input);
}

fn adopt(shard: &ShardRef, name: Name, stream: TcpStream, input: BytesMut) {
    let (reader, writer) = stream.into_split();
    let mut state = shard.borrow_mut();
    state.begin();
    match state.links.connect(name.peer, name.shard, name.session, Output::new(writer)) {
        Ok(change) => {
            report(&mut state, name.peer, change);
            tracing::info!(peer = %name.peer, local_shard = state.id, remote_shard = name.shard, "link up");
            drop(state);
            spawn_local(receive(shard.clone(), name, reader, input));
        }
        Err(why) => tracing::debug!(peer = %name.peer, why, "a peer's connection is not needed"),
    }
}

async fn receive(shard: ShardRef, name: Name, mut reader: OwnedReadHalf, mut input: BytesMut) {
    let why = read_on(&shard, name, &mut reader, &mut input).await;
    let mut state = shard.borrow_mut();
    state.begin();
    if state.links.is_current(name.peer, name.shard, name.session) {
        tracing::info!(peer = %name.peer, local_shard = state.id, remote_shard = name.shard, %why, "link down");
    }
    let change = state.links.disconnect(name.peer, name.shard, name.session);
    report(&mut state, name.peer, change);
}

/// Tells whoever has to know that a connection came or went.
fn report(state: &mut ShardState, peer: MemberNumber, change: Change) {
    for to in change.states {
        state.on_link(peer, to);
    }
    if change.concerns_all {
        state.tell_of_loss(peer);
    }
}

/// Reads whole batches until the connection ends; answers why.
async fn read_on(shard: &ShardRef, name: Name, reader: &mut OwnedReadHalf, input: &mut BytesMut) -> String {
    let shared = Arc::clone(&shard.borrow().shared);
    let mut frames = FrameParser::new(shard.borrow().links.cluster_tag());
    let mut read = input.len();
    loop {
        let mut crossed = Crossed::default();
        {
            let mut state = shard.borrow_mut();
            if !state.links.is_current(name.peer, name.shard, name.session) {
                return "replaced by a newer connection, or not needed any more".to_owned();
            }
            state.begin();
            let mut messages = 0;
            loop {
                let before = input.len();
                match frames.next(input) {
                    Ok(Some(message)) => {
                        state.on_message(name.peer, message, before - input.len(), &mut crossed);
                    }
                    Ok(None) => break,
                    Err(error) => return error.to_string(),
                }
                messages += 1;
            }
            state.metrics.peer_bytes_in.add(read as u64);
            state.metrics.messages_in.add(messages);
        }
        room_behind(&shared.gates, crossed).await;
        let pause = shard.borrow().pause(SLOW_PEER_MS);
        if let Some(pause) = pause {
            sleep(pause).await;
        }
        if input.capacity() - input.len() < PEER_SPARE_BYTES {
            input.reserve(PEER_READ_BYTES);
        }
        read = match reader.read_buf(input).await {
            Ok(0) => return "closed by the peer".to_owned(),
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return error.to_string(),
        };
    }
}
