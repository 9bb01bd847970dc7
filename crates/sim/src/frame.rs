//! Messages between servers as the bytes that travel.

use bytes::{Bytes, BytesMut};
use clockwise_core::message::Message;
use clockwise_wire::peer::{FrameParser, encode_frame};

/// The frame of a message; `None` if it is too large to travel.
pub(crate) fn pack(message: &Message, cluster_tag: u64) -> Option<Bytes> {
    let mut frame = Vec::new();
    encode_frame(message, cluster_tag, &mut frame).ok()?;
    Some(Bytes::from(frame))
}

/// The message of a whole frame.
pub(crate) fn unpack(frame: &[u8], cluster_tag: u64) -> Option<Message> {
    let mut buffer = BytesMut::from(frame);
    let message = FrameParser::new(cluster_tag).next(&mut buffer).ok()??;
    buffer.is_empty().then_some(message)
}
