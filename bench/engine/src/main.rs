//! `engine-bench`: our storage engine, RocksDB and fjall under the same work with the same memory.
//!
//! What counts is CPU per operation including background work, and wall time. Each row of each engine runs in a
//! process of its own (this program again, with a hidden subcommand), engines in turn; figures are medians.

mod endurance;
mod install;
mod load;
mod machine;
mod measure;
mod metric;
mod options;
mod report;
mod row;
mod schedule;
mod setup;
mod store;

use anyhow::{Context, Result, bail};
use clap::Parser;
use measure::Figures;
use options::{Command, Options, RunOptions};
use report::Report;
use row::Task;
use serde_json::json;
use std::{fs, process::ExitCode};
use store::{Clockwise, Engine, Fjall};

fn main() -> ExitCode {
    let options = Options::parse();
    let result = match &options.command {
        None => all(&options.run),
        Some(Command::Stalls(given)) => given.run(),
        Some(Command::HitRate(given)) => given.run(),
        Some(Command::Soak(given)) => given.run(),
        Some(Command::Row(given)) => row_of(given.engine(), &given.task()),
        Some(Command::Fill(given)) => fill_of(given.engine(), &given.task()).map(drop),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("engine-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn row_of(engine: Engine, task: &Task) -> Result<()> {
    let figures = match engine {
        Engine::Clockwise => row::run::<Clockwise>(task),
        Engine::Fjall => row::run::<Fjall>(task),
        #[cfg(rocksdb)]
        Engine::Rocksdb => row::run::<store::Rocksdb>(task),
        #[cfg(not(rocksdb))]
        Engine::Rocksdb => bail!("compiled without RocksDB"),
    }?;
    println!("{}", serde_json::to_string(&figures)?);
    Ok(())
}

fn fill_of(engine: Engine, task: &Task) -> Result<Figures> {
    match engine {
        Engine::Clockwise => row::fill_and_wait::<Clockwise>(task),
        Engine::Fjall => row::fill_and_wait::<Fjall>(task),
        #[cfg(rocksdb)]
        Engine::Rocksdb => row::fill_and_wait::<store::Rocksdb>(task),
        #[cfg(not(rocksdb))]
        Engine::Rocksdb => bail!("compiled without RocksDB"),
    }
}

fn all(options: &RunOptions) -> Result<()> {
    let mut skipped = Vec::new();
    let wanted = |engine: &Engine| options.engines.is_empty() || options.engines.contains(engine);
    let mut engines: Vec<Engine> = Engine::ALL.into_iter().filter(wanted).collect();
    if engines.contains(&Engine::Rocksdb) && !Engine::Rocksdb.is_linked() {
        skipped.push(format!("the comparison with RocksDB: {}", install::try_with_rocksdb()));
        engines.retain(|engine| *engine != Engine::Rocksdb);
    }
    if engines.is_empty() {
        bail!("no engine is left: {}", skipped.join("; "));
    }
    for reason in &skipped {
        eprintln!("SKIPPED: {reason}");
    }
    let folder = options.data_folder();
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let mut report = Report::default();
    report.more.insert("machine".into(), machine::description());
    report.more.insert("skipped".into(), json!(skipped));
    report.more.insert("quick".into(), json!(options.quick));
    report.more.insert("rounds".into(), json!(options.rounds));
    let outcome = schedule::run(options, &engines, &folder, &mut report);
    report.more.insert("load_average_at_end".into(), json!(machine::load_average()));
    // What was measured before something failed is worth keeping.
    println!("{}", report.to_markdown());
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&report.to_json())?;
        fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
    }
    for reason in &skipped {
        println!("SKIPPED: {reason}");
    }
    for failure in &report.failures {
        println!("FAILED: {failure}");
    }
    outcome?;
    fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))?;
    if report.failures.is_empty() { Ok(()) } else { bail!("{} rows failed", report.failures.len()) }
}
