//! The machine: what it is, how busy it is, how long its disk takes for an `fdatasync`.

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use std::{fs, os::unix::fs::FileExt, path::Path, process::Command, time::Instant};

/// Writes in a measurement of the disk.
const SYNCS: u64 = 500;
/// Bytes of each.
const SYNC_BYTES: usize = 4096;

/// `fdatasync` after a write of 4 KiB into blocks that were written before.
pub struct SyncLatency {
    /// Latency in nanoseconds.
    pub latency_ns: Histogram<u64>,
}

impl SyncLatency {
    /// Measures in `folder`.
    pub fn measure(folder: &Path) -> Result<Self> {
        let path = folder.join("fdatasync");
        let file = fs::File::create(&path).with_context(|| format!("create {}", path.display()))?;
        let block = vec![0x5a; SYNC_BYTES];
        for index in 0..SYNCS {
            file.write_all_at(&block, index * SYNC_BYTES as u64)?;
        }
        file.sync_all()?;
        let mut latency_ns = crate::load::new_histogram();
        for index in 0..SYNCS {
            file.write_all_at(&block, index * SYNC_BYTES as u64)?;
            let began = Instant::now();
            file.sync_data()?;
            latency_ns.saturating_record(began.elapsed().as_nanos() as u64);
        }
        fs::remove_file(&path)?;
        Ok(Self { latency_ns })
    }

    /// Percentiles in microseconds.
    pub fn to_json(&self) -> Value {
        let us = |quantile: f64| self.latency_ns.value_at_quantile(quantile) as f64 / 1e3;
        json!({ "p50_us": us(0.5), "p99_us": us(0.99), "max_us": self.latency_ns.max() as f64 / 1e3 })
    }
}

/// Load average of the last minute; says whether the figures can be trusted.
pub fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(-1.0)
}

/// Processor, kernel and memory in one line each.
pub fn description() -> Value {
    let find = |path: &str, field: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(field)).unwrap_or_default();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    json!({
        "cpu": find("/proc/cpuinfo", "model name"),
        "cores": cores,
        "memory": find("/proc/meminfo", "MemTotal"),
        "kernel": fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim(),
        "load_average_at_start": load_average(),
    })
}

/// First line that a program prints for `argument`.
pub fn first_line(program: &Path, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").to_owned()
}
