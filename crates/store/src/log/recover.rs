//! Reads the log that an earlier life left: replays what counts, reports damage and torn bytes, and makes all
//! of it durable before the log goes on. Changes nothing but that: run twice, it answers the same.

use super::{
    batch::{self, Applied},
    frame,
    scan::{self, Contents},
    segment::{self, Header},
};
use crate::{
    disk::{Disk, DiskFile, read_all, remove_if_there},
    error::OpenError,
};
use bytes::Bytes;
use clockwise_core::{ids::Lsn, limits::CELLS};
use std::{collections::BTreeMap, io};

/// Longest segment that is read, in bytes: the largest setting and one oversized frame.
const SEGMENT_CAP_BYTES: usize = 4 << 30;

/// A segment whose changes may still be needed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Kept {
    pub(crate) number: u64,
    /// Its length, in bytes.
    pub(crate) length: u64,
    /// The last position by cell; 0 for cells without a change in it.
    pub(crate) last: [u64; CELLS as usize],
}

/// What recovery found in the log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Found {
    pub(crate) kept: Vec<Kept>,
    /// The segment that the next one follows, and where it ends; 0 if there is none.
    pub(crate) last: (u64, u64),
    /// No position was ever given out above this one, as far as the log knows.
    pub(crate) highest: Lsn,
    /// No file has this number or a higher one.
    pub(crate) next_number: u64,
    pub(crate) frames: u64,
    pub(crate) torn_bytes: u64,
    /// Damaged places that had been synced.
    pub(crate) damage: Vec<Place>,
    pub(crate) closed: bool,
    /// The cells that must have a manifest, one bit each.
    pub(crate) manifests: u16,
}

/// A damaged place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    /// The segment that it is in, or that should not be the next.
    pub(crate) segment: u64,
    /// In bytes; 0 if it is not in one place.
    pub(crate) offset: u64,
    /// The cells that it may have hit, one bit each.
    pub(crate) cells: u16,
    pub(crate) kind: PlaceKind,
}

/// What is wrong with a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PlaceKind {
    /// Both copies of the segment's header are damaged.
    Header,
    /// The segment before is missing.
    Missing,
    /// The file is shorter than its header says.
    Cut,
    /// No sound frame.
    Frame,
    /// The checksum is right, and the content is not.
    Malformed,
}

/// Where replayed changes go.
pub(crate) trait Replay {
    /// Takes the changes of one `apply`; they come in the order of each cell's log. Answers false if the cell
    /// already has them in its tables.
    fn replay(&mut self, applied: Applied) -> bool;

    /// Called after each segment, so that memory can be freed. `bytes` is what its frames take.
    fn segment_done(&mut self, bytes: u64) -> Result<(), OpenError>;
}

/// Reads the whole log. `accept_torn` is the canary.
pub(crate) fn recover(
    disk: &dyn Disk,
    replay: &mut dyn Replay,
    accept_torn: bool,
) -> Result<Found, OpenError> {
    let headers = headers(disk)?;
    let next_number = headers.keys().last().map_or(1, |last| last + 1);
    let mut found = Found { next_number, ..Found::default() };
    let mut needs_all_flushed = false;
    let mut previous: Option<u64> = None;
    for (&number, header) in &headers {
        let next = headers.range(number + 1..).find_map(|(_, next)| *next);
        let sealed = next.filter(|next| next.previous == number).map(|next| next.previous_end);
        let file = disk.open(&segment::path(number))?;
        let bytes = Bytes::from(read_all(&*file, SEGMENT_CAP_BYTES)?);
        let contents = scan::scan(number, &bytes, sealed, header.is_some_and(|header| header.recycled));
        if header.is_none() && !contents.begun {
            // Never begun: its life before, if it had one, was over.
            remove_if_there(disk, &segment::path(number))?;
            continue;
        }
        match header {
            // Both copies of the header are gone: nobody knows what came before.
            None => found.damage(number, 0, u16::MAX, PlaceKind::Header),
            // A segment in between is missing. Fine if it was freed, and then all before it was as well.
            Some(header) if previous.is_some_and(|previous| previous != header.previous) => {
                needs_all_flushed = true;
            }
            Some(_) => {}
        }
        let cut = header.is_some_and(|header| header.length > bytes.len() as u64);
        if cut && sealed.is_none() {
            // No power loss does that. Frames that were synced may have gone, and nobody knows which.
            found.damage(number, bytes.len() as u64, u16::MAX, PlaceKind::Cut);
        }
        if let Some(header) = header {
            found.highest = found.highest.max(header.floor);
            found.manifests |= header.manifests;
        }
        if needs_all_flushed && found.kept.iter().any(|kept| kept.last.iter().any(|&last| last > 0)) {
            found.damage(number, 0, u16::MAX, PlaceKind::Missing);
        }
        needs_all_flushed = false;
        previous = Some(number);
        found.take(number, &bytes, &contents, replay);
        if accept_torn && sealed.is_none() {
            replay_torn(&bytes, contents.end, replay);
        }
        if sealed.is_none() {
            make_durable(&*file, &bytes, &contents)?;
        }
        found.last = (number, contents.end);
        found.closed = contents.closed && !cut;
        replay.segment_done(contents.end - segment::HEADER_BYTES)?;
    }
    disk.sync_dir(segment::DIR)?;
    Ok(found)
}

/// A process that died leaves frames that no sync has covered: they are about to be believed. After a sync that failed
/// the system shows them although it has given up writing them, and a further sync alone would not: they are written
/// again.
fn make_durable(file: &dyn DiskFile, bytes: &[u8], contents: &Contents) -> io::Result<()> {
    let end = bytes.len().min(contents.end as usize);
    let start = end.min(contents.synced as usize);
    file.write_at(&bytes[start..end], start as u64)?;
    file.sync()
}

/// The headers of all segment files, by number; `None` where there is no sound one.
fn headers(disk: &dyn Disk) -> Result<BTreeMap<u64, Option<Header>>, OpenError> {
    let mut headers = BTreeMap::new();
    for name in disk.list(segment::DIR)? {
        let Some(number) = segment::parse_name(&name) else { continue };
        let path = segment::path(number);
        let file = disk.open(&path)?;
        let mut bytes = vec![0; segment::HEADER_BYTES as usize];
        // A file that was cut may still hold the first copy.
        let read = file.read_at(&mut bytes, 0)?;
        let header = Header::parse(&bytes[..read], number);
        headers.insert(number, header.map_err(|version| OpenError::Newer { path, version })?);
    }
    Ok(headers)
}

impl Found {
    fn damage(&mut self, segment: u64, offset: u64, cells: u16, kind: PlaceKind) {
        self.damage.push(Place { segment, offset, cells, kind });
    }

    fn take(&mut self, number: u64, bytes: &Bytes, contents: &Contents, replay: &mut dyn Replay) {
        self.torn_bytes += contents.torn_bytes;
        for &(offset, cells) in &contents.gaps {
            self.damage(number, offset, cells, PlaceKind::Frame);
        }
        let mut kept = Kept { number, length: bytes.len() as u64, last: [0; CELLS as usize] };
        for frame in &contents.frames {
            self.frames += 1;
            self.highest = self.highest.max(frame.header.last);
            let (applied, sound) = batch::decode(bytes.slice(frame.payload()), frame.header.first);
            if sound.is_err() {
                // The checksum is right and the content is not: as good as damaged, and as little served.
                self.damage(number, frame.offset as u64, frame.header.cells, PlaceKind::Malformed);
                continue;
            }
            for one in applied {
                let (cell, lsn) = (usize::from(one.slot.cell()), one.lsn.0);
                if replay.replay(one) {
                    kept.last[cell] = lsn;
                }
            }
        }
        self.kept.push(kept);
    }
}

/// The canary: takes for good what can be parsed of the frame behind the end, whatever its checksums say.
fn replay_torn(bytes: &Bytes, end: u64, replay: &mut dyn Replay) {
    let end = end as usize;
    if let Some(header) = frame::parse_unchecked(bytes, end) {
        let start = end + frame::HEADER_BYTES;
        let length = (header.payload_bytes as usize).min(bytes.len() - start);
        let (applied, _) = batch::decode(bytes.slice(start..start + length), header.first);
        for one in applied {
            replay.replay(one);
        }
    }
}
