//! Real processes on real disks: killed under load, and cut off from a file system that is shut down under load.
//! Whatever a process was told is synced is there afterwards, and nothing else than what it wrote.
//!
//! `CLOCKWISE_KILLS=300` and `CLOCKWISE_POWER_CUTS=50` before `cargo test -p clockwise-store --test power --
//! --nocapture` make more of them, and then a machine without root or loop devices is a failure instead of a skip.

mod judge;
mod mounted;
mod shutdown;
mod work;
mod writer;

use clockwise_store::RealDisk;
use judge::Judge;
use mounted::Mounted;
use std::{
    io,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};
use writer::Writer;

/// How many rounds, and whether they were asked for.
fn rounds(variable: &str, automatic: u32) -> (u32, bool) {
    let asked = std::env::var(variable).ok().and_then(|count| count.parse().ok());
    (asked.unwrap_or(automatic), asked.is_some())
}

/// A folder's lock. Another test of this process that starts a child just now has, for the moment before the child
/// becomes another program, a second holder of every lock.
pub fn patiently(open: impl Fn() -> io::Result<RealDisk>) -> RealDisk {
    let began = Instant::now();
    loop {
        match open() {
            Ok(disk) => return disk,
            Err(error) if error.kind() != io::ErrorKind::ResourceBusy => panic!("{error}"),
            Err(error) if began.elapsed() > Duration::from_secs(10) => panic!("{error}"),
            Err(_) => thread::sleep(Duration::from_millis(2)),
        }
    }
}

/// A folder of its own that goes when the test ends.
pub struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("clockwise-power-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("the temporary folder is writable");
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _leftover = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let (kills, _) = rounds("CLOCKWISE_KILLS", 20);
    let folder = Folder::new();
    let data = folder.0.join("data");
    let mut judge = Judge::new(1);
    let mut rng = fastrand::Rng::with_seed(1);
    for _ in 0..kills {
        let mut writer = Writer::start(&data, judge.next_serial());
        writer.wait_for_acknowledgements(rng.u32(1..120));
        thread::sleep(Duration::from_micros(rng.u64(..20_000)));
        let told = writer.kill();
        judge.judge(&data, told);
    }
    println!("{kills} kills, {}", judge.summary());
    assert!(judge.acknowledged() > u64::from(kills) * 20);
}

#[test]
fn what_was_acknowledged_survives_power_cuts() {
    let (cuts, asked) = rounds("CLOCKWISE_POWER_CUTS", 6);
    let folder = Folder::new();
    let mut mounted = match Mounted::new(&folder.0) {
        Ok(mounted) => mounted,
        Err(why) if asked => panic!("power cuts were asked for, and this machine cannot make them: {why}"),
        Err(why) => {
            println!("SKIPPED: real power cuts need root and loop devices: {why}");
            return;
        }
    };
    let mut judge = Judge::new(2);
    let mut rng = fastrand::Rng::with_seed(2);
    let mut noticed = 0;
    for cut in 0..cuts {
        let data = mounted.path().join("data");
        let mut writer = Writer::start(&data, judge.next_serial());
        writer.wait_for_acknowledgements(rng.u32(1..200));
        thread::sleep(Duration::from_micros(rng.u64(..30_000)));
        // Mostly what was not in the journal is lost; sometimes it is written, but no data.
        mounted.cut(if cut % 4 == 3 { shutdown::Kind::WithJournal } else { shutdown::Kind::AtOnce });
        let (told, failed) = writer.wait_for_the_end();
        noticed += u32::from(failed);
        mounted.power_up();
        judge.judge(&data, told);
    }
    println!("{cuts} power cuts, {noticed} noticed by a failing log, {}", judge.summary());
    assert!(judge.acknowledged() > u64::from(cuts) * 20);
    assert!(noticed > cuts / 2, "a log that goes on without its disk: {noticed} of {cuts}");
}

/// The process that is killed: this test binary once more.
#[test]
#[ignore = "it is started by the other tests, as a process of its own"]
fn writer_process() {
    writer::run_if_asked();
}
