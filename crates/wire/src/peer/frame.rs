//! Frames: one message each. Coalescing is appending to one buffer.

use super::{
    body,
    envelope::{self, TooLarge, malformed},
};
use crate::{error::WireError, limits::FRAME_BYTES};
use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};
use clockwise_core::{
    hlc::Hlc,
    ids::Epoch,
    message::{Message, ReplicaSet},
    slot::Slot,
    varint::{Malformed, Reader, put_u64},
};

/// Bytes of the cluster's tag, with which every frame's content starts.
const TAG_BYTES: usize = 8;
/// Stands for "no slot".
const NO_SLOT: u16 = u16::MAX;
/// [`ReplicaSet::Current`].
const CURRENT: u8 = 0;

/// What every frame carries of the cluster's id: enough that no link ever mixes two clusters up.
pub fn cluster_tag(cluster: &[u8; 16]) -> u64 {
    let id = u128::from_le_bytes(*cluster);
    id as u64 ^ (id >> 64) as u64
}

/// Appends one frame. A message over [`FRAME_BYTES`] appends nothing: who waits for it gets no answer.
pub fn encode_frame(message: &Message, cluster_tag: u64, out: &mut Vec<u8>) -> Result<(), TooLarge> {
    out.reserve(128);
    let start = envelope::open(out, body::kind(&message.body));
    let ReplicaSet::Current = message.set;
    let slot = message.slot.map_or(NO_SLOT, Slot::number).to_le_bytes();
    let mut head = [0; TAG_BYTES + 11];
    head[..8].copy_from_slice(&cluster_tag.to_le_bytes());
    head[8..16].copy_from_slice(&message.time.0.to_le_bytes());
    head[16..].copy_from_slice(&[slot[0], slot[1], CURRENT]);
    out.extend_from_slice(&head);
    put_u64(out, message.epoch.0);
    put_u64(out, u64::from(message.deadline_ms));
    body::encode(&message.body, out);
    envelope::close(out, start, FRAME_BYTES)
}

/// Cuts an authenticated link's input into messages. Keeps nothing between calls: a frame's length stands first.
#[derive(Clone, Copy, Debug)]
pub struct FrameParser {
    cluster_tag: u64,
}

impl FrameParser {
    /// A parser for a link of this cluster.
    pub fn new(cluster_tag: u64) -> FrameParser {
        FrameParser { cluster_tag }
    }

    /// Takes the next whole message off the front of `buf`; `None` if more bytes are needed. After an error the link
    /// must be closed.
    pub fn next(&mut self, buf: &mut BytesMut) -> Result<Option<Message>, WireError> {
        let expected = self.cluster_tag.to_le_bytes();
        let screen = |content: &[u8]| match content.first_chunk::<TAG_BYTES>() {
            Some(tag) if *tag != expected => Err(WireError::close("peer frame is of another cluster")),
            _ => Ok(()),
        };
        let Some((kind, content)) = envelope::take(buf, FRAME_BYTES, screen)? else { return Ok(None) };
        decode(kind, content).map(Some).map_err(|Malformed| malformed(kind))
    }
}

fn decode(kind: u8, content: Bytes) -> Result<Message, Malformed> {
    let mut reader = Reader::new(content);
    let head: [u8; TAG_BYTES + 11] = reader.array()?;
    let (rest, [slot_low, slot_high, set]) = head.split_last_chunk::<3>().ok_or(Malformed)?;
    let time = rest.last_chunk::<8>().ok_or(Malformed)?;
    if *set != CURRENT {
        return Err(Malformed);
    }
    let slot = match u16::from_le_bytes([*slot_low, *slot_high]) {
        NO_SLOT => None,
        number => Some(Slot::new(number).ok_or(Malformed)?),
    };
    let epoch = Epoch(reader.u64()?);
    let deadline_ms = reader.u32()?;
    let body = body::decode(kind, &mut reader)?;
    reader.end()?;
    let time = Hlc(u64::from_le_bytes(*time));
    Ok(Message { epoch, set: ReplicaSet::Current, deadline_ms, time, slot, body })
}
