//! `clockwise-sim`: runs seeds and says what came of them.
#![forbid(unsafe_code)]

use clockwise_core::canary::Canary;
use clockwise_sim::{
    Mix, Options, Report, StoreKind,
    catch::{BY_SCENARIO, Catch, catch_often, median, mix_against},
    run,
};
use std::{process::ExitCode, time::Instant};

const USAGE: &str = "\
usage: clockwise-sim [--seeds N] [--seed S] [--mix NAME] [--canary NAME] [--store KIND] [--trace] [--catch TIMES]

  --seeds N      how many seeds to run, from --seed on (default 20)
  --seed S       the first seed (default 1)
  --mix NAME     calm, network, crash, clock, layout, everything, stand-in, long, deletes or rot (default: each in turn)
  --canary NAME  switch on a known bug; `all` runs the same seeds with each of them
  --store KIND   files (the real engine on a simulated disk, the default) or memory
  --trace        print what happens
  --catch TIMES  instead of that: how long each known bug stays hidden, caught so many times from different seeds on";

struct Wanted {
    seeds: u64,
    first: u64,
    mix: Option<Mix>,
    canaries: Vec<Canary>,
    store: StoreKind,
    trace: bool,
    catch: Option<u64>,
}

fn main() -> ExitCode {
    let wanted = match parse(std::env::args().skip(1)) {
        Ok(wanted) => wanted,
        Err(why) => {
            eprintln!("{why}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if let Some(times) = wanted.catch {
        return if show_catches(&wanted.canaries, times) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let mut clean = true;
    for canary in &wanted.canaries {
        clean &= run_seeds(&wanted, *canary);
    }
    if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Wanted, String> {
    let mut wanted = Wanted {
        seeds: 20,
        first: 1,
        mix: None,
        canaries: vec![Canary::None],
        store: StoreKind::Files,
        trace: false,
        catch: None,
    };
    while let Some(flag) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{flag} needs a value"));
        let number = |text: String| text.parse().map_err(|_| format!("{text} is not a number"));
        match flag.as_str() {
            "--seeds" => wanted.seeds = number(value()?)?,
            "--seed" => wanted.first = number(value()?)?,
            "--mix" => {
                let name = value()?;
                wanted.mix = Some(Mix::parse(&name).ok_or(format!("there is no mix {name}"))?);
            }
            "--canary" => {
                let name = value()?;
                wanted.canaries = canaries(&name).ok_or(format!("there is no canary {name}"))?;
            }
            "--store" => {
                wanted.store = match value()?.as_str() {
                    "files" => StoreKind::Files,
                    "memory" => StoreKind::Memory,
                    other => return Err(format!("there is no store {other}")),
                }
            }
            "--trace" => wanted.trace = true,
            "--catch" => wanted.catch = Some(number(value()?)?.max(1)),
            _ => return Err(format!("{flag} is not known")),
        }
    }
    Ok(wanted)
}

fn canaries(name: &str) -> Option<Vec<Canary>> {
    if name == "all" {
        return Some(Canary::ALL.to_vec());
    }
    let all = std::iter::once(Canary::None).chain(Canary::ALL).chain(Canary::OF_DAMAGE);
    all.into_iter().find(|canary| format!("{canary:?}").eq_ignore_ascii_case(name)).map(|canary| vec![canary])
}

/// Catches each bug so many times and prints the medians. True if every one was caught each time.
fn show_catches(canaries: &[Canary], times: u64) -> bool {
    let in_seeds = Canary::ALL.into_iter().filter(|canary| !BY_SCENARIO.contains(canary)).collect();
    let canaries: Vec<Canary> = if canaries == [Canary::None] { in_seeds } else { canaries.to_vec() };
    println!("| canary | mix | seeds | operations | simulated s | caught |\n|---|---|--:|--:|--:|--:|");
    let (mut all, mut everyone) = (Vec::new(), true);
    let text = |figure: Option<u64>| figure.map_or("never".to_owned(), |figure| figure.to_string());
    for canary in canaries {
        let catches = catch_often(canary, times);
        let caught = catches.iter().flatten().count();
        everyone &= caught as u64 == times;
        let middle =
            |figure: fn(&Catch) -> u64| median(catches.iter().map(|catch| catch.as_ref().map(figure)));
        let operations = middle(|catch| catch.operations);
        let simulated_s = middle(|catch| catch.simulated_ms / 1_000);
        let seeds = text(middle(|catch| catch.seeds));
        println!(
            "| {canary:?} | {} | {seeds} | {} | {} | {caught} of {times} |",
            mix_against(canary).name(),
            text(operations),
            text(simulated_s)
        );
        all.push((operations, simulated_s));
    }
    let operations = median(all.iter().map(|(operations, _)| *operations));
    let simulated_s = median(all.iter().map(|(_, simulated_s)| *simulated_s));
    println!("| median | | | {} | {} | |", text(operations), text(simulated_s));
    everyone
}

#[derive(Default)]
struct Totals {
    /// Fewest and most servers of a seed.
    servers: Option<(usize, usize)>,
    operations: u64,
    outcomes: [u64; 3],
    faults: u64,
    frames: u64,
    second_rounds: u64,
    read_repairs: u64,
    hints: u64,
    collected: u64,
    rounds: [u64; 2],
    downs: u64,
    amnesia: u64,
    simulated_us: u64,
    violations: usize,
    failed: u64,
}

/// Runs the wanted seeds. True if no promise was broken.
fn run_seeds(wanted: &Wanted, canary: Canary) -> bool {
    let began = Instant::now();
    let mut totals = Totals::default();
    for seed in wanted.first..wanted.first.saturating_add(wanted.seeds) {
        let mix = wanted.mix.unwrap_or(Mix::ALL[(seed % Mix::ALL.len() as u64) as usize]);
        let report = run(Options { mix, seed, canary, store: wanted.store, trace: wanted.trace });
        totals.add(&report);
        show(&report);
    }
    let seconds = began.elapsed().as_secs_f64();
    let Totals { operations, outcomes: [done, rejected, unknown], faults, frames, .. } = totals;
    println!("canary      {canary:?}");
    println!("seeds       {}, {} of them with a violation", wanted.seeds, totals.failed);
    let (fewest, most) = totals.servers.unwrap_or_default();
    println!("servers     {fewest} to {most}");
    println!("operations  {operations}: {done} done, {rejected} rejected, {unknown} unknown");
    println!("faults      {faults}");
    println!("violations  {}", totals.violations);
    println!(
        "inside      {frames} frames, {} second rounds, {} read repairs, {} hints delivered, {} times declared down, {} times amnesia",
        totals.second_rounds, totals.read_repairs, totals.hints, totals.downs, totals.amnesia
    );
    let [done, void] = totals.rounds;
    println!("            {} records collected, {done} rounds, {void} void", totals.collected);
    println!("simulated   {:.1} s in {seconds:.1} s", totals.simulated_us as f64 / 1e6);
    println!("speed       {:.0} operations a second", operations as f64 / seconds);
    totals.violations == 0
}

impl Totals {
    fn add(&mut self, report: &Report) {
        let (fewest, most) = self.servers.unwrap_or((report.servers, report.servers));
        self.servers = Some((fewest.min(report.servers), most.max(report.servers)));
        self.operations += report.operations;
        self.faults += report.faults;
        self.frames += report.frames;
        self.second_rounds += report.second_rounds;
        self.read_repairs += report.read_repairs;
        self.hints += report.hints;
        self.downs += report.downs;
        self.amnesia += report.amnesia;
        self.collected += report.collected;
        self.rounds[0] += report.rounds[0];
        self.rounds[1] += report.rounds[1];
        self.simulated_us += report.simulated_us;
        self.violations += report.violations.len();
        self.failed += u64::from(!report.violations.is_empty());
        for (total, outcome) in self.outcomes.iter_mut().zip(report.outcomes) {
            *total += outcome;
        }
    }
}

fn show(report: &Report) {
    for line in &report.text {
        println!("{line}");
    }
    if report.violations.is_empty() {
        return;
    }
    println!(
        "seed {} of mix {}: {} servers, {} operations, {} faults, {} violations",
        report.seed,
        report.mix.name(),
        report.servers,
        report.operations,
        report.faults,
        report.violations.len()
    );
    for violation in report.violations.iter().take(12) {
        println!("  {}: key {}: {}", violation.checker, violation.key, violation.what);
    }
    println!("  again: {}", report.command());
}
