//! The process that writes until it is killed or its disk is gone, and the handle that its parent has on it. It says
//! "ack N" when everything up to operation N was reported as synced.

use crate::{
    patiently,
    work::{key, work},
};
use clockwise_core::storage::{Mutation, Storage};
use clockwise_store::{Disk, Engine, Job, JobDone, Log, Opened, Options, RealDisk, open};
use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

const FOLDER: &str = "CLOCKWISE_WRITER_FOLDER";
/// A backlog that lasts for so long is that of a disk which is gone.
const STUCK: Duration = Duration::from_secs(10);
const FIRST: &str = "CLOCKWISE_WRITER_FIRST";

/// Small, so that everything happens within a fraction of a second.
pub fn options(shards: usize) -> Options {
    Options {
        shards,
        memtable_bytes: 512 << 10,
        cache_bytes: 256 << 10,
        segment_bytes: 256 << 10,
        first_segment_bytes: 64 << 10,
        log_bytes: 1 << 20,
        reserve_bytes: 0,
        reserve_percent: 0,
        ..Options::default()
    }
}

pub struct Writer {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
    /// The highest number that it said is acknowledged.
    acknowledged: u64,
    failed: bool,
}

impl Writer {
    /// Starts the process on a folder; its first operation has this number.
    pub fn start(folder: &Path, first: u64) -> Writer {
        let mut child = Command::new(env::current_exe().expect("a test has a binary"))
            .args(["--exact", "writer_process", "--ignored", "--nocapture", "--test-threads", "1"])
            .env(FOLDER, folder)
            .env(FIRST, first.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the test binary runs");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Writer { child, lines, acknowledged: first - 1, failed: false }
    }

    /// Reads one line; false at the end.
    fn read(&mut self) -> bool {
        let Some(Ok(line)) = self.lines.next() else { return false };
        // The test harness speaks on the same pipe, once without ending its line.
        if let Some((_, number)) = line.split_once("ack ") {
            self.acknowledged = number.parse().unwrap_or(self.acknowledged);
        }
        self.failed |= line.contains("the log failed");
        true
    }

    pub fn wait_for_acknowledgements(&mut self, count: u32) {
        let before = self.acknowledged;
        let mut changes = 0;
        while changes < count {
            let last = self.acknowledged;
            assert!(self.read(), "the writer ended after operation {last} (it began after {before})");
            changes += u32::from(self.acknowledged != last);
        }
    }

    /// `kill -9`; answers the last acknowledged operation.
    pub fn kill(mut self) -> u64 {
        self.child.kill().expect("it runs");
        self.wait_for_the_end().0
    }

    /// Waits until the process has ended by itself, or was killed; answers the last acknowledged operation, and whether
    /// its log had failed.
    pub fn wait_for_the_end(mut self) -> (u64, bool) {
        while self.read() {}
        self.child.wait().expect("it was started here");
        (self.acknowledged, self.failed)
    }
}

/// Writes, if this process was started for it.
pub fn run_if_asked() {
    let (Some(folder), Ok(first)) = (env::var_os(FOLDER), env::var(FIRST)) else { return };
    let first: u64 = first.parse().expect("the parent writes a number");
    let disk: Arc<dyn Disk> = Arc::new(patiently(|| RealDisk::open(Path::new(&folder))));
    let shards = 1 + (first % 3) as usize;
    let Opened { engines, log, .. } = open(Arc::clone(&disk), options(shards)).expect("the folder opens");
    let (to_workers, jobs) = mpsc::channel::<Job>();
    let (to_engines, results) = mpsc::channel::<JobDone>();
    let jobs = Arc::new(Mutex::new(jobs));
    for _ in 0..2 {
        let (jobs, to_engines, disk) = (Arc::clone(&jobs), to_engines.clone(), Arc::clone(&disk));
        thread::spawn(move || {
            loop {
                let job = jobs.lock().expect("nobody panics").recv();
                let Ok(job) = job else { return };
                if to_engines.send(job.run(&*disk)).is_err() {
                    return;
                }
            }
        });
    }
    let mut writing = Writing { engines, log, to_workers, results };
    let error = writing.run(first);
    println!("\nthe log failed: {error}");
    // Without the test harness's farewell, and without waiting for the workers.
    std::process::exit(3);
}

struct Writing {
    engines: Vec<Engine>,
    log: Log,
    to_workers: mpsc::Sender<Job>,
    results: mpsc::Receiver<JobDone>,
}

impl Writing {
    /// Writes until something fails for good.
    fn run(&mut self, first: u64) -> String {
        let mut rng = fastrand::Rng::with_seed(first);
        let mut serial = first;
        let mut out = std::io::stdout();
        let mut advanced = Instant::now();
        loop {
            let before = serial;
            for _ in 0..rng.usize(1..24) {
                let work = work(serial);
                let shard = usize::from(work.slot.cell()) % self.engines.len();
                match self.engines[shard].admits() {
                    Ok(()) => {}
                    Err(clockwise_core::storage::Refusal::Backlog) => break,
                    Err(refusal) => return format!("{refusal:?}"),
                }
                let key = key(work.key);
                let change = match &work.record {
                    Some(record) => Mutation::Put { key: &key, record, live: 0, sums: &[] },
                    None => Mutation::Forget { key: &key, live: 0, sums: &[] },
                };
                self.engines[shard].apply(work.slot, &[change, Mutation::Lines(&work.lines)]);
                serial += 1;
            }
            if serial > before {
                advanced = Instant::now();
            } else if advanced.elapsed() > STUCK {
                // Without its disk a log that has nothing to write does not notice, but no flush succeeds either.
                return "nothing is flushed any more".to_owned();
            } else {
                self.engines.iter_mut().for_each(Engine::tick);
                thread::sleep(Duration::from_millis(1));
            }
            for engine in &mut self.engines {
                if let Some(batch) = engine.take_batch() {
                    self.log.append(batch);
                }
            }
            // Now and then as periodic durability does it: written, and acknowledged by a later sync.
            if rng.u32(..6) == 0 {
                if let Err(error) = self.log.write() {
                    return error.to_string();
                }
            } else if let Err(error) = self.log.sync() {
                return error.to_string();
            } else if writeln!(out, "\nack {}", serial - 1).is_err() {
                return "nobody listens".to_owned();
            }
            self.background();
        }
    }

    fn background(&mut self) {
        let (mut loaded, mut jobs, mut flushed) = (Vec::new(), Vec::new(), Vec::new());
        while let Ok(done) = self.results.try_recv() {
            self.engines[done.shard()].on_job_done(done, &mut loaded);
        }
        for engine in &mut self.engines {
            engine.take_jobs(&mut jobs);
            engine.take_flushed(&mut flushed);
        }
        for job in jobs {
            self.to_workers.send(job).expect("the workers live as long as the process");
        }
        for notice in flushed {
            self.log.on_flushed(notice);
        }
    }
}
