//! What every block and section of a table is wrapped in: kind, lengths and a checksum bound to the table and
//! to the place in it. A decompressed length is believed only behind a good checksum and below a cap.

use crate::{checksum, options::Compression};
use bytes::Bytes;

/// Bytes before the payload: kind, 3 zeros, payload length, raw length, checksum.
pub(super) const HEADER_BYTES: usize = 16;
const PLAIN: u8 = 0;
const LZ4: u8 = 1;

/// Appends `raw` in its envelope. `offset` is where the envelope will lie in the file.
pub(super) fn seal(owner: u64, offset: u64, raw: &[u8], compression: Compression, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_BYTES]);
    let kind = match compression {
        Compression::Lz4 if compress(raw, start, out) => LZ4,
        _ => {
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

/// Appends the compressed bytes and answers true, if that saves at least an eighth.
fn compress(raw: &[u8], start: usize, out: &mut Vec<u8>) -> bool {
    let body = start + HEADER_BYTES;
    out.resize(body + lz4_flex::block::get_maximum_output_size(raw.len()), 0);
    match lz4_flex::block::compress_into(raw, &mut out[body..]) {
        Ok(length) if length <= raw.len() - raw.len() / 8 => {
            out.truncate(body + length);
            true
        }
        _ => {
            out.truncate(body);
            false
        }
    }
}

/// The raw bytes, at most `cap`, of an envelope that lies at `offset`; `None` if it is damaged.
pub(super) fn open(owner: u64, offset: u64, envelope: Vec<u8>, cap: usize) -> Option<Bytes> {
    let header: &[u8; HEADER_BYTES] = envelope.first_chunk()?;
    let field = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let (payload, raw_bytes, found) = (field(4) as usize, field(8) as usize, field(12));
    if payload != envelope.len() - HEADER_BYTES || found != sum(owner, offset, &envelope) {
        return None;
    }
    match header[0] {
        PLAIN => (raw_bytes == payload).then(|| Bytes::from(envelope).slice(HEADER_BYTES..)),
        LZ4 if raw_bytes <= cap => {
            let mut raw = vec![0; raw_bytes];
            let length = lz4_flex::block::decompress_into(&envelope[HEADER_BYTES..], &mut raw).ok()?;
            (length == raw_bytes).then(|| raw.into())
        }
        _ => None,
    }
}

/// The checksum over everything but itself.
fn sum(owner: u64, offset: u64, envelope: &[u8]) -> u32 {
    crc32c::crc32c_append(checksum::bound(owner, offset, &envelope[..12]), &envelope[HEADER_BYTES..])
}
