//! Runs the rows: round by round, row by row, engines in turn, each in a fresh process.

use crate::{
    measure::{Figures, forget_pages},
    options::{RunOptions, TaskOptions},
    report::{Report, Run},
    row::{Row, Task},
    store::Engine,
};
use anyhow::{Context, Result, ensure};
use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Runs everything; a row that fails is noted and the others go on.
pub fn run(options: &RunOptions, engines: &[Engine], folder: &Path, report: &mut Report) -> Result<()> {
    for case in options.cases() {
        for round in 0..options.rounds.max(1) {
            eprintln!("{}, round {} of {}", case.name(), round + 1, options.rounds);
            for row in options.rows() {
                // Sizes hardly differ between rounds.
                if row == Row::Uncompressed && round > 0 {
                    continue;
                }
                let turns = engines.iter().cycle().skip(round as usize % engines.len()).take(engines.len());
                for &engine in turns {
                    let task = Task {
                        row,
                        case,
                        folder: place(folder, engine, row.needs_data() || row == Row::PutRandom),
                        round,
                        quick: options.quick,
                    };
                    measure(engine, &task, report);
                }
            }
            clear(folder)?;
        }
    }
    Ok(())
}

fn measure(engine: Engine, task: &Task, report: &mut Report) {
    let Task { row, case, round, .. } = *task;
    match one(engine, task) {
        Ok(figures) => {
            let cpu_us = figures.cpu_ns as f64 / 1e3 / figures.operations as f64;
            eprintln!(
                "  {row:?} {}: {cpu_us:.2} us of CPU each, {} ms",
                engine.name(),
                figures.wall_ns / 1_000_000
            );
            report.runs.push(Run { case, row, engine, round, figures });
        }
        Err(error) => {
            eprintln!("  {row:?} {}: FAILED: {error:#}", engine.name());
            report.failures.push(format!("{row:?} of {}, {}: {error:#}", engine.name(), case.name()));
        }
    }
}

/// Where an engine's folder is: the one that rows share, or one for a single row.
fn place(folder: &Path, engine: Engine, shared: bool) -> PathBuf {
    folder.join(format!("{}-{}", engine.name(), if shared { "data" } else { "row" }))
}

fn one(engine: Engine, task: &Task) -> Result<Figures> {
    if !task.row.needs_data() {
        remove(&task.folder)?;
    }
    if task.row == Row::Reopen {
        fill_and_kill(engine, task)?;
    }
    if task.row.is_cold() {
        forget_pages(&task.folder)?;
    }
    let output = command("row", engine, task)?.stdout(Stdio::piped()).output()?;
    ensure!(output.status.success(), "the process ended with {}", output.status);
    let figures = serde_json::from_slice(&output.stdout).context("read the figures")?;
    if !task.row.needs_data() && task.row != Row::PutRandom {
        remove(&task.folder)?;
    }
    Ok(figures)
}

fn command(what: &str, engine: Engine, task: &Task) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(what).args(TaskOptions::arguments(engine, task)).stdin(Stdio::null());
    Ok(command)
}

/// Has a process put keys, and kills it with SIGKILL.
fn fill_and_kill(engine: Engine, task: &Task) -> Result<()> {
    let mut child = command("fill", engine, task)?.stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    let output = child.stdout.take().context("the output is piped")?;
    let read = BufReader::new(output).read_line(&mut line);
    child.kill()?;
    let status = child.wait()?;
    read?;
    ensure!(line == "ready\n", "the process that puts ended with {status}");
    Ok(())
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Removes what a round left.
fn clear(folder: &Path) -> Result<()> {
    for engine in Engine::ALL {
        for shared in [true, false] {
            remove(&place(folder, engine, shared))?;
        }
    }
    Ok(())
}
