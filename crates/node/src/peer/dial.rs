//! Dialling: the server with the lower node id keeps every needed connection open.
//!
//! The other one dials too, but only when a connection has been missing for a while: it may have moved, and nobody
//! else can know where to. Should both dial at once, both ends keep the connection with the higher session.
//!
//! After a failure it waits 50 ms to 1 s with jitter and tries again, without end. A reason that repeats is logged
//! once.

use super::{handshake, links::Followed, receive::adopt_dialled, socket};
use crate::{
    limits::{DIAL_BACK_MS, HANDSHAKE_MS, LINK_LEAVES_MS, REDIAL_FIRST_MS, REDIAL_LAST_MS},
    server::Shared,
    shard::{Letter, ShardRef},
};
use bytes::BytesMut;
use clockwise_core::ids::MemberNumber;
use clockwise_wire::peer::cluster_tag;
use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    net::TcpStream,
    sync::Notify,
    task::spawn_local,
    time::{sleep, timeout},
};

/// A connection that has lived this long makes the next pause short again.
const SETTLED: Duration = Duration::from_secs(5);

/// Follows the layout and what peers said of themselves: closes what is not needed any more, dials what is.
pub(crate) fn follow(shard: &ShardRef) {
    let mut state = shard.borrow_mut();
    let shared = Arc::clone(&state.shared);
    let Some(layout) = shared.layout() else { return };
    let others = || layout.spec().members.iter().filter(|member| member.node != shared.node);
    let members: Vec<_> = others().map(|member| (member.number, shared.book.shards(member.number))).collect();
    let Followed { needed, changes, leaving } =
        state.links.follow(cluster_tag(&layout.spec().cluster), &members);
    for (peer, change) in changes {
        state.on_link(peer, change);
    }
    for (peer, remote_shard) in leaving {
        let shard = shard.clone();
        spawn_local(async move {
            sleep(Duration::from_millis(LINK_LEAVES_MS)).await;
            shard.borrow_mut().links.close_leaving(peer, remote_shard);
        });
    }
    for (peer, remote_shard) in needed {
        let dials = layout.member(peer).is_some_and(|member| shared.node < member.node);
        let Some(place) = state.links.place(peer, remote_shard) else { continue };
        if !std::mem::replace(&mut place.dialing, true) {
            let changed = Rc::clone(&place.changed);
            spawn_local(keep_connected(shard.clone(), (peer, remote_shard), dials, changed));
        }
    }
}

/// Keeps one connection open until it is not needed any more.
async fn keep_connected(
    shard: ShardRef,
    (peer, remote_shard): (MemberNumber, u16),
    dials: bool,
    changed: Rc<Notify>,
) {
    let shared = Arc::clone(&shard.borrow().shared);
    let local_shard = shard.borrow().id;
    let (mut attempt, mut pause_ms, mut logged) = (0, REDIAL_FIRST_MS, String::new());
    // Whose turn it is not waits first, after every loss.
    let mut patient = !dials;
    loop {
        let is_needed = shard
            .borrow_mut()
            .links
            .place(peer, remote_shard)
            .is_some_and(|p| Rc::ptr_eq(&p.changed, &changed));
        if !is_needed || shared.lifecycle.stopping() {
            return;
        }
        if shard.borrow().links.is_connected(peer, remote_shard) {
            let since = Instant::now();
            changed.notified().await;
            if since.elapsed() > SETTLED {
                pause_ms = REDIAL_FIRST_MS;
            }
            patient = !dials;
            continue;
        }
        if std::mem::take(&mut patient) {
            sleep(jittered(DIAL_BACK_MS)).await;
            continue;
        }
        attempt += 1;
        match connect(&shared, peer, local_shard, remote_shard, attempt).await {
            Ok((session, stream, input)) => {
                logged.clear();
                // The peer may ask something at once; the answer needs to know how many shards it has.
                follow(&shard);
                adopt_dialled(&shard, (peer, remote_shard), session, stream, input);
            }
            Err(why) => {
                if why != logged {
                    tracing::info!(%peer, local_shard, remote_shard, %why, "no link yet; dialling goes on");
                    logged = why;
                }
            }
        }
        if !shard.borrow().links.is_connected(peer, remote_shard) {
            let pause = jittered(pause_ms);
            pause_ms = (pause_ms * 2).min(REDIAL_LAST_MS);
            tokio::select! {
                () = sleep(pause) => {}
                () = changed.notified() => {}
            }
        }
    }
}

/// Half to the whole of it, so that servers that lost each other do not meet in step.
fn jittered(pause_ms: u64) -> Duration {
    let mut random = [0; 2];
    // Without randomness it is only less spread.
    let _ = getrandom::fill(&mut random);
    Duration::from_millis(pause_ms / 2 + u64::from(u16::from_le_bytes(random)) % (pause_ms / 2 + 1))
}

async fn connect(
    shared: &Arc<Shared>,
    peer: MemberNumber,
    local_shard: u16,
    remote_shard: u16,
    attempt: usize,
) -> Result<(u64, TcpStream, BytesMut), String> {
    let layout = shared.layout().ok_or("there is no layout")?;
    let address = shared.book.dial_address(peer, attempt).ok_or("it is not a member")?;
    let session = shared.next_session();
    let shake = async {
        let mut stream = TcpStream::connect(&address).await.map_err(handshake::Refusal::Io)?;
        socket::prepare(&stream).map_err(handshake::Refusal::Io)?;
        let ends = (peer, local_shard, remote_shard, session);
        let proven = handshake::dial(&mut stream, shared, &layout, ends).await?;
        Ok::<_, handshake::Refusal>((stream, proven))
    };
    let (stream, proven) = timeout(Duration::from_millis(HANDSHAKE_MS), shake)
        .await
        .map_err(|_| format!("{address} did not answer in {HANDSHAKE_MS} ms"))?
        .map_err(|why| {
            if matches!(why, handshake::Refusal::Outlived) {
                shared.outlived();
            }
            format!("{address}: {why}")
        })?;
    if shared.book.learn(peer, proven.hello.addresses, proven.hello.shards) {
        shared.tell_all(|| Letter::PeerShards);
    }
    Ok((session, stream, proven.input))
}
