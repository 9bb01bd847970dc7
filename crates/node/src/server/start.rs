//! Starting a server: sockets first, then recovery, then threads.

use super::{
    Doors, Exit, ServerHandle, Shared,
    control::{ControlLine, start_control_thread},
    identity::Standing,
    shared::Life,
};
use crate::{
    folder::Folder,
    log::{start_job_threads, start_log_thread},
    settings::Settings,
    shard::{Letter, start_shard},
};
use clockwise_core::witness::Process;
use clockwise_store::{OpenError, Opened, Options, RecoveryReport};
use std::{
    fmt, io,
    net::SocketAddr,
    sync::Arc,
    thread::{self, JoinHandle},
};

/// Why a server does not start.
#[derive(Debug)]
pub enum StartError {
    /// A socket cannot be had.
    Bind {
        /// Which one.
        name: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The data cannot be opened.
    Open(OpenError),
    /// A thread cannot be started, or the machine has no randomness.
    Machine(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Bind { name, address, error } => {
                write!(f, "cannot listen on {address} ({name}): {error}")
            }
            StartError::Open(error) => write!(f, "{error}"),
            StartError::Machine(error) => write!(f, "cannot start: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// See [`Server::start`].
#[derive(Debug)]
pub struct Server;

/// Threads in the order in which they end.
struct Threads {
    shards: Vec<JoinHandle<()>>,
    jobs: Vec<JoinHandle<()>>,
    log: JoinHandle<()>,
    control: JoinHandle<Folder>,
}

impl Server {
    /// Binds all sockets, recovers the data and starts the threads. The server serves when this returns, as far as
    /// its layout and peers allow.
    pub fn start(settings: Settings, mut folder: Folder) -> Result<ServerHandle, StartError> {
        super::files::raise_limit(settings.max_connections);
        let doors = Doors::bind(&settings.listen)?;
        let opened = open(&settings, &folder)?;
        take_new_life_after_loss(&mut folder, &opened.report)?;
        let life = Life {
            incarnation: folder.identity.incarnation,
            starts: folder.identity.starts,
            clock_floor: folder.clock_floor,
            clock_reserved: folder.identity.reserved,
        };
        let (control, steps) = ControlLine::open();
        let standing = Standing::new(process(&folder).map_err(StartError::Machine)?, folder.witness.clone());
        let shared = Arc::new(Shared::new(settings, folder.identity.node, life, standing, control));
        shared.metrics.recovered(&opened.report);
        if let Some(layout) = &folder.layout {
            shared.set_layout(Arc::clone(layout));
            shared.tell_all(|| Letter::Layout(Arc::clone(layout)));
            shared.confirm_if_enough();
        }
        let threads = start_threads(&shared, opened, folder, doors, steps).map_err(StartError::Machine)?;
        let supervisor = Arc::clone(&shared);
        thread::Builder::new()
            .name("supervisor".to_owned())
            .spawn(move || supervise(&supervisor, threads))
            .map_err(StartError::Machine)?;
        Ok(ServerHandle::new(shared))
    }
}

/// Names this process.
fn process(folder: &Folder) -> io::Result<Process> {
    let mut run = [0; 8];
    getrandom::fill(&mut run).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(Process { starts: folder.identity.starts, run: u64::from_le_bytes(run) })
}

/// A clean stop promises that everything minted is in the data. When recovery finds otherwise, the promise is void and
/// the dots of this incarnation must not be used on.
fn take_new_life_after_loss(folder: &mut Folder, report: &RecoveryReport) -> Result<(), StartError> {
    report_recovery(report);
    let lost = folder.clean_start && folder.layout.is_some() && (report.created || !report.clean);
    if !lost {
        return Ok(());
    }
    let incarnation = folder.identity.incarnation.saturating_add(1);
    tracing::warn!(incarnation, "the last stop was noted as clean, but data is missing: new incarnation");
    folder.take_incarnation(incarnation).map_err(StartError::Machine)
}

/// Says what recovery found. Damage may hit all slots of a cell: their number is enough.
fn report_recovery(report: &RecoveryReport) {
    let RecoveryReport { created, clean, batches, replayed, torn_bytes, tables, orphans, .. } = *report;
    tracing::info!(created, clean, batches, replayed, torn_bytes, tables, orphans, "data recovered");
    if report.damaged_log_places > 0 || !report.damaged_slots.is_empty() {
        tracing::error!(
            damaged_log_places = report.damaged_log_places,
            damaged_tables = ?report.damaged_tables,
            damaged_slots = report.damaged_slots.len(),
            "some of the data is damaged and is not served: these slots need their other replicas"
        );
    }
}

fn open(settings: &Settings, folder: &Folder) -> Result<Opened, StartError> {
    let mut seed = [0; 8];
    getrandom::fill(&mut seed).map_err(|error| StartError::Machine(io::Error::other(error.to_string())))?;
    let engine = Options::default();
    // A reserve that is named counts alone.
    let (reserve_bytes, reserve_percent) = match settings.disk_reserve_bytes {
        Some(bytes) => (bytes, 0),
        None => (engine.reserve_bytes, engine.reserve_percent),
    };
    let options = Options {
        shards: settings.shards.clamp(1, crate::limits::SHARDS),
        memtable_bytes: settings.memtable_bytes,
        cache_bytes: settings.cache_bytes,
        reserve_bytes,
        reserve_percent,
        compression: settings.compression,
        hash_seed: u64::from_le_bytes(seed),
        ..engine
    };
    clockwise_store::open(Arc::clone(&folder.disk), options).map_err(StartError::Open)
}

fn start_threads(
    shared: &Arc<Shared>,
    opened: Opened,
    folder: Folder,
    doors: Doors,
    steps: std::sync::mpsc::Receiver<super::Control>,
) -> io::Result<Threads> {
    let disk = Arc::clone(&folder.disk);
    let control = start_control_thread(shared, folder, steps)?;
    let log = start_log_thread(shared, opened.log)?;
    let jobs = start_job_threads(shared, &disk)?;
    let mut doors = Some(doors);
    let mut shards = Vec::new();
    for (id, engine) in (0..shared.shards).zip(opened.engines) {
        shards.push(start_shard(id, shared, engine, doors.take())?);
    }
    Ok(Threads { shards, jobs, log, control })
}

/// Waits for the stop and takes the server down: first whoever mints, then the log, then the folder's word that all
/// is in the data.
fn supervise(shared: &Arc<Shared>, threads: Threads) {
    shared.lifecycle.wait_for_stop();
    shared.tell_all(|| Letter::Stop);
    let joined = |handle: JoinHandle<()>| {
        // A panic was reported by the thread's guard.
        let _ = handle.join();
    };
    if shared.lifecycle.failure().is_none() {
        threads.shards.into_iter().for_each(joined);
        shared.jobs.close();
        threads.jobs.into_iter().for_each(joined);
        shared.log.close();
        joined(threads.log);
    }
    shared.control.end();
    let exit = match (shared.lifecycle.failure(), threads.control.join()) {
        (Some(why), _) => Exit::Failed(why),
        (None, Ok(mut folder)) => match folder.stop_cleanly() {
            Ok(()) => Exit::Clean,
            Err(error) => Exit::Failed(format!("the clean stop could not be recorded: {error}")),
        },
        (None, Err(_)) => Exit::Failed("the control thread panicked".to_owned()),
    };
    tracing::info!(?exit, "stopped");
    shared.lifecycle.end(exit);
}
