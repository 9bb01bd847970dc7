//! How damage ends: with the slots that it touched. Until then a damaged table is kept, told of and never merged, and
//! what it may hold is answered with "damaged".

use crate::{
    damage::{reported, wide_table},
    harness::{Change, Op, Server, small},
};
use clockwise_core::{
    slot::Slot,
    storage::{LoadError, PageLimit, Storage},
};
use clockwise_store::{
    Disk, DiskFile, JobKind, OpenError, Options, ScanRange, SimDisk, Space,
    check::{What, check},
};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

/// Of cell 0.
fn slot(place: u16) -> Slot {
    Slot::new(place * 16).expect("below 16384")
}

fn put(slot: Slot, key: &[u8], record: Vec<u8>) -> Op {
    Op { slot, changes: vec![Change::Put(key.to_vec(), record, 1)] }
}

fn drop_slots(server: &mut Server, slots: impl IntoIterator<Item = Slot>) {
    for slot in slots {
        server.apply(&Op { slot, changes: vec![Change::DropSlot] });
    }
    server.commit().expect("no fault");
    server.settle();
}

/// Four tables, each larger than a wide one, so that all are to be merged.
fn outgrow(server: &mut Server) {
    let mut rng = fastrand::Rng::with_seed(1);
    for round in 0..8 {
        let record = (0..6_000).map(|_| rng.u8(..)).collect();
        server.apply(&put(slot(0), format!("more-{round}").as_bytes(), record));
        server.commit().expect("no fault");
        server.engines[0].freeze_all();
        server.settle();
        server.engines[0].tick();
        server.settle();
    }
}

/// A disk of which one file cannot be read.
struct Bad {
    disk: SimDisk,
    path: String,
    errno: i32,
    /// Whether it cannot be opened either.
    closed: bool,
    /// While this is set, what is read of all files is wrong.
    wrong: Arc<AtomicBool>,
}

struct BadFile {
    file: Box<dyn DiskFile>,
    errno: Option<i32>,
    wrong: Arc<AtomicBool>,
}

impl Bad {
    fn new(disk: &SimDisk, path: &str, errno: i32, closed: bool) -> Bad {
        Bad { disk: disk.clone(), path: path.to_owned(), errno, closed, wrong: Arc::default() }
    }
}

impl Disk for Bad {
    fn create(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = self.disk.create(path)?;
        Ok(Box::new(BadFile { file, errno: None, wrong: Arc::clone(&self.wrong) }))
    }
    fn open(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        match self.disk.open(path)? {
            _ if path == self.path && self.closed => Err(io::Error::from_raw_os_error(self.errno)),
            file => {
                let errno = (path == self.path).then_some(self.errno);
                Ok(Box::new(BadFile { file, errno, wrong: Arc::clone(&self.wrong) }))
            }
        }
    }
    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.disk.list(dir)
    }
    fn create_dir(&self, path: &str) -> io::Result<()> {
        self.disk.create_dir(path)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.link(from, to)
    }
    fn remove(&self, path: &str) -> io::Result<()> {
        self.disk.remove(path)
    }
    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.disk.sync_dir(dir)
    }
    fn space(&self) -> io::Result<Space> {
        self.disk.space()
    }
}

impl DiskFile for BadFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if let Some(errno) = self.errno {
            return Err(io::Error::from_raw_os_error(errno));
        }
        let read = self.file.read_at(buffer, offset)?;
        if self.wrong.load(Relaxed) {
            buffer[read / 2] ^= 1;
        }
        Ok(read)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_at(bytes, offset)
    }
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn set_len(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }
    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}

const EIO: i32 = 5;
const EMFILE: i32 = 24;

#[test]
fn an_unreadable_table_is_damage_and_no_reason_to_stay_closed() {
    for closed in [false, true] {
        let (disk, path) = wide_table();
        let bad = |errno| Arc::new(Bad::new(&disk, &path, errno, closed));
        let report = check(&*bad(EIO)).expect("the disk answers for the rest");
        assert_eq!((&*report.damage[0].path, report.damage[0].what), (&*path, What::TableUnreadable));
        let all: Vec<Slot> = (0..60).map(slot).collect();
        let mut server = Server::open(bad(EIO), &small(1)).expect("the other tables are sound");
        assert_eq!(server.report.damaged_tables, std::slice::from_ref(&path));
        assert!(!server.report.clean && server.report.damaged_slots == all);
        assert_eq!(reported(&mut server), all);
        assert_eq!(server.engines[0].stats().damaged_tables, 1);
        // It is left alone by merges, and what is newer is there.
        outgrow(&mut server);
        assert!(disk.bytes(&path).is_some(), "an operator may want to look");
        assert!(server.engines[0].stats().compactions > 0);
        assert_eq!(server.engines[0].stats().failed_jobs, 0, "it is never an input");
        assert!(server.get(slot(0), b"more-3").expect("newer").is_some());
        for (damaged, absent) in [(0, "other"), (7, "other"), (59, "a")] {
            assert_eq!(server.get(slot(damaged), b"key"), Err(LoadError::Damaged));
            assert_eq!(
                server.get(slot(damaged), absent.as_bytes()),
                Err(LoadError::Damaged),
                "never absence"
            );
        }
        assert_eq!(server.get(slot(60), b"key"), Ok(None), "beyond its keys");
        let mut scan = server.engines[0].scan(ScanRange::slot(slot(7)));
        assert_eq!(scan.next_page(1 << 20, &mut Vec::new()), Err(LoadError::Damaged));
        // The next start finds it as it is now.
        drop(server);
        let mut server = Server::open(Arc::new(disk.clone()), &small(1)).expect("opens");
        assert!(server.report.damaged_tables.is_empty());
        assert!(server.get(slot(7), b"key").expect("readable again").is_some());
        // What says nothing of the table keeps the folder closed.
        let refused = Server::open(bad(EMFILE), &small(1)).err();
        assert!(matches!(refused, Some(OpenError::Io(_))), "{refused:?}");
    }
}

#[test]
fn a_broken_table_goes_when_all_its_slots_were_dropped() {
    for cut in [false, true] {
        let (disk, path) = wide_table();
        let bad: Arc<dyn Disk> = if cut {
            disk.truncate(&path, 100);
            Arc::new(disk.clone())
        } else {
            Arc::new(Bad::new(&disk, &path, EIO, false))
        };
        let mut server = Server::open(Arc::clone(&bad), &small(1)).expect("opens");
        drop_slots(&mut server, (0..60).filter(|&place| place != 30).map(slot));
        assert!(disk.bytes(&path).is_some(), "one slot may still be in it");
        assert_eq!(server.get(slot(30), b"key"), Err(LoadError::Damaged));
        assert_eq!(server.get(slot(31), b"key"), Ok(None), "dropped");
        let mut scan = server.engines[0].scan(ScanRange::slot(slot(31)));
        assert_eq!(
            scan.next_page(1, &mut Vec::new()),
            Ok(false),
            "a scan of what was dropped needs it no more"
        );
        // A restart forgets nothing of this.
        drop(server);
        let mut server = Server::open(bad, &small(1)).expect("opens");
        assert!(disk.bytes(&path).is_some());
        server.apply(&put(slot(31), b"key", b"from a replica".to_vec()));
        drop_slots(&mut server, [slot(30)]);
        assert_eq!(disk.bytes(&path), None);
        let stats = server.engines[0].stats();
        assert_eq!((stats.damaged_tables, stats.failed_jobs), (0, 0));
        assert_eq!(server.get(slot(30), b"key"), Ok(None));
        assert!(server.get(slot(31), b"key").expect("newer than the drop").is_some());
        assert!(check(&disk).expect("the disk answers").is_good());
    }
}

/// A wide table with a bad block, and the slots that an engine reports for it.
fn with_bad_block(options: &Options) -> (SimDisk, String, Vec<Slot>) {
    let (disk, path) = wide_table();
    let length = disk.bytes(&path).expect("it is there").len() as u64;
    disk.bit_flip(&path, length / 4, 1);
    let mut server = Server::open(Arc::new(disk.clone()), options).expect("blocks are not read at opening");
    let bad: Vec<Slot> = (0..60).map(slot).filter(|slot| server.get(*slot, b"key").is_err()).collect();
    let slots = reported(&mut server);
    assert!(!bad.is_empty() && slots.len() < 20 && bad.iter().all(|slot| slots.contains(slot)));
    (disk, path, slots)
}

#[test]
fn a_damaged_block_is_left_behind_with_its_slots() {
    // A flat index, and one in partitions.
    for flat_index_bytes in [256, 1 << 20] {
        let options = Options { flat_index_bytes, ..small(1) };
        let (disk, path, bad) = with_bad_block(&options);
        let mut server = Server::open(Arc::new(disk.clone()), &options).expect("opens");
        assert_eq!(server.get(bad[1], b"key"), Err(LoadError::Damaged));
        assert_eq!((reported(&mut server), server.engines[0].stats().damaged_tables), (bad.clone(), 1));
        let whole = ScanRange { first: slot(0), last: slot(100), after: None };
        let scanned = |server: &mut Server| {
            let mut page = Vec::new();
            server.engines[0].scan(whole.clone()).next_page(1 << 20, &mut page).map(|_| page.len())
        };
        assert_eq!(scanned(&mut server), Err(LoadError::Damaged));
        drop_slots(&mut server, bad[1..].iter().copied());
        assert!(disk.bytes(&path).is_some(), "one slot of it was not dropped");
        assert_eq!(server.engines[0].stats().damaged_tables, 1);
        server.apply(&put(bad[1], b"key", b"from a replica".to_vec()));
        drop_slots(&mut server, [bad[0]]);
        assert_eq!(disk.bytes(&path), None, "written anew");
        let stats = server.engines[0].stats();
        assert_eq!((stats.damaged_tables, stats.failed_jobs, stats.compactions), (0, 0, 1));
        assert_eq!(reported(&mut server), []);
        for place in (0..60).map(slot) {
            let there = server.get(place, b"key").expect("nothing is damaged any more").is_some();
            assert_eq!(there, place == bad[1] || !bad.contains(&place), "{place:?}");
        }
        assert_eq!(scanned(&mut server), Ok(61 - bad.len()));
        assert!(check(&disk).expect("the disk answers").is_good());
    }
}

#[test]
fn merges_go_on_across_a_table_whose_damage_was_dropped() {
    let (disk, path, bad) = with_bad_block(&small(1));
    let mut server = Server::open(Arc::new(disk.clone()), &small(1)).expect("opens");
    outgrow(&mut server);
    let stats = server.engines[0].stats();
    assert!(stats.failed_jobs == 1 && stats.tables > 1 && disk.bytes(&path).is_some(), "{stats:?}");
    assert_eq!(reported(&mut server), bad);
    drop_slots(&mut server, bad);
    outgrow(&mut server);
    let stats = server.engines[0].stats();
    assert!(stats.failed_jobs == 1 && stats.damaged_tables == 0 && disk.bytes(&path).is_none(), "{stats:?}");
}

#[test]
fn an_unsynced_drop_heals_nothing() {
    let (disk, path, bad) = with_bad_block(&small(1));
    let mut server = Server::open(Arc::new(disk.clone()), &small(1)).expect("opens");
    assert!(server.get(bad[0], b"key").is_err());
    for &slot in &bad {
        server.apply(&Op { slot, changes: vec![Change::DropSlot] });
    }
    server.engines[0].tick();
    server.settle();
    assert!(disk.bytes(&path).is_some());
    assert_eq!(server.get(bad[0], b"key"), Ok(None));
    disk.power_loss();
    let mut server = Server::open(Arc::new(disk.clone()), &small(1)).expect("opens");
    assert_eq!(server.get(bad[0], b"key"), Err(LoadError::Damaged), "the drop was lost");
}

#[test]
fn a_table_that_only_a_merge_finds_damaged_is_left_alone() {
    let disk = Arc::new(Bad::new(&SimDisk::new(1), "", EIO, false));
    let mut server = Server::open(disk.clone(), &small(1)).expect("an empty disk opens");
    let (mut merges, mut surveys) = (0, 0);
    for round in 0..6u8 {
        server.apply(&put(slot(0), &[round], vec![round; 1_000]));
        server.commit().expect("no fault");
        server.engines[0].freeze_all();
        let (mut jobs, mut loaded) = (Vec::new(), Vec::new());
        loop {
            server.engines[0].take_jobs(&mut jobs);
            let Some(job) = jobs.pop() else { break };
            merges += u32::from(job.kind() == JobKind::Compact);
            surveys += u32::from(job.kind() == JobKind::Survey);
            disk.wrong.store(job.kind() == JobKind::Compact, Relaxed);
            let done = job.run(&*disk);
            disk.wrong.store(false, Relaxed);
            server.engines[0].on_job_done(done, &mut loaded);
        }
    }
    let stats = server.engines[0].stats();
    assert_eq!((merges, surveys, stats.failed_jobs, stats.damaged_tables), (1, 1, 1, 1), "{stats:?}");
    assert_eq!(reported(&mut server), [], "every block is sound");
    for round in 0..6 {
        assert!(server.get(slot(0), &[round]).expect("sound").is_some());
    }
    drop_slots(&mut server, [slot(0)]);
    assert_eq!((server.engines[0].stats().tables, server.engines[0].stats().damaged_tables), (0, 0));
}

#[test]
fn a_scan_of_a_slot_minds_only_the_blocks_of_that_slot() {
    for flat_index_bytes in [256, 1 << 20] {
        let options = Options { flat_index_bytes, ..small(1) };
        let (disk, _, bad) = with_bad_block(&options);
        let mut server = Server::open(Arc::new(disk), &options).expect("opens");
        let mut stopped = Vec::new();
        for place in (0..60).map(slot) {
            let mut page = Vec::new();
            match server.engines[0].scan(ScanRange::slot(place)).next_page(1 << 20, &mut page) {
                Ok(_) => assert_eq!(page.len(), 1, "{place:?}"),
                Err(error) => {
                    assert_eq!(error, LoadError::Damaged);
                    stopped.push(place);
                }
            }
        }
        assert!(!stopped.is_empty() && stopped.iter().all(|slot| bad.contains(slot)), "{stopped:?}, {bad:?}");
        assert!(
            server.get(slot(59), b"key").is_ok() && reported(&mut server).is_empty(),
            "nobody has told yet"
        );
        // A scan of everything comes up to the damage.
        let mut page = Vec::new();
        let whole = ScanRange { first: slot(0), last: slot(100), after: None };
        let mut scan = server.engines[0].scan(whole);
        assert_eq!(scan.next_page(1 << 20, &mut page), Err(LoadError::Damaged));
        let before = (0..60).map(slot).filter(|place| *place < stopped[0]).count();
        assert_eq!(page.len(), before);
        // A page that is read by a job has it reported.
        let limit = PageLimit { records: 10, bytes: 1_000 };
        server.engines[0].page(stopped[0], None, limit);
        server.settle();
        assert_eq!(server.take_pages().pop().map(|page| page.result), Some(Err(LoadError::Damaged)));
        assert_eq!(reported(&mut server), bad);
    }
}
