//! Checkpoints while changes, flushes and merges go on: the folder opens and shows the instant of the beginning,
//! also after a power cut, and nothing that happens to the original changes it.

use crate::harness::{Server, State, dump, random_op, small, visible};
use clockwise_store::{Disk, DiskFile, JobKind, SimDisk, Space, checkpoint};
use fastrand::Rng;
use std::{collections::BTreeMap, io, sync::Arc};

/// A folder of a shared disk that lives as long as it must.
struct Folder(SimDisk, String);

impl Folder {
    fn at(&self, path: &str) -> String {
        if path.is_empty() { self.1.clone() } else { format!("{}/{path}", self.1) }
    }
}

impl Disk for Folder {
    fn create(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        self.0.create(&self.at(path))
    }
    fn open(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        self.0.open(&self.at(path))
    }
    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.0.list(&self.at(dir))
    }
    fn create_dir(&self, path: &str) -> io::Result<()> {
        self.0.create_dir(&self.at(path))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(&self.at(from), &self.at(to))
    }
    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.link(&self.at(from), &self.at(to))
    }
    fn remove(&self, path: &str) -> io::Result<()> {
        self.0.remove(&self.at(path))
    }
    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.0.sync_dir(&self.at(dir))
    }
    fn space(&self) -> io::Result<Space> {
        self.0.space()
    }
}

type States = BTreeMap<u16, State>;

/// What a folder holds once it is opened.
fn opened(disk: &SimDisk, dir: &str) -> States {
    let folder = Arc::new(Folder(disk.clone(), dir.to_owned()));
    let mut server = Server::open(folder, &small(3)).expect("a sealed checkpoint opens");
    assert!(server.report.damaged_slots.is_empty() && server.report.damaged_tables.is_empty());
    dump(&mut server).expect("no fault")
}

fn write(server: &mut Server, rng: &mut Rng, states: &mut States, serial: u64) {
    let op = random_op(rng, serial);
    server.apply(&op);
    states.entry(op.slot.cell()).or_default().apply(&op);
}

#[test]
fn a_checkpoint_is_the_instant_of_its_beginning() {
    for seed in 0..6 {
        let mut rng = Rng::with_seed(seed);
        let disk = SimDisk::new(seed);
        let options = small(1 + seed as usize % 3);
        let mut server = Server::open(Arc::new(disk.clone()), &options).expect("an empty disk opens");
        let mut states = States::new();
        let mut serial = 0;
        let mut made = Vec::new();
        for round in 0..8 {
            for _ in 0..rng.u32(..300) {
                serial += 1;
                write(&mut server, &mut rng, &mut states, serial);
                if rng.bool() {
                    server.step(&mut rng);
                }
            }
            let dir = format!("checkpoint-{round}");
            assert!(server.engines.iter_mut().all(|engine| engine.checkpoint(&dir)));
            assert!(!server.engines[0].checkpoint(&dir), "one at a time");
            let instant = states.clone();
            let mut parts = Vec::new();
            while parts.len() < server.engines.len() {
                serial += 1;
                write(&mut server, &mut rng, &mut states, serial);
                server.step(&mut rng);
                let done = server.engines.iter_mut().filter_map(|engine| engine.take_checkpoint());
                parts.extend(done.map(|part| part.expect("no fault")));
            }
            checkpoint::seal(&disk, &dir, &parts, &options).expect("no fault");
            made.push((dir, instant));
        }
        server.commit().expect("no fault");
        server.settle();
        disk.power_loss();
        for (dir, instant) in made {
            let found = opened(&disk, &dir);
            for (cell, state) in instant {
                assert_eq!(found[&cell], visible(&state), "cell {cell} of {dir}, seed {seed}");
            }
        }
    }
}

#[test]
fn a_checkpoint_that_cannot_be_made_says_so_and_the_next_one_works() {
    let disk = SimDisk::new(1);
    let options = small(1);
    let mut server = Server::open(Arc::new(disk.clone()), &options).expect("an empty disk opens");
    let mut states = States::new();
    let mut rng = Rng::with_seed(1);
    (0..200).for_each(|serial| write(&mut server, &mut rng, &mut states, serial));
    assert!(server.engines[0].checkpoint("taken"));
    server.settle();
    let part = server.engines[0].take_checkpoint().expect("it is done").expect("no fault");
    assert!(checkpoint::seal(&disk, "taken", &[], &options).is_err(), "parts are missing");
    checkpoint::seal(&disk, "taken", &[part], &options).expect("no fault");
    assert!(server.engines[0].checkpoint("taken"));
    server.settle();
    let refused = server.engines[0].take_checkpoint().expect("it is done");
    assert_eq!(refused.err().map(|error| error.kind()), Some(io::ErrorKind::AlreadyExists));
    assert!(server.engines[0].checkpoint("other"));
    server.settle();
    assert!(server.engines[0].take_checkpoint().expect("it is done").is_ok());
}

/// An engine with a checkpoint that waits for flushes.
fn waiting() -> (SimDisk, Server) {
    let disk = SimDisk::new(1);
    let mut server = Server::open(Arc::new(disk.clone()), &small(1)).expect("an empty disk opens");
    let (mut states, mut rng) = (States::new(), Rng::with_seed(1));
    (0..200).for_each(|serial| write(&mut server, &mut rng, &mut states, serial));
    assert!(server.engines[0].checkpoint("waiting"));
    assert!(server.engines[0].take_checkpoint().is_none());
    (disk, server)
}

#[test]
fn a_checkpoint_ends_when_the_engine_fails() {
    let (_disk, mut server) = waiting();
    server.engines[0].fail();
    assert!(server.engines[0].take_checkpoint().expect("it is over").is_err());
    assert!(!server.engines[0].checkpoint("another"), "and none begins");
    server.settle();
    assert!(server.engines[0].take_checkpoint().is_none(), "said once");
}

#[test]
fn a_checkpoint_ends_when_a_manifest_cannot_be_written() {
    let (disk, mut server) = waiting();
    let (mut jobs, mut loaded) = (Vec::new(), Vec::new());
    loop {
        server.engines[0].take_jobs(&mut jobs);
        let Some(job) = jobs.pop() else { break };
        disk.full(job.kind() == JobKind::Install);
        server.engines[0].on_job_done(job.run(&disk), &mut loaded);
    }
    assert!(server.engines[0].take_checkpoint().expect("it is over").is_err());
}

#[test]
fn a_checkpoint_that_waits_for_nothing_is_made_by_a_failed_engine_too() {
    let disk = SimDisk::new(1);
    let mut server = Server::open(Arc::new(disk), &small(1)).expect("an empty disk opens");
    assert!(server.engines[0].checkpoint("empty"));
    server.engines[0].fail();
    server.settle();
    assert!(server.engines[0].take_checkpoint().expect("it is over").is_ok());
}
