//! Opening a data folder: makes an empty one, or recovers what an earlier life left. Recovery decides nothing
//! twice: what it believes it makes durable first, and a crash at any point leads to the same result.

use crate::{
    damage::{self, SlotRange},
    disk::Disk,
    engine::{Engine, cell::Cell},
    error::OpenError,
    limits,
    log::{
        self, Log,
        batch::Applied,
        recover::{self, Found, Replay},
    },
    manifest::{self, Manifest},
    options::Options,
    table,
};
use clockwise_core::{canary::Canary, ids::Lsn, limits::CELLS, slot::Slot};
use std::{collections::BTreeSet, sync::Arc};

/// Kept segments above which recovery flushes everything, so that restarts do not pile them up.
const KEPT_SEGMENTS: usize = 8;

/// An open data folder.
pub struct Opened {
    /// One per shard: shard `i` owns the cells `c` with `c % shards == i`.
    pub engines: Vec<Engine>,
    /// The server's commit log.
    pub log: Log,
    /// What recovery found.
    pub report: RecoveryReport,
}

/// What recovery found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RecoveryReport {
    /// The folder was empty.
    pub created: bool,
    /// The log ends with the note of a clean stop and nothing is damaged.
    pub clean: bool,
    /// Batches of the log that are sound.
    pub batches: u64,
    /// Applied changes that were not in tables yet.
    pub replayed: u64,
    /// Bytes behind the last sound batch, which no sync had covered: dropped.
    pub torn_bytes: u64,
    /// Places of the log that had been synced and are damaged.
    pub damaged_log_places: u64,
    /// Tables that cannot be read, because they are missing or damaged or the disk fails there.
    pub damaged_tables: Vec<String>,
    /// Slots that the damage may have hit, in order: to be repaired from other replicas.
    pub damaged_slots: Vec<Slot>,
    /// Tables.
    pub tables: u64,
    /// Files that no manifest lists: removed.
    pub orphans: u64,
    /// The new life's positions are above this one; all that was recovered is below.
    pub floor: Lsn,
}

/// Opens a data folder.
pub fn open(disk: Arc<dyn Disk>, options: Options) -> Result<Opened, OpenError> {
    options.check()?;
    for dir in [log::DIR, table::DIR] {
        disk.create_dir(dir)?;
    }
    disk.sync_dir("")?;
    let mut report = RecoveryReport::default();
    let mut damaged = Vec::new();
    let cells = open_cells(&*disk, &mut report, &mut damaged)?;
    let flushed = cells.iter().map(|cell| cell.flushed).max().unwrap_or_default();
    let saved: u16 = cells.iter().map(|cell| u16::from(cell.flushed.0 > 0) << cell.number).sum();

    let nearly_full = options.nearly_full(disk.space()?);
    let engines = deal(cells, &options, nearly_full);
    let mut replaying = Replaying { disk: &*disk, engines, shards: options.shards, replayed: 0 };
    let accept_torn = options.canary.is(Canary::TornTailAccepted);
    let found = recover::recover(&*disk, &mut replaying, accept_torn)?;
    if found.last.0 == 0 && flushed.0 > 0 {
        // The first segment is there before the first manifest is.
        return Err(OpenError::Damaged { path: log::DIR.to_owned() });
    }
    if let Some(cell) = (0..CELLS).find(|cell| (found.manifests & !saved) >> cell & 1 == 1) {
        return Err(OpenError::Damaged { path: manifest::name(cell) });
    }
    if found.kept.len() > KEPT_SEGMENTS {
        replaying.engines.iter_mut().for_each(Engine::freeze_all);
        replaying.flush()?;
    }
    report.replayed = replaying.replayed;
    let mut engines = replaying.engines;

    let floor = next_floor(found.highest.max(flushed))?;
    damaged.extend(found.damage.iter().flat_map(|place| damage::cells(place.cells)));
    damaged.sort_unstable();
    damaged.dedup();
    fill_report(&mut report, &found, &damaged, floor);
    let mut positions = [Lsn(0); CELLS as usize];
    for cell in engines.iter().flat_map(Engine::cells) {
        positions[usize::from(cell.number)] = cell.flushed;
    }
    let start = log::Start {
        shards: options.shards,
        first_segment_bytes: options.first_segment_bytes,
        segment_bytes: options.fitting_segment_bytes(),
        floor,
        flushed: positions,
        found,
    };
    let log = Log::begin(disk, start)?;
    for engine in &mut engines {
        engine.begin_above(floor);
        engine.begin_damaged(&damaged);
    }
    Ok(Opened { engines, log, report })
}

/// Positions of one life share their upper 32 bits; 2^32 lives of 2^32 changes are enough.
fn next_floor(highest: Lsn) -> Result<Lsn, OpenError> {
    let life = (highest.0 >> 32) + 1;
    let path = || log::DIR.to_owned();
    u32::try_from(life)
        .map(|life| Lsn(u64::from(life) << 32))
        .map_err(|_| OpenError::Damaged { path: path() })
}

fn open_cells(
    disk: &dyn Disk,
    report: &mut RecoveryReport,
    damaged: &mut Vec<SlotRange>,
) -> Result<Vec<Cell>, OpenError> {
    let mut cells = Vec::new();
    let mut listed = BTreeSet::new();
    for number in 0..CELLS {
        let manifest: Manifest = manifest::load(disk, number)?;
        let mut tables = Vec::new();
        for info in &manifest.tables {
            listed.insert((number, info.number));
            let table = table::open(disk, number, info.clone())?;
            if table.is_broken() {
                report.damaged_tables.push(table.path().to_owned());
                damaged.push(table.slots());
            }
            tables.push(Arc::new(table));
        }
        report.tables += tables.len() as u64;
        cells.push(Cell::new(number, manifest, tables));
    }
    for name in disk.list(table::DIR)? {
        let orphan = match table::parse_name(&name) {
            Some(table) => !listed.contains(&table),
            None => name.ends_with(".tmp"),
        };
        if orphan {
            disk.remove(&format!("{}/{name}", table::DIR))?;
            report.orphans += 1;
        }
    }
    disk.sync_dir(table::DIR)?;
    Ok(cells)
}

/// Gives each shard its cells.
fn deal(cells: Vec<Cell>, options: &Options, nearly_full: bool) -> Vec<Engine> {
    let mut hands: Vec<Vec<Cell>> = (0..options.shards).map(|_| Vec::new()).collect();
    for cell in cells {
        hands[usize::from(cell.number) % options.shards].push(cell);
    }
    let engine = |(shard, cells)| Engine::new(shard, cells, options, nearly_full);
    hands.into_iter().enumerate().map(engine).collect()
}

fn fill_report(report: &mut RecoveryReport, found: &Found, damaged: &[SlotRange], floor: Lsn) {
    report.damaged_slots = damage::slots_of(damaged);
    report.created = found.last.0 == 0;
    report.batches = found.frames;
    report.torn_bytes = found.torn_bytes;
    report.damaged_log_places = found.damage.len() as u64;
    report.clean = found.closed && found.damage.is_empty() && report.damaged_tables.is_empty();
    report.floor = floor;
}

/// Hands replayed changes to the engines and keeps their memory within its bound.
struct Replaying<'a> {
    disk: &'a dyn Disk,
    engines: Vec<Engine>,
    shards: usize,
    replayed: u64,
}

impl Replaying<'_> {
    /// Runs all jobs that the engines have, here and now.
    fn flush(&mut self) -> Result<(), OpenError> {
        let (mut jobs, mut loaded) = (Vec::new(), Vec::new());
        for engine in &mut self.engines {
            loop {
                engine.take_jobs(&mut jobs);
                if jobs.is_empty() {
                    break;
                }
                for job in jobs.drain(..) {
                    engine.on_job_done(job.run(self.disk), &mut loaded);
                }
            }
            if engine.has_failed() {
                return Err(std::io::Error::other("a cell's manifest cannot be written").into());
            }
        }
        Ok(())
    }
}

impl Replay for Replaying<'_> {
    fn replay(&mut self, applied: Applied) -> bool {
        let shard = usize::from(applied.slot.cell()) % self.shards;
        let taken = self.engines[shard].replay(&applied);
        self.replayed += u64::from(taken);
        taken
    }

    fn segment_done(&mut self, bytes: u64) -> Result<(), OpenError> {
        let mut full = false;
        for engine in &mut self.engines {
            engine.note_replayed(bytes / self.shards as u64);
            if engine.is_over_its_memory() {
                engine.freeze_all();
                full = true;
            }
        }
        if full { self.flush() } else { Ok(()) }
    }
}

const _: () = assert!(limits::SHARDS == CELLS as usize);
