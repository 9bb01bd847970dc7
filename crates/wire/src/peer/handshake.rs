//! How two servers find out that they belong together, before the first frame.
//!
//! ```text
//! dialer                                acceptor
//!   Hello ───────────────────────────────▶   checks version, cluster, member
//!   ◀─────────────────────────────── Hello   or Refuse
//!   Proof(MAC over both, as dialer) ──────▶   checks it, or Refuse
//!   ◀──── Welcome(MAC over both, as acceptor)
//!   checks it
//! ```
//! Either side, once it has the other's hello (the acceptor: and proof), may say instead that a later process of the
//! other was met before: `Outlived(MAC over both, as witness)`. Whoever is told so has an old or copied folder.
//!
//! Each hello holds a fresh nonce, so that no proof serves twice; the side is part of what is signed, so that a proof
//! cannot be thrown back. The acceptor proves itself last: a stranger gets nothing signed. Until the link is
//! authenticated, nothing longer than [`HANDSHAKE_BYTES`] is taken.

use super::{
    envelope::{self, TooLarge, malformed},
    parts::{get_bool, get_bytes, get_member},
};
use crate::{
    error::WireError,
    limits::{HANDSHAKE_BYTES, REASON_BYTES, SHARDS},
};
use alloc::{string::String, vec::Vec};
use bytes::{Bytes, BytesMut};
use clockwise_core::{
    ids::{MemberNumber, NodeId},
    layout::Addresses,
    limits::NAME_BYTES,
    varint::{Malformed, Reader, put_bytes, put_u64},
    witness::Process,
};

/// Bytes of a nonce.
pub const NONCE_BYTES: usize = 32;
/// Bytes of a message authentication code: HMAC-SHA256.
pub const MAC_BYTES: usize = 32;

// Far from the kinds of frames, so that neither is ever taken for the other.
const HELLO: u8 = 0xF0;
const PROOF: u8 = 0xF1;
const WELCOME: u8 = 0xF2;
const REFUSE: u8 = 0xF3;
const OUTLIVED: u8 = 0xF4;

/// What a link is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// Requests and their answers.
    Foreground,
    /// Hints, streams and exchange.
    Bulk,
}

/// Who opened the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// Who did.
    Dialer,
    /// Who was called.
    Acceptor,
    /// Whoever of the two says that the other was outlived.
    Witness,
}

/// What a server says of itself. The protocol version stands in the envelope.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hello {
    /// The cluster.
    pub cluster: [u8; 16],
    /// The node.
    pub node: NodeId,
    /// Its number, if its layout has one for it.
    pub member: Option<MemberNumber>,
    /// How many shards it has, from 1.
    pub shards: u16,
    /// The shard of the sender to which this link belongs, below `shards`.
    pub shard: u16,
    /// The shard of the receiver for which this link is meant.
    pub to_shard: u16,
    /// What the link is for; an acceptor repeats what the dialer said.
    pub purpose: Purpose,
    /// Which process of the server speaks.
    pub process: Process,
    /// Grows with every attempt to link the same two ends; frames of an older session are dropped.
    pub session: u64,
    /// Random, never used twice.
    pub nonce: [u8; NONCE_BYTES],
    /// Where it is reached now.
    pub addresses: Addresses,
}

/// One step of the handshake.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Handshake {
    /// Who I am; a challenge at the same time.
    Hello(Hello),
    /// The dialer knows the secret.
    Proof([u8; MAC_BYTES]),
    /// So does the acceptor, and the link is open.
    Welcome([u8; MAC_BYTES]),
    /// No link: a later process of the receiver was met before. Proves that the sender knows the secret.
    Outlived([u8; MAC_BYTES]),
    /// No link, and why. For people: without line breaks, at most [`REASON_BYTES`].
    Refuse(String),
}

/// Appends one step. An address too long for an envelope appends nothing.
pub fn encode_handshake(step: &Handshake, out: &mut Vec<u8>) -> Result<(), TooLarge> {
    let kind = match step {
        Handshake::Hello(_) => HELLO,
        Handshake::Proof(_) => PROOF,
        Handshake::Welcome(_) => WELCOME,
        Handshake::Outlived(_) => OUTLIVED,
        Handshake::Refuse(_) => REFUSE,
    };
    let start = envelope::open(out, kind);
    match step {
        Handshake::Hello(hello) => hello.encode(out),
        Handshake::Proof(mac) | Handshake::Welcome(mac) | Handshake::Outlived(mac) => {
            out.extend_from_slice(mac)
        }
        Handshake::Refuse(reason) => {
            let end = (0..=reason.len().min(REASON_BYTES)).rev().find(|&at| reason.is_char_boundary(at));
            out.extend_from_slice(&reason.as_bytes()[..end.unwrap_or(0)]);
        }
    }
    envelope::close(out, start, HANDSHAKE_BYTES)
}

/// Cuts a link's input into steps of the handshake. What is behind the last step stays in the buffer.
#[derive(Clone, Copy, Debug, Default)]
pub struct HandshakeParser;

impl HandshakeParser {
    /// Takes the next whole step off the front of `buf`; `None` if more bytes are needed. After an error the link must
    /// be closed.
    pub fn next(&mut self, buf: &mut BytesMut) -> Result<Option<Handshake>, WireError> {
        let Some((kind, content)) = envelope::take(buf, HANDSHAKE_BYTES, |_| Ok(()))? else {
            return Ok(None);
        };
        decode(kind, content).map(Some).map_err(|Malformed| malformed(kind))
    }
}

fn decode(kind: u8, content: Bytes) -> Result<Handshake, Malformed> {
    let mut reader = Reader::new(content);
    let step = match kind {
        HELLO => Handshake::Hello(Hello::decode(&mut reader)?),
        PROOF => Handshake::Proof(reader.array()?),
        WELCOME => Handshake::Welcome(reader.array()?),
        OUTLIVED => Handshake::Outlived(reader.array()?),
        REFUSE if reader.remaining() <= REASON_BYTES => {
            let reason = reader.take(reader.remaining())?;
            let printable = |letter: char| if letter.is_control() { ' ' } else { letter };
            Handshake::Refuse(String::from_utf8_lossy(&reason).chars().map(printable).collect())
        }
        _ => return Err(Malformed),
    };
    reader.end()?;
    Ok(step)
}

/// The bytes over which a side computes its MAC with the cluster's secret: a label that names protocol and side, then
/// both hellos as they were sent, each behind its length as a `u32`.
pub fn signed_bytes(side: Side, dialer: &Hello, acceptor: &Hello) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(match side {
        Side::Dialer => b"clockwise peer 1 dialer\0\0",
        Side::Acceptor => b"clockwise peer 1 acceptor",
        Side::Witness => b"clockwise peer 1 witness\0",
    });
    for hello in [dialer, acceptor] {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        hello.encode(&mut out);
        let length = (out.len() - start - 4) as u32;
        out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    }
    out
}

impl Hello {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.cluster);
        out.extend_from_slice(&self.node.0);
        out.extend_from_slice(&self.nonce);
        out.extend_from_slice(&self.session.to_le_bytes());
        for number in [self.shards, self.shard, self.to_shard] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        put_u64(out, u64::from(self.process.starts));
        out.extend_from_slice(&self.process.run.to_le_bytes());
        out.push(match self.purpose {
            Purpose::Foreground => 0,
            Purpose::Bulk => 1,
        });
        out.push(u8::from(self.member.is_some()));
        if let Some(member) = self.member {
            put_u64(out, u64::from(member.0));
        }
        put_addresses(out, &self.addresses);
    }

    fn decode(reader: &mut Reader) -> Result<Hello, Malformed> {
        let (cluster, node, nonce) = (reader.array()?, NodeId(reader.array()?), reader.array()?);
        let session = u64::from_le_bytes(reader.array()?);
        let mut number = || reader.array().map(u16::from_le_bytes);
        let (shards, shard, to_shard) = (number()?, number()?, number()?);
        if !(1..=SHARDS).contains(&usize::from(shards)) || shard >= shards || usize::from(to_shard) >= SHARDS
        {
            return Err(Malformed);
        }
        let process = Process { starts: reader.u32()?, run: u64::from_le_bytes(reader.array()?) };
        let purpose = if get_bool(reader)? { Purpose::Bulk } else { Purpose::Foreground };
        let member = if get_bool(reader)? { Some(get_member(reader)?) } else { None };
        let addresses = get_addresses(reader)?;
        Ok(Hello {
            cluster,
            node,
            member,
            shards,
            shard,
            to_shard,
            purpose,
            process,
            session,
            nonce,
            addresses,
        })
    }
}

pub(super) fn put_addresses(out: &mut Vec<u8>, addresses: &Addresses) {
    let Addresses { peer, cluster, plain, http } = addresses;
    for address in [peer, cluster, plain, http] {
        put_bytes(out, address.as_bytes());
    }
}

pub(super) fn get_addresses(reader: &mut Reader) -> Result<Addresses, Malformed> {
    Ok(Addresses {
        peer: get_address(reader)?,
        cluster: get_address(reader)?,
        plain: get_address(reader)?,
        http: get_address(reader)?,
    })
}

/// Addresses go to clients as they are: printable ASCII only.
fn get_address(reader: &mut Reader) -> Result<String, Malformed> {
    let bytes = get_bytes(reader, NAME_BYTES)?;
    if !bytes.iter().all(u8::is_ascii_graphic) {
        return Err(Malformed);
    }
    String::from_utf8(bytes.to_vec()).map_err(|_| Malformed)
}
