//! Looks through a data folder that nobody serves and says what is wrong with it, where, and which slots it touches.
//!
//! Changes nothing: the log is read by recovery itself on a disk that forgets what it is told. Reads every byte that
//! an engine could ever read. Prints nothing, and repairs nothing.

use crate::{
    damage::SlotRange, disk::Disk, error::OpenError, log, manifest, manifest::Manifest, meta, table,
};
use clockwise_core::{ids::Lsn, limits::CELLS};
use std::{collections::BTreeSet, fmt, io};
use still::StillDisk;

mod still;
mod tables;

/// What a look through a folder found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// What is damaged; a folder without any of it is good.
    pub damage: Vec<Finding>,
    /// What is no damage and yet worth knowing: a torn tail, files that the next start removes.
    pub notes: Vec<Finding>,
    /// Cells that have a manifest.
    pub cells: u64,
    /// Tables that manifests list.
    pub tables: u64,
    /// Entries of tables that were read.
    pub entries: u64,
    /// Bytes of tables that manifests list.
    pub table_bytes: u64,
    /// Segments of the log.
    pub segments: u64,
    /// Sound batches in them.
    pub batches: u64,
    /// Whether the log ends with the note of a clean stop.
    pub clean: bool,
}

/// Something that was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The path inside the folder.
    pub path: String,
    /// Where in it, in bytes, if it is one place.
    pub offset: Option<u64>,
    /// What it is.
    pub what: What,
    /// The slots whose keys it may have hit: to be repaired from other replicas.
    pub slots: Vec<SlotRange>,
}

/// What can be found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// A record that is not what was written.
    Record,
    /// A record that must be there is missing.
    RecordMissing,
    /// A record that contradicts others or itself.
    Contradiction(&'static str),
    /// The file was written by a newer version of the program, of this format.
    Newer(u8),
    /// A table that a manifest lists is missing.
    TableMissing,
    /// A table's header, footer, index or properties are damaged: none of it can be read.
    Table,
    /// The disk cannot read a table's header, footer, index or properties, so that none of it can be read.
    TableUnreadable,
    /// A block of a table is damaged.
    Block,
    /// The disk cannot read a block.
    BlockUnreadable,
    /// A table's Bloom filter is damaged: it excludes nothing, and costs reads.
    Filter,
    /// A table's entries are not what its properties and its filter say.
    Entries(&'static str),
    /// The log is missing although tables were made of it.
    LogMissing,
    /// Both copies of a segment's header are damaged.
    SegmentHeader,
    /// The segment before this one is missing.
    SegmentMissing,
    /// The segment is shorter than its header says.
    SegmentCut,
    /// A batch that had been synced is not sound.
    Batch,
    /// A batch is sound and says nothing that makes sense.
    BatchMalformed,
    /// Bytes behind the last sound batch, which no sync had covered, as a power loss leaves them: so many.
    TornTail(u64),
    /// A file that no manifest lists, as a crash leaves them.
    Orphan,
}

impl Report {
    /// Whether nothing is damaged.
    pub fn is_good(&self) -> bool {
        self.damage.is_empty()
    }

    /// Adds damage.
    pub fn add(&mut self, path: impl Into<String>, offset: Option<u64>, what: What, slots: Vec<SlotRange>) {
        self.damage.push(Finding { path: path.into(), offset, what, slots });
    }

    fn note(&mut self, path: impl Into<String>, what: What) {
        self.notes.push(Finding { path: path.into(), offset: None, what, slots: Vec::new() });
    }
}

/// Looks through a folder. An error means that the disk did not answer, so that nothing can be said.
pub fn check(disk: &dyn Disk) -> io::Result<Report> {
    let mut report = Report::default();
    let names = disk.list("")?;
    let there = |dir: &str| names.iter().any(|name| name == dir);
    let mut manifests: Vec<Option<Manifest>> = Vec::new();
    for cell in 0..CELLS {
        manifests.push(manifest_of(disk, cell, &mut report)?);
    }
    let mut listed = BTreeSet::new();
    for (cell, manifest) in (0..CELLS).zip(&manifests) {
        for info in manifest.iter().flat_map(|manifest| &manifest.tables) {
            listed.insert((cell, info.number));
            tables::check(disk, cell, info, &mut report)?;
        }
    }
    if there(table::DIR) {
        orphans(disk, &manifests, &listed, &mut report)?;
    }
    log_of(disk, there(log::DIR), &manifests, &mut report)?;
    Ok(report)
}

/// A disk's error with the file that it is about.
fn at(path: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{path}: {error}"))
}

/// A cell's manifest; `None` if it is damaged.
fn manifest_of(disk: &dyn Disk, cell: u16, report: &mut Report) -> io::Result<Option<Manifest>> {
    let path = manifest::name(cell);
    let whole = vec![SlotRange::cell(cell)];
    let manifest = match manifest::read(cell, meta::read(disk, &path)) {
        Ok(manifest) => manifest,
        Err(OpenError::Io(error)) => return Err(at(&path, &error)),
        Err(OpenError::Newer { version, .. }) => {
            report.add(path, None, What::Newer(version), whole);
            return Ok(None);
        }
        Err(_) => {
            report.add(path, None, What::Record, whole);
            return Ok(None);
        }
    };
    report.cells += u64::from(manifest.flushed.0 > 0);
    let slots = manifest.slots.iter().map(|info| info.slot);
    let wrong = if manifest.tables.iter().any(|table| table.number >= manifest.next_number) {
        Some("a table has a number that was never given out")
    } else if !slots.clone().is_sorted_by(|left, right| left < right)
        || slots.clone().any(|slot| slot.cell() != cell)
    {
        Some("its slots are out of order or of another cell")
    } else if manifest.tables.iter().any(|table| table.newest > manifest.flushed) {
        Some("a table is newer than what was flushed")
    } else {
        None
    };
    if let Some(what) = wrong {
        report.add(path, None, What::Contradiction(what), whole);
    }
    Ok(Some(manifest))
}

/// Files that the next start removes. A cell whose manifest is damaged lists nothing, and its tables are no garbage.
fn orphans(
    disk: &dyn Disk,
    manifests: &[Option<Manifest>],
    listed: &BTreeSet<(u16, u64)>,
    report: &mut Report,
) -> io::Result<()> {
    for name in disk.list(table::DIR)? {
        let orphan = match table::parse_name(&name) {
            Some(table) => {
                !listed.contains(&table) && manifests.get(usize::from(table.0)).is_none_or(Option::is_some)
            }
            None => name.ends_with(".tmp"),
        };
        if orphan {
            report.note(format!("{}/{name}", table::DIR), What::Orphan);
        }
    }
    Ok(())
}

/// Counts what recovery would replay.
struct Counting<'a> {
    manifests: &'a [Option<Manifest>],
    segments: u64,
}

impl log::recover::Replay for Counting<'_> {
    fn replay(&mut self, applied: log::batch::Applied) -> bool {
        let manifest = self.manifests.get(usize::from(applied.slot.cell())).and_then(Option::as_ref);
        manifest.is_none_or(|manifest| applied.lsn > manifest.flushed)
    }

    fn segment_done(&mut self, _bytes: u64) -> Result<(), OpenError> {
        self.segments += 1;
        Ok(())
    }
}

fn log_of(
    disk: &dyn Disk,
    there: bool,
    manifests: &[Option<Manifest>],
    report: &mut Report,
) -> io::Result<()> {
    let flushed = manifests.iter().flatten().map(|manifest| manifest.flushed).max().unwrap_or(Lsn(0));
    let everything = || (0..CELLS).map(SlotRange::cell).collect::<Vec<_>>();
    let mut counting = Counting { manifests, segments: 0 };
    let found = if there {
        log::recover::recover(&StillDisk(disk), &mut counting, false)
    } else {
        Ok(Default::default())
    };
    let found = match found {
        Ok(found) => found,
        Err(OpenError::Newer { path, version }) => {
            report.add(path, None, What::Newer(version), everything());
            return Ok(());
        }
        Err(OpenError::Io(error)) => return Err(at(log::DIR, &error)),
        Err(_) => return Err(io::Error::other("the log cannot be read")),
    };
    report.segments = counting.segments;
    report.batches = found.frames;
    report.clean = found.closed;
    if found.last.0 == 0 && flushed.0 > 0 {
        report.add(log::DIR, None, What::LogMissing, everything());
    }
    for (cell, manifest) in (0..CELLS).zip(manifests) {
        let saved = manifest.as_ref().is_none_or(|manifest| manifest.flushed.0 > 0);
        if found.manifests >> cell & 1 == 1 && !saved {
            report.add(manifest::name(cell), None, What::RecordMissing, vec![SlotRange::cell(cell)]);
        }
    }
    for place in &found.damage {
        let what = match place.kind {
            log::recover::PlaceKind::Header => What::SegmentHeader,
            log::recover::PlaceKind::Missing => What::SegmentMissing,
            log::recover::PlaceKind::Cut => What::SegmentCut,
            log::recover::PlaceKind::Frame => What::Batch,
            log::recover::PlaceKind::Malformed => What::BatchMalformed,
        };
        let slots = crate::damage::cells(place.cells).collect();
        report.add(log::segment_path(place.segment), Some(place.offset), what, slots);
    }
    if found.torn_bytes > 0 {
        report.note(log::segment_path(found.last.0), What::TornTail(found.torn_bytes));
    }
    Ok(())
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Record => f.write_str("the record is damaged"),
            What::RecordMissing => f.write_str("the record is missing"),
            What::Contradiction(what) => f.write_str(what),
            What::Newer(version) => {
                write!(f, "format version {version} is newer than this program, which cannot check it")
            }
            What::TableMissing => f.write_str("the table is missing"),
            What::Table => f.write_str("the table's header, footer, index or properties are damaged"),
            What::TableUnreadable => {
                f.write_str("the disk cannot read the table's header, footer, index or properties")
            }
            What::Block => f.write_str("a block is damaged"),
            What::BlockUnreadable => f.write_str("the disk cannot read a block"),
            What::Filter => {
                f.write_str("the Bloom filter is damaged; it excludes nothing, and nothing is lost")
            }
            What::Entries(what) => f.write_str(what),
            What::LogMissing => f.write_str("the commit log is missing"),
            What::SegmentHeader => f.write_str("the segment's header is damaged"),
            What::SegmentMissing => f.write_str("the segment before it is missing"),
            What::SegmentCut => f.write_str("the segment was cut off"),
            What::Batch => f.write_str("a batch that had been synced is damaged"),
            What::BatchMalformed => f.write_str("a batch makes no sense"),
            What::TornTail(bytes) => {
                write!(f, "{bytes} bytes at the end were never synced; the next start drops them")
            }
            What::Orphan => f.write_str("a crash left this file; the next start removes it"),
        }
    }
}
