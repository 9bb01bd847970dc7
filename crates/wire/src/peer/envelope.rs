//! What is around everything between servers: length, version, kind, content, checksum.
//!
//! This layout holds for every version of the protocol to come, so that servers of two versions can tell each other.

use crate::error::{Text, WireError};
use alloc::{format, vec::Vec};
use bytes::{Buf, Bytes, BytesMut};

/// The version of the protocol between servers that this crate speaks.
pub const PEER_VERSION: u8 = 1;

/// A message would be longer than a frame may be; nothing was appended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooLarge;

/// Bytes of the length field.
pub(super) const LENGTH_BYTES: usize = 4;
/// Bytes of version and kind.
const HEAD_BYTES: usize = 2;
/// Bytes of the checksum.
const CHECKSUM_BYTES: usize = 4;

/// Appends what stands before the content; answers where the frame starts.
pub(super) fn open(out: &mut Vec<u8>, kind: u8) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0, 0, 0, 0, PEER_VERSION, kind]);
    start
}

/// Appends what stands behind the content, and fills in the length. A frame over the limit is taken back.
pub(super) fn close(out: &mut Vec<u8>, start: usize, limit_bytes: usize) -> Result<(), TooLarge> {
    let length = out.len() - start - LENGTH_BYTES + CHECKSUM_BYTES;
    if length > limit_bytes {
        out.truncate(start);
        return Err(TooLarge);
    }
    out[start..start + LENGTH_BYTES].copy_from_slice(&(length as u32).to_le_bytes());
    let checksum = crc32c::crc32c(&out[start..]);
    out.extend_from_slice(&checksum.to_le_bytes());
    Ok(())
}

/// Takes the next whole envelope off the front of `buf` and answers kind and content; `None` if more bytes are
/// needed. `screen` sees the content as far as it has arrived, so that a stranger is refused before its frame is read.
pub(super) fn take(
    buf: &mut BytesMut,
    limit_bytes: usize,
    screen: impl FnOnce(&[u8]) -> Result<(), WireError>,
) -> Result<Option<(u8, Bytes)>, WireError> {
    let Some((length, rest)) = buf.split_first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
    let length = u32::from_le_bytes(*length) as usize;
    if !(HEAD_BYTES + CHECKSUM_BYTES..=limit_bytes).contains(&length) {
        return Err(bad_length(length, limit_bytes));
    }
    if let Some(&version) = rest.first()
        && version != PEER_VERSION
    {
        return Err(bad_version(version));
    }
    let content = length - CHECKSUM_BYTES;
    screen(&rest[HEAD_BYTES.min(rest.len())..content.min(rest.len())])?;
    if rest.len() < length {
        return Ok(None);
    }
    let (kind, end) = (rest[1], LENGTH_BYTES + content);
    let checksum = crc32c::crc32c(&buf[..end]).to_le_bytes();
    if buf[end..end + CHECKSUM_BYTES] != checksum {
        return Err(WireError::close("peer frame has a bad checksum"));
    }
    let mut whole = buf.split_to(end + CHECKSUM_BYTES).freeze();
    whole.truncate(end);
    whole.advance(LENGTH_BYTES + HEAD_BYTES);
    Ok(Some((kind, whole)))
}

#[cold]
fn bad_length(length: usize, limit_bytes: usize) -> WireError {
    WireError::Close(Text::Owned(format!(
        "peer frame announces {length} bytes (6 to {limit_bytes} are allowed)"
    )))
}

#[cold]
fn bad_version(version: u8) -> WireError {
    let text = format!("peer speaks protocol version {version}, this server speaks {PEER_VERSION}");
    WireError::Close(Text::Owned(text))
}

/// The content is not what its kind says.
#[cold]
pub(super) fn malformed(kind: u8) -> WireError {
    WireError::Close(Text::Owned(format!("peer frame of kind {kind} is malformed")))
}
