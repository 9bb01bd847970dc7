//! One file of the log: its name and its header, which says what came before it. The header is written twice,
//! in different sectors, and synced before the first frame; a segment without a sound header and without a
//! sound frame was never begun.

use crate::{
    checksum,
    disk::{Disk, DiskFile, remove_if_there},
};
use clockwise_core::ids::Lsn;
use std::io;

/// Where the segments lie.
pub(crate) const DIR: &str = "log";
/// Bytes before the first frame.
pub(super) const HEADER_BYTES: u64 = 4096;
/// Where the second copy of the header begins.
const SECOND_COPY: usize = 2048;
/// Bytes of one copy.
const COPY_BYTES: usize = 48;
/// Version byte of the format.
pub(super) const VERSION: u8 = 2;
/// Zeros are written in pieces of this many bytes.
const ZEROS_BYTES: usize = 256 * 1024;

/// What a begun segment says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Header {
    /// Its number, as in its name.
    pub(super) number: u64,
    /// The segment before it; 0 if it is the first.
    pub(super) previous: u64,
    /// Where the one before it ends: nothing from there on counts.
    pub(super) previous_end: u64,
    /// No position given out after this segment was begun is lower.
    pub(super) floor: Lsn,
    /// Whether the file had an earlier life, so that what lies behind its last frame need not be zeros.
    pub(super) recycled: bool,
    /// The cells that had a manifest when the segment was begun, one bit each: theirs must not be missing.
    pub(super) manifests: u16,
    /// The length that its file had, in bytes, durably before this was written; 0 if it was not noted. A shorter file
    /// has been cut.
    pub(super) length: u64,
}

/// The length is noted in units of this many bytes.
const LENGTH_UNIT: u64 = 8;

/// The file of a segment.
pub(crate) fn path(number: u64) -> String {
    format!("{DIR}/{number:016}.log")
}

pub(super) fn parse_name(name: &str) -> Option<u64> {
    let number = name.strip_suffix(".log")?.parse().ok()?;
    (path(number).strip_prefix(DIR)?.strip_prefix('/')? == name).then_some(number)
}

impl Header {
    /// The segment's first [`HEADER_BYTES`] bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut copy = vec![VERSION, b'C', b'W', b'L', 0, 0, 0, 0];
        let length = (self.length / LENGTH_UNIT).min(u64::from(u32::MAX));
        let flags = u64::from(self.recycled) | u64::from(self.manifests) << 16 | length << 32;
        for field in [self.number, self.previous, self.previous_end, self.floor.0, flags] {
            copy.extend_from_slice(&field.to_le_bytes());
        }
        debug_assert_eq!(copy.len(), COPY_BYTES);
        let sum = sum(&copy);
        copy[4..8].copy_from_slice(&sum.to_le_bytes());
        let mut bytes = vec![0; HEADER_BYTES as usize];
        bytes[..COPY_BYTES].copy_from_slice(&copy);
        bytes[SECOND_COPY..SECOND_COPY + COPY_BYTES].copy_from_slice(&copy);
        bytes
    }

    /// The header of segment `number`, from either copy; an error carries a newer version.
    pub(super) fn parse(bytes: &[u8], number: u64) -> Result<Option<Header>, u8> {
        for start in [0, SECOND_COPY] {
            let Some(copy) = bytes.get(start..start + COPY_BYTES) else { continue };
            let found = u32::from_le_bytes([copy[4], copy[5], copy[6], copy[7]]);
            if copy[1..4] != *b"CWL" || found != sum(copy) {
                continue;
            }
            if copy[0] > VERSION {
                return Err(copy[0]);
            }
            let mut fields = [0; 5];
            for (field, bytes) in fields.iter_mut().zip(copy[8..].chunks_exact(8)) {
                *field = bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
            }
            let [own, previous, previous_end, floor, flags] = fields;
            // A recycled file carries the header of its earlier life until the new one is written.
            if own == number {
                let (recycled, manifests) = (flags & 1 == 1, (flags >> 16) as u16);
                let (floor, length) = (Lsn(floor), (flags >> 32) * LENGTH_UNIT);
                let header = Header { number, previous, previous_end, floor, recycled, manifests, length };
                return Ok(Some(header));
            }
        }
        Ok(None)
    }
}

/// The checksum covers the version and all fields.
fn sum(copy: &[u8]) -> u32 {
    checksum::bound(u64::from(copy[0]), 0, &copy[8..])
}

/// A segment's file that is being made ready: its blocks exist once `ready` is its length, durably after a sync.
pub(super) struct Blank {
    pub(super) number: u64,
    pub(super) file: Box<dyn DiskFile>,
    /// Its length when it is ready, in bytes.
    pub(super) length: u64,
    /// How far it is filled, in bytes.
    pub(super) ready: u64,
    pub(super) recycled: bool,
    /// How far it is synced, in bytes.
    pub(super) synced: u64,
}

impl Blank {
    /// Makes an empty file.
    pub(super) fn create(disk: &dyn Disk, number: u64, length: u64) -> io::Result<Blank> {
        remove_if_there(disk, &path(number))?;
        let file = disk.create(&path(number))?;
        disk.sync_dir(DIR)?;
        Ok(Blank { number, file, length, ready: 0, recycled: false, synced: 0 })
    }

    /// Gives a segment that is not needed any more another life.
    pub(super) fn recycle(disk: &dyn Disk, old: u64, number: u64, length: u64) -> io::Result<Blank> {
        disk.rename(&path(old), &path(number))?;
        disk.sync_dir(DIR)?;
        let file = disk.open(&path(number))?;
        Ok(Blank { number, file, length, ready: length, recycled: true, synced: length })
    }

    /// Writes zeros up to `goal`, at most to the end, so that a sync of frames has no blocks to allocate.
    pub(super) fn fill(&mut self, goal: u64) -> io::Result<()> {
        let goal = goal.min(self.length);
        if self.ready >= goal {
            return Ok(());
        }
        let zeros = vec![0; ZEROS_BYTES.min((goal - self.ready) as usize)];
        while self.ready < goal {
            let count = zeros.len().min((goal - self.ready) as usize);
            self.file.write_at(&zeros[..count], self.ready)?;
            self.ready += count as u64;
        }
        Ok(())
    }

    /// Makes durable what was filled.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if self.synced < self.ready {
            self.file.sync()?;
            self.synced = self.ready;
        }
        Ok(())
    }

    /// Fills the whole file and then writes the header; both are durable. In this order, so that a header never stands
    /// in a file that a power loss has left too short.
    pub(super) fn begin(&mut self, header: &Header) -> io::Result<()> {
        self.fill(self.length)?;
        self.sync()?;
        self.file.write_at(&header.encode(), 0)?;
        self.file.sync()
    }
}
