//! Mutants for every parser, for as long as wanted, on stable Rust:
//! `cargo run --release -p clockwise-wire --example fuzz -- [--seconds N] [--seed S] [--target NAME]`.
//!
//! A mutant that breaks something prints its target and seed; the same seed makes the same mutant again. Put its input
//! into `tests/corpus/<target>/` when it is mended.

#[path = "../tests/fuzzing/mod.rs"]
mod fuzzing;
#[path = "../tests/messages/mod.rs"]
mod messages;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

struct Arguments {
    seconds: u64,
    seed: u64,
    target: Option<String>,
}

fn arguments() -> Option<Arguments> {
    let mut arguments = Arguments { seconds: 10, seed: 0, target: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next()?;
        match word.as_str() {
            "--seconds" => arguments.seconds = value.parse().ok()?,
            "--seed" => arguments.seed = value.parse().ok()?,
            "--target" => arguments.target = Some(value),
            _ => return None,
        }
    }
    Some(arguments)
}

fn main() -> ExitCode {
    let Some(arguments) = arguments() else {
        eprintln!("usage: fuzz [--seconds N] [--seed S] [--target NAME]");
        return ExitCode::FAILURE;
    };
    let wanted = |name: &str| arguments.target.as_deref().is_none_or(|target| target == name);
    let targets: Vec<_> = fuzzing::TARGETS.iter().filter(|target| wanted(target.name)).collect();
    if targets.is_empty() {
        let names: Vec<_> = fuzzing::TARGETS.iter().map(|target| target.name).collect();
        eprintln!("targets: {}", names.join(", "));
        return ExitCode::FAILURE;
    }
    let each = Duration::from_secs(arguments.seconds) / targets.len() as u32;
    for target in targets {
        let files = fuzzing::corpus(target);
        let start = Instant::now();
        let mut seed = arguments.seed;
        while start.elapsed() < each || seed == arguments.seed {
            let guard = Report { target: target.name, seed };
            fuzzing::run_one(target, &files, seed);
            std::mem::forget(guard);
            seed += 1;
        }
        println!("{:<10} seeds {} to {}", target.name, arguments.seed, seed - 1);
    }
    ExitCode::SUCCESS
}

/// Dropped only when a mutant panics.
struct Report {
    target: &'static str,
    seed: u64,
}

impl Drop for Report {
    fn drop(&mut self) {
        eprintln!("broken by: --target {} --seed {} --seconds 0", self.target, self.seed);
    }
}
