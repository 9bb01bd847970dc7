//! What is measured, in which order: each scenario in a file, and what they share.
//!
//! Always holds: only one system runs at a time, and systems take turns round by round, so that
//! a drift of the machine hits all of them.

mod idle;
mod levels;
mod speed;
mod sync;
mod tools;

pub use idle::idle;
pub use levels::levels;
pub use speed::speed;
pub use sync::sync;
pub use tools::tools;

use crate::{
    load::{Kind, Load},
    options::{Options, Programs},
    process,
    report::{Report, Run},
    system::{Client, Form, System},
};
use anyhow::{Context, Result, bail};
use std::{path::PathBuf, thread, time::Duration};

/// Pause between filling and measuring.
const SETTLE: Duration = Duration::from_millis(500);

/// A whole run of the program.
pub struct Bench {
    /// Command line.
    pub options: Options,
    /// Servers and tools.
    pub programs: Programs,
    /// Where data goes.
    pub data: PathBuf,
    /// What came out so far.
    pub report: Report,
}

/// How a stretch is driven.
#[derive(Clone, Copy)]
pub enum Pace {
    /// As fast as answers come.
    Closed,
    /// Batches per second.
    Open(f64),
}

/// One stretch to measure.
pub struct Measurement<'a> {
    /// Its name in tables.
    pub case: &'a str,
    /// What is sent.
    pub kind: Kind,
    /// Commands in a batch.
    pub depth: u32,
    /// How it is driven.
    pub pace: Pace,
    /// From 1.
    pub round: u32,
    /// A GET may find nothing: a replica alone may lack the last writes.
    pub may_miss: bool,
}

impl Bench {
    /// True if the system can be run here.
    pub fn has(&self, form: Form) -> bool {
        match form {
            Form::Clockwise(_) => self.programs.clockwise.is_some(),
            Form::RedisReplicated | Form::RedisAlone => self.programs.redis_server.is_some(),
        }
    }

    /// Starts a system.
    pub fn start(&self, form: Form) -> Result<System> {
        System::start(form, &self.programs, &self.data)
    }

    /// Starts a system and writes each key once.
    pub fn start_filled(&self, form: Form) -> Result<System> {
        let system = self.start(form)?;
        let mut load = self.load(&system, self.options.connections, &[])?;
        let faults = load.fill()?;
        if faults.errors > 0 {
            bail!("{}: {} errors while filling: {:?}", form.name(), faults.errors, faults.first);
        }
        thread::sleep(SETTLE);
        Ok(system)
    }

    /// Connects clients, spread over the servers that take load; each says `session` first.
    pub fn load(&self, system: &System, connections: usize, session: &[&str]) -> Result<Load> {
        let mut streams = Vec::with_capacity(connections);
        for index in 0..connections {
            let mut client = Client::connect(system.targets[index % system.targets.len()])?;
            if !session.is_empty() {
                client.must(session)?;
            }
            streams.push(client.into_stream()?);
        }
        Load::new(streams, fastrand::u64(..), self.options.key_count(), self.options.value)
    }

    /// Warms up, measures and keeps the figures; returns operations per second.
    pub fn measure(&mut self, system: &System, load: &mut Load, what: &Measurement) -> Result<f64> {
        let (length, warm_up) = (self.options.stretch(), self.options.warm_up());
        load.drain()?;
        load.prepare(what.kind, what.depth);
        let warm = drive(load, what.pace, warm_up)?;
        let before = process::usage(&system.roots());
        let stretch = drive(load, what.pace, length)?;
        let usage = process::usage(&system.roots()).since(&before);
        load.drain()?;
        for faults in [&warm.faults, &stretch.faults] {
            let count = faults.errors + if what.may_miss { 0 } else { faults.missing };
            if count > 0 {
                // The other figures are still worth having; the run as a whole fails at its end.
                let first = faults.first.as_deref().unwrap_or("keys were missing");
                let failure = format!("{} {}: {count} failed: {first}", system.form.name(), what.case);
                eprintln!("  FAILED: {failure}");
                self.report.failures.push(failure);
            }
        }
        let per_s = stretch.operations as f64 / stretch.wall.as_secs_f64();
        eprintln!(
            "  {:<16} {:<26} round {} {:>9.0} op/s {:>9.0} op/CPU-s  p99 {:>7.0} us",
            system.form.name(),
            what.case,
            what.round,
            per_s,
            stretch.operations as f64 / usage.total_s(),
            stretch.latency_ns.value_at_quantile(0.99) as f64 / 1e3
        );
        let (case, system) = (what.case.to_owned(), system.form.name());
        self.report.runs.push(Run { case, system, round: what.round, stretch, usage });
        Ok(per_s)
    }

    /// Keeps a figure that is no stretch.
    pub fn note(&mut self, name: &str, value: serde_json::Value) {
        self.report.more.insert(name.to_owned(), value);
    }

    /// Resident memory of each server in MiB.
    pub fn resident_mib(system: &System) -> Result<Vec<f64>> {
        let servers = system.servers();
        servers
            .into_iter()
            .map(|pid| Ok(process::resident_kib(pid).context("a server is gone")? as f64 / 1024.0))
            .collect()
    }
}

fn drive(load: &mut Load, pace: Pace, length: Duration) -> Result<crate::load::Stretch> {
    match pace {
        Pace::Closed => load.closed(length),
        Pace::Open(batches_per_s) => load.open(batches_per_s, length),
    }
}
