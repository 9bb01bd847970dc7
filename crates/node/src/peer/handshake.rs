//! The handshake as both sides run it over a fresh connection: who are you, and do you know the cluster's secret?
//!
//! What is checked: protocol version and shape (by `wire`), cluster, that the other is a member and not this
//! server itself, that both ends have something to say to each other, and the proof. A side that refuses says why,
//! in words; nothing signed is ever shown to a stranger.

use super::pairs::Pairing;
use crate::server::Shared;
use bytes::BytesMut;
use clockwise_core::{ids::MemberNumber, layout::Layout, witness::Met};
use clockwise_wire::peer::{
    Handshake, HandshakeParser, Hello, MAC_BYTES, NONCE_BYTES, Purpose, Side, encode_handshake, signed_bytes,
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::{fmt, io};
use subtle::ConstantTimeEq;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Why there is no link.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The connection broke, or nobody answered.
    Io(io::Error),
    /// This side refuses.
    Ours(String),
    /// The other side refuses.
    Theirs(String),
    /// The other side has met a later process of this server.
    Outlived,
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Refusal {
        Refusal::Io(error)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Io(error) => write!(f, "{error}"),
            Refusal::Ours(why) => f.write_str(why),
            Refusal::Theirs(why) => write!(f, "the other side says: {why}"),
            Refusal::Outlived => f.write_str("the other side has met a later process of this server"),
        }
    }
}

/// Who is at the other end, proven.
#[derive(Debug)]
pub(super) struct Proven {
    pub(super) peer: MemberNumber,
    pub(super) hello: Hello,
    /// Bytes behind the handshake.
    pub(super) input: BytesMut,
}

/// Runs the dialer's side.
pub(super) async fn dial(
    stream: &mut TcpStream,
    shared: &Shared,
    layout: &Layout,
    (peer, shard, to_shard, session): (MemberNumber, u16, u16, u64),
) -> Result<Proven, Refusal> {
    let mut input = BytesMut::new();
    let ours = own_hello(shared, layout, shard, to_shard, session)?;
    send(stream, &Handshake::Hello(ours.clone())).await?;
    let theirs = match next(stream, &mut input).await? {
        Handshake::Hello(hello) => hello,
        other => return Err(unexpected(&other)),
    };
    let member = check(shared, layout, &theirs)?;
    if member != peer {
        return refuse(stream, format!("expected {peer} at this address, found {member}")).await;
    }
    if (theirs.shard, theirs.to_shard) != (to_shard, shard) {
        return refuse(stream, "the answer is for other shards".to_owned()).await;
    }
    if shared.judge(peer, theirs.process) == Met::Outlived {
        return outlived(stream, shared, &ours, &theirs, peer).await;
    }
    send(stream, &Handshake::Proof(mac(shared, Side::Dialer, &ours, &theirs))).await?;
    match next(stream, &mut input).await? {
        Handshake::Welcome(proof) if matches(&proof, &mac(shared, Side::Acceptor, &ours, &theirs)) => {
            shared.met(peer, theirs.process);
            Ok(Proven { peer, hello: theirs, input })
        }
        Handshake::Outlived(proof) if matches(&proof, &mac(shared, Side::Witness, &ours, &theirs)) => {
            Err(Refusal::Outlived)
        }
        Handshake::Welcome(_) => Err(Refusal::Ours("it does not know the cluster secret".to_owned())),
        other => Err(unexpected(&other)),
    }
}

/// Runs the acceptor's side.
pub(super) async fn accept(stream: &mut TcpStream, shared: &Shared) -> Result<Proven, Refusal> {
    let mut input = BytesMut::new();
    let theirs = match next(stream, &mut input).await? {
        Handshake::Hello(hello) => hello,
        other => return Err(unexpected(&other)),
    };
    let Some(layout) = shared.layout() else {
        return refuse(stream, "this server is not part of a cluster yet".to_owned()).await;
    };
    let peer = match check(shared, &layout, &theirs)
        .and_then(|peer| check_shards(shared, &layout, &theirs).map(|()| peer))
    {
        Ok(peer) => peer,
        Err(why) => return refuse(stream, why.to_string()).await,
    };
    let ours = own_hello(shared, &layout, theirs.to_shard, theirs.shard, theirs.session)?;
    send(stream, &Handshake::Hello(ours.clone())).await?;
    match next(stream, &mut input).await? {
        Handshake::Proof(proof) if matches(&proof, &mac(shared, Side::Dialer, &theirs, &ours)) => {}
        Handshake::Proof(_) => return refuse(stream, "the cluster secrets differ".to_owned()).await,
        Handshake::Outlived(proof) if matches(&proof, &mac(shared, Side::Witness, &theirs, &ours)) => {
            return Err(Refusal::Outlived);
        }
        other => return Err(unexpected(&other)),
    }
    if shared.met(peer, theirs.process) == Met::Outlived {
        return outlived(stream, shared, &theirs, &ours, peer).await;
    }
    send(stream, &Handshake::Welcome(mac(shared, Side::Acceptor, &theirs, &ours))).await?;
    Ok(Proven { peer, hello: theirs, input })
}

fn own_hello(shared: &Shared, layout: &Layout, shard: u16, to_shard: u16, session: u64) -> io::Result<Hello> {
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(Hello {
        cluster: layout.spec().cluster,
        node: shared.node,
        member: layout.by_node(shared.node).map(|member| member.number),
        shards: shared.shards,
        shard,
        to_shard,
        purpose: Purpose::Foreground,
        process: shared.process(),
        session,
        nonce,
        addresses: shared.settings.advertise.clone(),
    })
}

/// Whether the other belongs to this cluster; its number, if so.
fn check(shared: &Shared, layout: &Layout, theirs: &Hello) -> Result<MemberNumber, Refusal> {
    let refuse = |why: String| Err(Refusal::Ours(why));
    if theirs.node == shared.node {
        return refuse(
            "this is the same node: a copied data folder, or an address that points back".to_owned(),
        );
    }
    if theirs.cluster != layout.spec().cluster {
        return refuse("the clusters differ".to_owned());
    }
    let Some(member) = layout.by_node(theirs.node) else {
        return refuse(format!("node {} is not a member of layout {}", theirs.node, layout.epoch().0));
    };
    if theirs.member.is_some_and(|number| number != member.number) {
        return refuse(format!("node {} has another number in the other's layout", theirs.node));
    }
    if theirs.purpose != Purpose::Foreground {
        return refuse("bulk links are not served yet".to_owned());
    }
    Ok(member.number)
}

/// Whether the two shards are to have a link.
fn check_shards(shared: &Shared, layout: &Layout, theirs: &Hello) -> Result<(), Refusal> {
    let peers = layout.spec().members.iter().filter(|member| member.node != shared.node).count();
    let pairing = Pairing::between(shared.shards, theirs.shards, peers);
    if theirs.to_shard < shared.shards && pairing.needed(theirs.to_shard).contains(&theirs.shard) {
        return Ok(());
    }
    Err(Refusal::Ours(format!(
        "shard {} of {} and shard {} of {} need no link",
        theirs.shard, theirs.shards, theirs.to_shard, shared.shards
    )))
}

fn mac(shared: &Shared, side: Side, dialer: &Hello, acceptor: &Hello) -> [u8; MAC_BYTES] {
    let mut mac = Hmac::<Sha256>::new_from_slice(&shared.settings.cluster_secret)
        .expect("HMAC takes keys of any length");
    mac.update(&signed_bytes(side, dialer, acceptor));
    mac.finalize().into_bytes().into()
}

fn matches(proof: &[u8; MAC_BYTES], expected: &[u8; MAC_BYTES]) -> bool {
    proof.ct_eq(expected).into()
}

/// Tells the other that it has no right to its folder any more.
async fn outlived(
    stream: &mut TcpStream,
    shared: &Shared,
    dialer: &Hello,
    acceptor: &Hello,
    peer: MemberNumber,
) -> Result<Proven, Refusal> {
    // It may have gone already.
    let _ = send(stream, &Handshake::Outlived(mac(shared, Side::Witness, dialer, acceptor))).await;
    Err(Refusal::Ours(format!(
        "a later process of {peer} was met before: its data folder is a copy, or was set back"
    )))
}

fn unexpected(step: &Handshake) -> Refusal {
    match step {
        Handshake::Refuse(why) => Refusal::Theirs(why.clone()),
        _ => Refusal::Ours("the steps of the handshake came in a wrong order".to_owned()),
    }
}

async fn refuse(stream: &mut TcpStream, why: String) -> Result<Proven, Refusal> {
    // The other may have gone already.
    let _ = send(stream, &Handshake::Refuse(why.clone())).await;
    Err(Refusal::Ours(why))
}

async fn send(stream: &mut TcpStream, step: &Handshake) -> Result<(), Refusal> {
    let mut bytes = Vec::new();
    encode_handshake(step, &mut bytes)
        .map_err(|_| Refusal::Ours("the advertised addresses are too long".to_owned()))?;
    stream.write_all(&bytes).await?;
    Ok(())
}

async fn next(stream: &mut TcpStream, input: &mut BytesMut) -> Result<Handshake, Refusal> {
    let mut parser = HandshakeParser;
    loop {
        match parser.next(input) {
            Ok(Some(step)) => return Ok(step),
            Ok(None) => {}
            Err(error) => return Err(Refusal::Ours(error.to_string())),
        }
        input.reserve(1024);
        if stream.read_buf(input).await? == 0 {
            return Err(Refusal::Io(io::ErrorKind::UnexpectedEof.into()));
        }
    }
}
