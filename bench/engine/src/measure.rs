//! What a measured phase cost this process, and the state that it is measured in.

use anyhow::{Context, Result};
use rustix::{
    fs::{Advice, fadvise},
    time::{ClockId, clock_gettime},
};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    os::unix::fs::MetadataExt,
    path::Path,
    time::Instant,
};

/// What one row of one engine came to.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Figures {
    /// Operations.
    pub operations: u64,
    /// Time until the last one was answered, in nanoseconds.
    pub wall_ns: u64,
    /// User and system time of the process until no background work was left, in nanoseconds.
    pub cpu_ns: u64,
    /// Bytes that the process gave to write calls in that time.
    pub written_bytes: u64,
    /// Bytes of the keys and values that were put.
    pub user_bytes: u64,
    /// Resident memory before the engine was opened, in bytes.
    pub base_rss_bytes: u64,
    /// The most there was, in bytes.
    pub peak_rss_bytes: u64,
    /// Blocks that the folder takes on disk after everything was written to tables, in bytes; 0 if not looked at.
    pub disk_bytes: u64,
}

/// A running measurement.
pub struct Meter {
    began: Instant,
    cpu_ns: u64,
    written_bytes: u64,
}

impl Meter {
    /// Begins.
    pub fn start() -> Result<Self> {
        Ok(Self { written_bytes: written_bytes()?, cpu_ns: cpu_ns(), began: Instant::now() })
    }

    /// Time since the beginning, in nanoseconds.
    pub fn wall_ns(&self) -> u64 {
        self.began.elapsed().as_nanos() as u64
    }

    /// Ends it.
    pub fn stop(&self, operations: u64, wall_ns: u64) -> Result<Figures> {
        Ok(Figures {
            operations,
            wall_ns,
            cpu_ns: cpu_ns() - self.cpu_ns,
            written_bytes: written_bytes()? - self.written_bytes,
            peak_rss_bytes: status_bytes("VmHWM:")?,
            ..Figures::default()
        })
    }
}

/// CPU time of all threads of this process, ended ones included, in nanoseconds.
fn cpu_ns() -> u64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Bytes that this process gave to write calls.
pub fn written_bytes() -> Result<u64> {
    field("/proc/self/io", "wchar:")
}

/// Resident memory of this process now, in bytes.
pub fn resident_bytes() -> Result<u64> {
    status_bytes("VmRSS:")
}

fn status_bytes(name: &str) -> Result<u64> {
    Ok(field("/proc/self/status", name)? * 1024)
}

fn field(path: &str, name: &str) -> Result<u64> {
    let text = fs::read_to_string(path).with_context(|| format!("read {path}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    number.with_context(|| format!("{path} has no {name}"))
}

/// Bytes of disk that a folder takes.
pub fn disk_bytes(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    each_file(folder, &mut |path| {
        bytes += fs::metadata(path)?.blocks() * 512;
        Ok(())
    })?;
    Ok(bytes)
}

/// Has the operating system forget what it holds of a folder's files, so that they are read from the disk.
pub fn forget_pages(folder: &Path) -> Result<()> {
    each_file(folder, &mut |path| {
        let file = File::open(path)?;
        // Only what is on disk can be forgotten.
        file.sync_all()?;
        Ok(fadvise(&file, 0, None, Advice::DontNeed)?)
    })
}

fn each_file(folder: &Path, act: &mut dyn FnMut(&Path) -> Result<()>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() { each_file(&path, act)? } else { act(&path)? }
    }
    Ok(())
}
