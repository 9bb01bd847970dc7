//! The real disk, in a folder of its own that goes when the test ends.

use crate::harness::{Change, Op, Server, key, small};
use clockwise_store::{Disk, Engine, Job, JobDone, Log, LogBatch, RealDisk, meta};
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
};

struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("clockwise-store-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Folder(std::env::temp_dir().join(name))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _leftover = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_folder_has_one_owner() {
    let folder = Folder::new();
    let disk = RealDisk::open(&folder.0).expect("a new folder");
    let error = RealDisk::open(&folder.0).expect_err("it is held");
    assert_eq!(error.kind(), std::io::ErrorKind::ResourceBusy);
    assert!(error.to_string().contains("in use by another server"));
    drop(disk);
    RealDisk::open(&folder.0).expect("free again");
}

#[test]
fn keeps_records_through_restarts() {
    let folder = Folder::new();
    for life in 0..4 {
        let disk = Arc::new(RealDisk::open(&folder.0).expect("free"));
        let mut server = Server::open(disk, &small(1 + life as usize)).expect("opens");
        assert_eq!(server.report.created, life == 0);
        assert_eq!(server.report.clean, life > 1, "the first life is not closed");
        for number in 0..48 {
            let (slot, key) = key(number);
            let expected = (life > 0).then(|| format!("life {} {}", life - 1, "v".repeat(600)).into_bytes());
            assert_eq!(server.get(slot, &key).expect("readable").map(|bytes| bytes.to_vec()), expected);
            let record = format!("life {life} {}", "v".repeat(600)).into_bytes();
            server.apply(&Op { slot, changes: vec![Change::Put(key, record, 0)] });
            server.commit().expect("no fault");
            server.settle();
        }
        assert!(server.engines.iter().any(|engine| engine.stats().flushes > 0));
        if life > 0 {
            server.log.close().expect("no fault");
        }
    }
}

#[test]
fn answers_like_the_trait_says() {
    let folder = Folder::new();
    let disk = RealDisk::open(&folder.0).expect("a new folder");
    disk.create_dir("d").expect("new");
    disk.create_dir("d").expect("fine if it is there");
    let file = disk.create("d/a").expect("new");
    assert_eq!(disk.create("d/a").err().map(|error| error.kind()), Some(std::io::ErrorKind::AlreadyExists));
    assert_eq!(disk.open("d/b").err().map(|error| error.kind()), Some(std::io::ErrorKind::NotFound));
    file.write_at(b"hello", 3).expect("writes");
    file.sync().expect("syncs");
    let mut buffer = [9; 10];
    assert_eq!(file.read_at(&mut buffer, 2).expect("reads"), 6);
    assert_eq!(&buffer[..6], b"\0hello");
    file.set_len(4).expect("cuts");
    assert_eq!(file.len().expect("asks"), 4);
    disk.rename("d/a", "d/c").expect("renames");
    disk.sync_dir("d").expect("syncs");
    assert_eq!(disk.list("d").expect("lists"), ["c"]);
    disk.remove("d/c").expect("removes");
    assert_eq!(disk.list("").expect("lists"), ["d"], "the lock is nobody's business");
    let space = disk.space().expect("asks");
    assert!(space.total_bytes > 1 << 20 && space.available_bytes <= space.total_bytes);
    meta::save(&disk, "identity", b"one").expect("saves");
    meta::save(&disk, "identity", b"two").expect("saves again");
    assert_eq!(meta::load(&disk, "identity").expect("reads").as_deref(), Some(&b"two"[..]));
    assert!(meta::load(&disk, "other").expect("reads").is_none());
}

#[test]
fn jobs_run_on_other_threads() {
    fn is_send<T: Send>() {}
    is_send::<(Engine, Log, Job, JobDone, LogBatch)>();

    let folder = Folder::new();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::open(&folder.0).expect("a new folder"));
    let mut server = Server::open(Arc::clone(&disk), &small(2)).expect("opens");
    let (to_workers, jobs) = mpsc::channel::<Job>();
    let jobs = std::sync::Mutex::new(jobs);
    let (to_engine, results) = mpsc::channel();
    let mut running = 0;
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let job = jobs.lock().expect("nobody panics").recv();
                    let Ok(job) = job else { return };
                    if to_engine.send(job.run(&*disk)).is_err() {
                        return;
                    }
                }
            });
        }
        let to_workers = to_workers;
        for round in 0..2000u32 {
            let (slot, key) = key(round % 48);
            let record = format!("{round} {}", "v".repeat(300)).into_bytes();
            server.apply(&Op { slot, changes: vec![Change::Put(key, record, 0)] });
            if round % 64 == 63 {
                server.commit().expect("no fault");
            }
            server.collect();
            for job in server.jobs.drain(..) {
                running += 1;
                to_workers.send(job).expect("workers listen");
            }
            while let Ok(done) = results.try_recv() {
                running -= 1;
                server.engines[done.shard()].on_job_done(done, &mut server.loaded);
            }
        }
        while running > 0 {
            let done = results.recv().expect("workers answer");
            running -= 1;
            server.engines[done.shard()].on_job_done(done, &mut server.loaded);
            server.collect();
            for job in server.jobs.drain(..) {
                running += 1;
                to_workers.send(job).expect("workers listen");
            }
        }
    });
    assert!(
        server.engines.iter().all(|engine| engine.stats().compactions > 0 && engine.stats().failed_jobs == 0)
    );
    for number in 0..48 {
        let (slot, key) = key(number);
        let newest = (0..2000).rev().find(|round| round % 48 == number).expect("each key was written");
        let found = server.get(slot, &key).expect("readable").expect("written");
        assert!(found.starts_with(format!("{newest} ").as_bytes()));
    }
}
