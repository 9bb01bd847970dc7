//! The commit log of one server, owned by one thread: batches of all shards in, positions out.
//!
//! What [`Log::synced`] reports survives a power loss. After the first error nothing is reported any more. A
//! segment is freed when every cell has flushed past it, oldest first. The format stands in
//! `docs/formats/log.md`, the torn-tail rule in [`scan`]. Does not know what a change means.

use crate::{
    disk::{Disk, DiskFile},
    engine::Flushed,
    error::LogError,
};
use batch::LogBatch as Batch;
use clockwise_core::{ids::Lsn, limits::CELLS};
use recover::Kept;
use segment::{Blank, Header};
use std::{collections::VecDeque, sync::Arc};

pub(crate) mod batch;
mod frame;
pub(crate) mod recover;
mod scan;
mod segment;

pub use batch::LogBatch;

/// Where the segments lie.
pub(crate) use segment::{DIR, path as segment_path};

/// A blank segment is synced after this many bytes of zeros, so that no sync has much to do.
const BLANK_SYNC_BYTES: u64 = 1 << 20;
/// At least this many bytes of the next segment are prepared at a time.
const BLANK_STEP_BYTES: u64 = 64 * 1024;
/// Most files of freed segments that wait for another life: cells are flushed in bursts, so that several segments may go
/// while one is filled.
const SPARES: usize = 2;

/// The commit log.
pub struct Log {
    disk: Arc<dyn Disk>,
    segment_bytes: u64,
    /// Batches that are not framed yet.
    pending: Vec<Batch>,
    current: Current,
    /// The segment that comes next, while it is prepared.
    next: Option<Blank>,
    next_number: u64,
    /// Segments before the current one, oldest first.
    old: VecDeque<Kept>,
    /// Segments of the full length that no cell needs, oldest first. Until one is recycled its file is that of its earlier
    /// life, which a recovery reads and frees again.
    spares: VecDeque<u64>,
    flushed: [u64; CELLS as usize],
    shards: Vec<Positions>,
    floor: Lsn,
    failed: Option<LogError>,
    frames: Vec<u8>,
    stats: LogStats,
}

/// The segment that frames go to.
struct Current {
    number: u64,
    file: Box<dyn DiskFile>,
    length: u64,
    /// Where the next frame goes.
    end: u64,
    /// Below this offset everything is synced.
    synced: u64,
    last: [u64; CELLS as usize],
}

/// How far one shard's changes have come.
#[derive(Clone, Copy, Default)]
struct Positions {
    appended: Lsn,
    written: Lsn,
    synced: Lsn,
}

/// Figures of a log since it was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LogStats {
    /// Batches written.
    pub batches: u64,
    /// Bytes of frames written.
    pub bytes: u64,
    /// Syncs of frames.
    pub syncs: u64,
    /// Segments begun.
    pub segments_begun: u64,
    /// Segments begun in the file of an older one.
    pub segments_recycled: u64,
    /// Segments that are kept, the current one included.
    pub segments_kept: u64,
    /// Bytes of kept segments.
    pub kept_bytes: u64,
}

/// How a log begins.
pub(crate) struct Start {
    pub(crate) shards: usize,
    pub(crate) first_segment_bytes: u64,
    pub(crate) segment_bytes: u64,
    pub(crate) floor: Lsn,
    pub(crate) flushed: [Lsn; CELLS as usize],
    pub(crate) found: recover::Found,
}

impl Log {
    /// Goes on behind what recovery found, in a new segment.
    pub(crate) fn begin(disk: Arc<dyn Disk>, start: Start) -> std::io::Result<Log> {
        let number = start.found.next_number;
        let (previous, previous_end) = start.found.last;
        let flushed = start.flushed.map(|lsn| lsn.0);
        let (floor, manifests) = (start.floor, manifests(&flushed));
        let mut blank = Blank::create(&*disk, number, start.first_segment_bytes)?;
        let length = blank.length;
        blank.begin(&Header { number, previous, previous_end, floor, recycled: false, manifests, length })?;
        let mut log = Log {
            disk,
            segment_bytes: start.segment_bytes,
            pending: Vec::new(),
            current: Current::new(blank),
            next: None,
            next_number: number + 1,
            old: start.found.kept.into(),
            spares: VecDeque::new(),
            flushed,
            shards: vec![Positions::default(); start.shards],
            floor,
            failed: None,
            frames: Vec::new(),
            stats: LogStats { segments_begun: 1, ..LogStats::default() },
        };
        log.free();
        Ok(log)
    }

    /// Takes a batch, in memory only. Batches of a shard come in the order in which the engine gave them.
    pub fn append(&mut self, batch: LogBatch) {
        if !batch.is_empty() && self.failed.is_none() {
            self.shards[batch.shard()].appended = batch.last;
            self.pending.push(batch);
        }
    }

    /// Writes what was appended to the file, without a sync (but for the sync that ends a full segment). After
    /// an error the log stays failed.
    pub fn write(&mut self) -> Result<(), LogError> {
        self.unless_failed(Log::try_write)
    }

    /// Writes and syncs what was appended. After an error the log stays failed and nothing more is synced.
    pub fn sync(&mut self) -> Result<(), LogError> {
        self.unless_failed(|log| {
            log.try_write()?;
            log.sync_frames()
        })
    }

    /// Everything of this shard up to here survives a power loss.
    pub fn synced(&self, shard: usize) -> Lsn {
        self.shards[shard].synced
    }

    /// Everything of this shard up to here survives the end of the process.
    pub fn written(&self, shard: usize) -> Lsn {
        self.shards[shard].written
    }

    /// Takes note that a cell has everything up to a position in its tables, and frees segments.
    pub fn on_flushed(&mut self, flushed: Flushed) {
        let known = &mut self.flushed[usize::from(flushed.cell)];
        *known = flushed.lsn.0.max(*known);
        self.free();
    }

    /// Syncs everything and notes the clean stop, which the next recovery reports.
    pub fn close(mut self) -> Result<(), LogError> {
        self.sync()?;
        self.unless_failed(|log| {
            log.make_room(frame::frame_bytes(0))?;
            log.frame(&Batch { last: log.highest(), ..Batch::default() }, true);
            log.write_frames()?;
            log.sync_frames()
        })
    }

    /// Figures since opening.
    pub fn stats(&self) -> LogStats {
        let kept_bytes = self.old.iter().map(|kept| kept.length).sum::<u64>() + self.current.length;
        LogStats { segments_kept: self.old.len() as u64 + 1, kept_bytes, ..self.stats }
    }

    /// The first error, if there was one.
    pub fn failure(&self) -> Option<&LogError> {
        self.failed.as_ref()
    }

    fn unless_failed(&mut self, act: impl FnOnce(&mut Log) -> Result<(), LogError>) -> Result<(), LogError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = act(self);
        if let Err(error) = &result {
            self.failed = Some(error.clone());
            self.pending = Vec::new();
        }
        result
    }

    fn highest(&self) -> Lsn {
        self.shards.iter().map(|shard| shard.appended).max().unwrap_or_default().max(self.floor)
    }

    fn try_write(&mut self) -> Result<(), LogError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        for batch in std::mem::take(&mut self.pending) {
            self.make_room(frame::frame_bytes(batch.payload.len()))?;
            self.frame(&batch, false);
        }
        self.write_frames()?;
        for shard in &mut self.shards {
            shard.written = shard.appended;
        }
        self.prepare()
    }

    /// Frames a batch behind those that wait to be written.
    fn frame(&mut self, batch: &Batch, closed: bool) {
        let mut cells = 0;
        for (cell, &last) in batch.cells.iter().enumerate() {
            if last > 0 {
                cells |= 1 << cell;
                self.current.last[cell] = last;
            }
        }
        let offset = self.current.end + self.frames.len() as u64;
        let header = frame::Header {
            payload_bytes: 0,
            payload_sum: 0,
            synced: self.current.synced,
            first: batch.first,
            last: batch.last,
            cells,
            closed,
        };
        frame::encode(self.current.number, offset, header, &batch.payload, &mut self.frames);
        self.stats.batches += 1;
    }

    /// Makes sure that a frame of this length fits behind those that wait, in a new segment if need be.
    fn make_room(&mut self, frame_bytes: u64) -> Result<(), LogError> {
        let end = self.current.end + self.frames.len() as u64 + frame_bytes;
        if end <= self.current.length { Ok(()) } else { self.rotate(frame_bytes) }
    }

    fn write_frames(&mut self) -> Result<(), LogError> {
        if self.frames.is_empty() {
            return Ok(());
        }
        let result = self.current.file.write_at(&self.frames, self.current.end);
        result.map_err(LogError::of("writing frames"))?;
        self.current.end += self.frames.len() as u64;
        self.stats.bytes += self.frames.len() as u64;
        self.frames.clear();
        if self.frames.capacity() > 1 << 20 {
            self.frames = Vec::new();
        }
        Ok(())
    }

    fn sync_frames(&mut self) -> Result<(), LogError> {
        if self.current.synced < self.current.end {
            self.current.file.sync().map_err(LogError::of("syncing frames"))?;
            self.current.synced = self.current.end;
            self.stats.syncs += 1;
        }
        for shard in &mut self.shards {
            shard.synced = shard.written;
        }
        Ok(())
    }

    /// Ends the current segment, synced, and begins the next.
    fn rotate(&mut self, frame_bytes: u64) -> Result<(), LogError> {
        self.write_frames()?;
        if self.current.synced < self.current.end {
            self.current.file.sync().map_err(LogError::of("syncing a full segment"))?;
            self.current.synced = self.current.end;
            self.stats.syncs += 1;
        }
        let mut blank = self.take_blank().map_err(LogError::of("preparing a segment"))?;
        blank.length = blank.length.max(segment::HEADER_BYTES + frame_bytes);
        let header = Header {
            number: blank.number,
            previous: self.current.number,
            previous_end: self.current.end,
            floor: self.floor,
            recycled: blank.recycled,
            manifests: manifests(&self.flushed),
            length: blank.length,
        };
        blank.begin(&header).map_err(LogError::of("beginning a segment"))?;
        self.stats.segments_begun += 1;
        self.stats.segments_recycled += u64::from(blank.recycled);
        let old = std::mem::replace(&mut self.current, Current::new(blank));
        self.old.push_back(Kept { number: old.number, length: old.length, last: old.last });
        self.free();
        Ok(())
    }

    /// The next segment, as far as it is prepared.
    fn take_blank(&mut self) -> std::io::Result<Blank> {
        if let Some(blank) = self.next.take() {
            return Ok(blank);
        }
        let length = (self.current.length.saturating_mul(2)).min(self.segment_bytes);
        self.next_number += 1;
        Blank::create(&*self.disk, self.next_number - 1, length)
    }

    /// Prepares the next segment a little faster than the current one fills up, once that is half full.
    fn prepare(&mut self) -> Result<(), LogError> {
        let (end, length) = (self.current.end, self.current.length);
        if end < length / 2 {
            return Ok(());
        }
        let result = self.prepare_until((end - length / 2).saturating_mul(5));
        match result {
            // Not needed yet, and there may be room again when it is.
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull => Ok(()),
            other => other.map_err(LogError::of("preparing a segment")),
        }
    }

    /// Fills the next segment up to `goal` bytes, or by a small step.
    fn prepare_until(&mut self, goal: u64) -> std::io::Result<()> {
        let mut blank = self.take_blank()?;
        let before = blank.ready;
        let filled = blank.fill(goal.max(before + BLANK_STEP_BYTES));
        let sync = before / BLANK_SYNC_BYTES != blank.ready / BLANK_SYNC_BYTES;
        let synced = if sync { blank.sync() } else { Ok(()) };
        self.next = Some(blank);
        filled.and(synced)
    }

    /// Lets go of the oldest segments that no cell needs. Those of the full length are kept for segments to come while
    /// writes go on; when everything is in tables they are given back. Errors are left to the next recovery, which frees
    /// the file again.
    fn free(&mut self) {
        while let Some(oldest) = self.old.front() {
            if oldest.last.iter().zip(&self.flushed).any(|(last, flushed)| last > flushed) {
                break;
            }
            let (number, length) = (oldest.number, oldest.length);
            self.old.pop_front();
            if length == self.segment_bytes {
                self.spares.push_back(number);
            } else {
                self.remove(number);
            }
        }
        if self.next.is_none() && self.failed.is_none() {
            self.recycle();
        }
        let most = if self.old.is_empty() { 0 } else { SPARES };
        while self.spares.len() > most
            && let Some(number) = self.spares.pop_front()
        {
            self.remove(number);
        }
    }

    /// Makes the oldest spare file the next segment, if there is one.
    fn recycle(&mut self) {
        let Some(old) = self.spares.pop_front() else { return };
        let recycled = Blank::recycle(&*self.disk, old, self.next_number, self.segment_bytes);
        self.next_number += 1;
        self.next = recycled.ok();
    }

    fn remove(&self, number: u64) {
        let _freed_by_recovery_if_not_now = self.disk.remove(&segment::path(number));
    }
}

/// Writes the first segment of a log that holds nothing, for cells that are flushed up to these positions.
pub(crate) fn write_empty(
    disk: &dyn Disk,
    flushed: [Lsn; CELLS as usize],
    segment_bytes: u64,
) -> std::io::Result<()> {
    let floor = flushed.iter().copied().max().unwrap_or_default();
    let manifests = manifests(&flushed.map(|lsn| lsn.0));
    let mut blank = Blank::create(disk, 1, segment_bytes)?;
    let length = blank.length;
    blank.begin(&Header {
        number: 1,
        previous: 0,
        previous_end: 0,
        floor,
        recycled: false,
        manifests,
        length,
    })
}

/// The cells that have been flushed at least once.
fn manifests(flushed: &[u64; CELLS as usize]) -> u16 {
    flushed.iter().enumerate().fold(0, |bits, (cell, &lsn)| bits | u16::from(lsn > 0) << cell)
}

impl Current {
    fn new(blank: Blank) -> Current {
        Current {
            number: blank.number,
            file: blank.file,
            length: blank.length,
            end: segment::HEADER_BYTES,
            synced: segment::HEADER_BYTES,
            last: [0; CELLS as usize],
        }
    }
}
