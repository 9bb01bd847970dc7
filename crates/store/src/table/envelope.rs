//! What every block and section of a table is wrapped in: kind, lengths and a checksum bound to the table and
//! to the place in it. A decompressed length is believed only behind a good checksum and below a cap.

use super::compress::{self, Compressor, PLAIN};
use crate::checksum;
use bytes::Bytes;

/// Bytes before the payload: kind, 3 zeros, payload length, raw length, checksum.
pub(super) const HEADER_BYTES: usize = 16;

/// Appends `raw` in its envelope, not compressed if there is no compressor. `offset` is where it will lie in the file.
pub(super) fn seal(
    owner: u64,
    offset: u64,
    raw: &[u8],
    compressor: Option<&mut Compressor>,
    out: &mut Vec<u8>,
) {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_BYTES]);
    let kind = match compressor {
        Some(compressor) => compressor.append(raw, out),
        None => {
            out.extend_from_slice(raw);
            PLAIN
        }
    };
    let envelope = &mut out[start..];
    let payload = (envelope.len() - HEADER_BYTES) as u32;
    envelope[0] = kind;
    envelope[4..8].copy_from_slice(&payload.to_le_bytes());
    envelope[8..12].copy_from_slice(&(raw.len() as u32).to_le_bytes());
    let sum = sum(owner, offset, envelope);
    envelope[12..16].copy_from_slice(&sum.to_le_bytes());
}

/// The raw bytes, at most `cap`, of an envelope that lies at `offset`; `None` if it is damaged.
pub(super) fn open(owner: u64, offset: u64, envelope: &[u8], cap: usize) -> Option<Bytes> {
    let header: &[u8; HEADER_BYTES] = envelope.first_chunk()?;
    let field = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let (payload, raw_bytes, found) = (field(4) as usize, field(8) as usize, field(12));
    if payload != envelope.len() - HEADER_BYTES || raw_bytes > cap || found != sum(owner, offset, envelope) {
        return None;
    }
    let payload = &envelope[HEADER_BYTES..];
    match header[0] {
        PLAIN => (raw_bytes == payload.len()).then(|| Bytes::copy_from_slice(payload)),
        kind => compress::decompress(kind, payload, raw_bytes).map(Bytes::from),
    }
}

/// The checksum over everything but itself.
fn sum(owner: u64, offset: u64, envelope: &[u8]) -> u32 {
    crc32c::crc32c_append(checksum::bound(owner, offset, &envelope[..12]), &envelope[HEADER_BYTES..])
}
