//! What is in one segment: sound frames, and gaps between them. The rule of the torn tail stands here alone.
//!
//! Below the highest position that a sound frame says had been synced (or below the end that the next segment
//! names) a gap is damage; the first gap above it is the torn tail and ends the segment.

use super::{
    frame::{self, ALIGN_BYTES, Header},
    segment,
};

/// A sound frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Frame {
    pub(super) offset: usize,
    pub(super) header: Header,
}

impl Frame {
    /// Where its payload lies.
    pub(super) fn payload(&self) -> std::ops::Range<usize> {
        let start = self.offset + frame::HEADER_BYTES;
        start..start + self.header.payload_bytes as usize
    }

    fn end(&self) -> usize {
        self.offset + frame::frame_bytes(self.header.payload_bytes as usize) as usize
    }
}

/// What a segment holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Contents {
    /// The frames that count, in order.
    pub(super) frames: Vec<Frame>,
    /// Where they end, in bytes: nothing from here on counts.
    pub(super) end: u64,
    /// Below this offset a sound frame says that everything had been synced, in bytes; 0 if none does.
    pub(super) synced: u64,
    /// Places that had been synced and are not sound any more: the offset of each in bytes, and the cells that it may
    /// have held changes of, one bit each.
    pub(super) gaps: Vec<(u64, u16)>,
    /// Bytes of the torn tail.
    pub(super) torn_bytes: u64,
    /// Whether any sound frame is there at all, counted or not.
    pub(super) begun: bool,
    /// Whether the last frame is the one of a clean stop.
    pub(super) closed: bool,
}

enum Piece {
    Sound(Frame),
    /// From an offset on; the cells it may have held.
    Gap(usize, u16),
}

/// Scans the bytes of segment `number`. `sealed` is the end that the next segment names.
pub(super) fn scan(number: u64, bytes: &[u8], sealed: Option<u64>, recycled: bool) -> Contents {
    let limit = sealed.map_or(bytes.len(), |end| bytes.len().min(end as usize));
    let (pieces, synced, last_end) = pieces(number, bytes, limit);
    // A sealed segment was synced up to its end, even where that is cut off.
    let synced = sealed.unwrap_or(synced);
    let mut contents = Contents { end: segment::HEADER_BYTES, synced, ..Contents::default() };
    contents.begun = pieces.iter().any(|piece| matches!(piece, Piece::Sound(_)));
    for piece in pieces {
        match piece {
            Piece::Sound(frame) => {
                contents.end = frame.end() as u64;
                contents.closed = frame.header.closed;
                contents.frames.push(frame);
            }
            Piece::Gap(offset, cells) if (offset as u64) < synced => {
                contents.gaps.push((offset as u64, cells));
                contents.closed = false;
            }
            Piece::Gap(offset, _) => {
                let written = if recycled { last_end } else { written_end(bytes) };
                contents.torn_bytes = written.saturating_sub(offset) as u64;
                break;
            }
        }
    }
    if contents.torn_bytes > 0 {
        contents.closed = false;
    }
    if let Some(end) = sealed {
        contents.end = end;
        contents.torn_bytes = 0;
    }
    contents
}

/// All frames and gaps below `limit`, the highest position known as synced, and where the last sound header's
/// frame ends.
fn pieces(number: u64, bytes: &[u8], limit: usize) -> (Vec<Piece>, u64, usize) {
    let bytes = &bytes[..limit];
    let written = written_end(bytes);
    let (mut pieces, mut synced, mut last_end) = (Vec::new(), 0, 0);
    let mut at = segment::HEADER_BYTES as usize;
    let mut in_gap = false;
    // Behind the last byte that is not zero no frame begins.
    while at < written {
        let Some(header) = frame::parse(number, bytes, at) else {
            if !in_gap {
                pieces.push(Piece::Gap(at, u16::MAX));
                in_gap = true;
            }
            at += ALIGN_BYTES;
            continue;
        };
        in_gap = false;
        // The header is sound, so what it says of earlier syncs is true even if the payload is not sound.
        synced = synced.max(header.synced);
        let frame = Frame { offset: at, header };
        if frame::payload_is_sound(number, at, &header, &bytes[frame.payload()]) {
            pieces.push(Piece::Sound(frame));
        } else {
            pieces.push(Piece::Gap(at, header.cells));
        }
        at = frame.end();
        last_end = at.min(bytes.len());
    }
    // The sealed end may lie behind the end of a file that was cut.
    if !in_gap {
        pieces.push(Piece::Gap(at, u16::MAX));
    }
    (pieces, synced, last_end)
}

/// Where the last byte that is not zero ends.
fn written_end(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|&byte| byte != 0).map_or(0, |at| at + 1)
}
