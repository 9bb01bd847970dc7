//! The header in front of each batch in a segment. Both checksums are bound to the segment's number and to the
//! place in it, so that bytes of a recycled segment's earlier life, or of another place, are never a frame.

use crate::{checksum, limits::FRAME_BYTES};
use clockwise_core::ids::Lsn;

/// Bytes of a frame's header.
pub(super) const HEADER_BYTES: usize = 48;
/// Frames begin at multiples of this, in bytes.
pub(super) const ALIGN_BYTES: usize = 8;
const MAGIC: u32 = 0x4257_4301;
/// The flag of the empty frame that a clean stop leaves behind.
const CLOSED: u16 = 1;

/// What stands in front of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Header {
    pub(super) payload_bytes: u32,
    pub(super) payload_sum: u32,
    /// Everything of the segment below this offset had been synced when the frame was written.
    pub(super) synced: u64,
    pub(super) first: Lsn,
    pub(super) last: Lsn,
    /// The cells with a change in the frame, one bit each.
    pub(super) cells: u16,
    pub(super) closed: bool,
}

/// Bytes that a frame with this payload takes.
pub(super) fn frame_bytes(payload_bytes: usize) -> u64 {
    ((HEADER_BYTES + payload_bytes).next_multiple_of(ALIGN_BYTES)) as u64
}

/// Appends the frame that will lie at `offset` of `segment`.
pub(super) fn encode(segment: u64, offset: u64, mut header: Header, payload: &[u8], out: &mut Vec<u8>) {
    header.payload_bytes = payload.len() as u32;
    header.payload_sum = checksum::bound(segment, offset, payload);
    let start = out.len();
    out.extend_from_slice(&MAGIC.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&header.payload_bytes.to_le_bytes());
    out.extend_from_slice(&header.payload_sum.to_le_bytes());
    out.extend_from_slice(&header.synced.to_le_bytes());
    out.extend_from_slice(&header.first.0.to_le_bytes());
    out.extend_from_slice(&header.last.0.to_le_bytes());
    out.extend_from_slice(&header.cells.to_le_bytes());
    out.extend_from_slice(&(if header.closed { CLOSED } else { 0 }).to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    let sum = checksum::bound(segment, offset, &out[start + 8..]);
    out[start + 4..start + 8].copy_from_slice(&sum.to_le_bytes());
    out.extend_from_slice(payload);
    out.resize(start + frame_bytes(payload.len()) as usize, 0);
}

/// The header at `offset` of a segment's bytes, if there is a sound one whose payload ends within the bytes.
pub(super) fn parse(segment: u64, bytes: &[u8], offset: usize) -> Option<Header> {
    let raw: &[u8; HEADER_BYTES] = bytes.get(offset..)?.first_chunk()?;
    let word = |at: usize| u32::from_le_bytes([raw[at], raw[at + 1], raw[at + 2], raw[at + 3]]);
    if word(0) != MAGIC || word(4) != checksum::bound(segment, offset as u64, &raw[8..]) {
        return None;
    }
    let header = fields(raw);
    let length = header.payload_bytes as usize;
    (length <= FRAME_BYTES && length <= bytes.len() - offset - HEADER_BYTES).then_some(header)
}

/// Whether the payload behind a sound header is what was written.
pub(super) fn payload_is_sound(segment: u64, offset: usize, header: &Header, payload: &[u8]) -> bool {
    header.payload_sum == checksum::bound(segment, offset as u64, payload)
}

/// The header at `offset` without any check but the magic: only for the canary that accepts a torn tail.
pub(super) fn parse_unchecked(bytes: &[u8], offset: usize) -> Option<Header> {
    let raw: &[u8; HEADER_BYTES] = bytes.get(offset..)?.first_chunk()?;
    (raw[..4] == MAGIC.to_le_bytes()).then(|| fields(raw))
}

fn fields(raw: &[u8; HEADER_BYTES]) -> Header {
    let word = |at: usize| u32::from_le_bytes([raw[at], raw[at + 1], raw[at + 2], raw[at + 3]]);
    let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
    Header {
        payload_bytes: word(8),
        payload_sum: word(12),
        synced: long(16),
        first: Lsn(long(24)),
        last: Lsn(long(32)),
        cells: word(40) as u16,
        closed: (word(40) >> 16) as u16 & CLOSED != 0,
    }
}
