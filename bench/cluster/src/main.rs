//! `cluster-bench`: a Clockwise cluster and Redis in turn under the same load.
//!
//! What counts is operations per second of *server* CPU: the load generator lives in this process
//! and its CPU is not counted, so the figure hardly depends on how many cores both share.

mod load;
mod machine;
mod options;
mod process;
mod report;
mod scenario;
mod system;

use anyhow::{Context, Result, bail};
use clap::Parser;
use options::{Options, Programs, Scenario};
use report::Report;
use scenario::Bench;
use serde_json::json;
use std::{fs, process::ExitCode};

fn main() -> ExitCode {
    match run(Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cluster-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> Result<()> {
    let programs = Programs::find(&options);
    for absent in &programs.absent {
        eprintln!("SKIPPED: {absent}");
    }
    let data = options.data_folder();
    fs::create_dir_all(&data).with_context(|| format!("create {}", data.display()))?;
    let mut bench = Bench { options, programs, data, report: Report::default() };
    bench.note("machine", machine::description());
    bench.note("versions", bench.programs.versions());
    bench.note("skipped", json!(bench.programs.absent));
    bench.note(
        "options",
        json!({
            "stretch_s": bench.options.stretch().as_secs_f64(), "rounds": bench.options.rounds,
            "connections": bench.options.connections, "value_bytes": bench.options.value,
            "keys": bench.options.key_count(), "depths": bench.options.depths,
        }),
    );
    let disk = machine::SyncLatency::measure(&bench.data)?.to_json();
    eprintln!("machine: {}\nfdatasync of 4 KiB: {disk}", bench.report.more["machine"]);
    bench.note("fdatasync", disk);
    let outcome = scenarios(&mut bench);
    let after = machine::SyncLatency::measure(&bench.data)?.to_json();
    bench.note("fdatasync_at_end", after);
    bench.note("load_average_at_end", json!(machine::load_average()));
    // What was measured before something failed is worth keeping.
    println!("{}", bench.report.to_text());
    if let Some(path) = &bench.options.json {
        let text = serde_json::to_string_pretty(&bench.report.to_json())?;
        fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
    }
    for absent in &bench.programs.absent {
        println!("SKIPPED: {absent}");
    }
    for failure in &bench.report.failures {
        println!("FAILED: {failure}");
    }
    if outcome.is_ok() && bench.report.failures.is_empty() {
        fs::remove_dir_all(&bench.data)?;
        return Ok(());
    }
    eprintln!("logs and data of the last systems are in {}", bench.data.display());
    outcome?;
    bail!("{} stretches had failed operations", bench.report.failures.len())
}

fn scenarios(bench: &mut Bench) -> Result<()> {
    let wants = |bench: &Bench, all: &[Scenario]| all.iter().any(|one| bench.options.wants(*one));
    if wants(bench, &[Scenario::Set, Scenario::Get, Scenario::Tail]) {
        scenario::speed(bench)?;
    }
    if wants(bench, &[Scenario::Sync]) {
        scenario::sync(bench)?;
    }
    if wants(bench, &[Scenario::Idle]) {
        scenario::idle(bench)?;
    }
    if wants(bench, &[Scenario::Tools]) {
        scenario::tools(bench)?;
    }
    if wants(bench, &[Scenario::Levels]) {
        scenario::levels(bench)?;
    }
    Ok(())
}
