//! The seeds that every change must pass: 790 of them, split over the mixes so that several cores share them.

use clockwise_core::canary::Canary;
use clockwise_sim::{
    Mix, Options, Report, StoreKind,
    mix::{FAULTS, OPERATIONS, TESTED},
    run,
};

/// Runs the seeds of a mix that are to be tested; the message of a failure says how to see it again.
fn pass(mix: Mix) {
    let reports: Vec<Report> = (1..=mix.tested())
        .map(|seed| run(Options { mix, seed, canary: Canary::None, store: StoreKind::Files, trace: false }))
        .collect();
    let operations: u64 = reports.iter().map(|report| report.operations).sum();
    let faults: u64 = reports.iter().map(|report| report.faults).sum();
    println!("{}: {} seeds, {operations} operations, {faults} faults", mix.name(), reports.len());
    for report in &reports {
        assert!(report.servers >= 3, "seed {} has {} servers", report.seed, report.servers);
        assert!(report.operations >= OPERATIONS, "seed {}: {} operations", report.seed, report.operations);
        assert!(report.faults >= FAULTS, "seed {}: {} faults", report.seed, report.faults);
    }
    let failed: Vec<String> = reports
        .iter()
        .filter(|report| !report.violations.is_empty())
        .map(|report| format!("{}\n{:#?}", report.command(), report.violations.first()))
        .collect();
    assert!(failed.is_empty(), "{} seeds of {}:\n{}", failed.len(), mix.name(), failed.join("\n"));
}

#[test]
fn there_are_790_seeds() {
    assert_eq!(TESTED.iter().map(|(_, seeds)| seeds).sum::<u64>(), 790);
    assert!(Mix::ALL.iter().all(|mix| mix.tested() > 0));
}

#[test]
fn calm() {
    pass(Mix::Calm);
}

#[test]
fn network() {
    pass(Mix::Network);
}

#[test]
fn crash() {
    pass(Mix::Crash);
}

#[test]
fn clock() {
    pass(Mix::Clock);
}

#[test]
fn layout() {
    pass(Mix::Layout);
}

#[test]
fn stand_in() {
    pass(Mix::StandIn);
}

#[test]
fn long() {
    pass(Mix::Long);
}

#[test]
fn deletes() {
    pass(Mix::Deletes);
}

#[test]
fn everything() {
    pass(Mix::Everything);
}

#[test]
fn rot() {
    pass(Mix::Rot);
}
