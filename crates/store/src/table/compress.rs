//! The ways to make bytes fewer. Stored as one byte with whatever was compressed, so that any mixture can be read.
//! Knows no lengths but the one that it is told to expect.

use crate::options::Compression;
use lz4_flex::block::{CompressTable, compress_into_with_table, get_maximum_output_size};

pub(super) const PLAIN: u8 = 0;
const LZ4: u8 = 1;
const ZSTD: u8 = 2;

/// Whether this build can read all of these kinds, a bit each.
pub(super) fn can_read(kinds: u64) -> bool {
    cfg!(feature = "zstd") || kinds & (1 << ZSTD) == 0
}

/// Compresses one thing after another.
pub(super) struct Compressor {
    compression: Compression,
    /// LZ4's table of what was seen: allocated once for many blocks.
    seen: CompressTable,
    /// What LZ4 made of the last thing, as long as it may at most become.
    made: Vec<u8>,
    #[cfg(feature = "zstd")]
    zstd: Option<zstd_safe::CCtx<'static>>,
}

impl Compressor {
    pub(super) fn new(compression: Compression) -> Compressor {
        Compressor {
            compression,
            seen: CompressTable::default(),
            made: Vec::new(),
            #[cfg(feature = "zstd")]
            zstd: zstd_context(compression),
        }
    }

    /// Appends the compressed bytes and answers how, if that saves at least an eighth; else appends them as they are.
    pub(super) fn append(&mut self, raw: &[u8], out: &mut Vec<u8>) -> u8 {
        let start = out.len();
        let done = match self.compression {
            Compression::None => None,
            Compression::Lz4 => self.lz4(raw, out).map(|length| (LZ4, length)),
            Compression::Zstd { .. } => self.zstd(raw, start, out).map(|length| (ZSTD, length)),
        };
        match done {
            Some((kind, length)) if length <= raw.len() - raw.len() / 8 => {
                out.truncate(start + length);
                kind
            }
            _ => {
                out.truncate(start);
                out.extend_from_slice(raw);
                PLAIN
            }
        }
    }

    fn lz4(&mut self, raw: &[u8], out: &mut Vec<u8>) -> Option<usize> {
        let most = get_maximum_output_size(raw.len());
        if self.made.len() < most {
            self.made.resize(most, 0);
        }
        let length = compress_into_with_table(raw, &mut self.made, &mut self.seen).ok()?;
        out.extend_from_slice(&self.made[..length]);
        Some(length)
    }

    #[cfg(feature = "zstd")]
    fn zstd(&mut self, raw: &[u8], start: usize, out: &mut Vec<u8>) -> Option<usize> {
        out.resize(start + zstd_safe::compress_bound(raw.len()), 0);
        self.zstd.as_mut()?.compress2(&mut out[start..], raw).ok()
    }

    #[cfg(not(feature = "zstd"))]
    fn zstd(&mut self, _: &[u8], _: usize, _: &mut Vec<u8>) -> Option<usize> {
        None
    }
}

/// A context of the level that is asked for; `None` if it is not zstd. Frames say neither length nor checksum:
/// both stand around them.
#[cfg(feature = "zstd")]
fn zstd_context(compression: Compression) -> Option<zstd_safe::CCtx<'static>> {
    let Compression::Zstd { level } = compression else { return None };
    let mut context = zstd_safe::CCtx::try_create()?;
    context.set_parameter(zstd_safe::CParameter::CompressionLevel(i32::from(level))).ok()?;
    context.set_parameter(zstd_safe::CParameter::ContentSizeFlag(false)).ok()?;
    Some(context)
}

/// The raw bytes, which are `length`; `None` if they are not, or the kind is not known.
pub(super) fn decompress(kind: u8, bytes: &[u8], length: usize) -> Option<Vec<u8>> {
    let raw = match kind {
        // Writes nothing behind `length`, which is all that is allocated.
        LZ4 => lz4_flex::block::decompress(bytes, length).ok()?,
        ZSTD => decompress_zstd(bytes, length)?,
        _ => return None,
    };
    (raw.len() == length).then_some(raw)
}

#[cfg(feature = "zstd")]
fn decompress_zstd(bytes: &[u8], length: usize) -> Option<Vec<u8>> {
    use std::cell::RefCell;
    thread_local! {
        /// A context costs more to make than to use for a block, and takes 160 KB: one for each thread that reads.
        static CONTEXT: RefCell<Option<zstd_safe::DCtx<'static>>> = RefCell::new(zstd_safe::DCtx::try_create());
    }
    let mut raw = vec![0; length];
    let found = CONTEXT.with_borrow_mut(|context| context.as_mut()?.decompress(&mut raw[..], bytes).ok())?;
    (found == length).then_some(raw)
}

#[cfg(not(feature = "zstd"))]
fn decompress_zstd(_: &[u8], _: usize) -> Option<Vec<u8>> {
    None
}
