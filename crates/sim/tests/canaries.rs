//! The simulator finds what it is there to find: each known bug is convicted by a seed that every change must pass.
//! (That the unmodified code passes the same seeds is tested in `seeds.rs`.)

use clockwise_core::canary::Canary;
use clockwise_sim::catch::{BY_SCENARIO, catch, median, mix_against};
use std::{io::Write, sync::Mutex};

/// Runs the tested seeds of the mix against a bug until one convicts it. Says which did, and what it took.
fn convict(canary: Canary) {
    let mix = mix_against(canary);
    let catch = catch(canary, 1).filter(|catch| catch.seeds <= mix.tested());
    let catch = catch.unwrap_or_else(|| panic!("{canary:?}: no seed of {} finds it", mix.name()));
    let (seeds, operations, took_ms) = (catch.seeds, catch.operations, catch.simulated_ms);
    let by = catch.report.violations.first().map(|violation| violation.checker);
    println!(
        "{canary:?}: seed {seeds} of {}, {operations} operations, {took_ms} ms simulated, by {by:?}",
        mix.name()
    );
    let mut caught = CAUGHT.lock().expect("no test panics while it has this");
    caught.push((operations, took_ms));
    if caught.len() == BY_SEEDS {
        summary(&caught);
    }
}

/// Bugs that the seeds convict, each in a test below.
const BY_SEEDS: usize = 17;

/// What it took to catch each bug: operations and virtual milliseconds.
static CAUGHT: Mutex<Vec<(u64, u64)>> = Mutex::new(Vec::new());

/// Shown even when the tests pass, which print nothing else.
fn summary(caught: &[(u64, u64)]) {
    let operations = median(caught.iter().map(|(operations, _)| Some(*operations))).unwrap_or_default();
    let took_ms = median(caught.iter().map(|(_, took_ms)| Some(*took_ms))).unwrap_or_default();
    let line =
        format!("{} canaries caught; median {operations} operations, {took_ms} ms simulated\n", caught.len());
    std::io::stderr().write_all(line.as_bytes()).expect("standard error takes a line");
}

#[test]
fn ack_before_sync() {
    convict(Canary::AckBeforeSync);
}

#[test]
fn ack_at_w_minus_one() {
    convict(Canary::AckAtWMinusOne);
}

#[test]
fn counter_reset() {
    convict(Canary::CounterReset);
}

#[test]
fn incarnation_not_durable() {
    convict(Canary::IncarnationNotDurable);
}

#[test]
fn last_write_wins() {
    convict(Canary::LastWriteWins);
}

#[test]
fn context_ignored() {
    convict(Canary::ContextIgnored);
}

#[test]
fn no_second_round() {
    convict(Canary::NoSecondRound);
}

#[test]
fn mark_not_asked() {
    convict(Canary::MarkNotAsked);
}

#[test]
fn read_repair_not_awaited() {
    convict(Canary::ReadRepairNotAwaited);
}

#[test]
fn stale_epoch_accepted() {
    convict(Canary::StaleEpochAccepted);
}

#[test]
fn torn_tail_accepted() {
    convict(Canary::TornTailAccepted);
}

#[test]
fn exchange_ignores_tombstones() {
    convict(Canary::ExchangeIgnoresTombstones);
}

#[test]
fn stand_ins_count_at_strict_levels() {
    convict(Canary::StandInsCountAtStrictLevels);
}

#[test]
fn hint_dropped_when_sent() {
    convict(Canary::HintDroppedWhenSent);
}

#[test]
fn hint_leaves_no_lines() {
    convict(Canary::HintLeavesNoLines);
}

#[test]
fn stand_in_forgets_used() {
    convict(Canary::StandInForgetsUsed);
}

#[test]
fn hints_replace_each_other() {
    convict(Canary::HintsReplaceEachOther);
}

#[test]
fn every_canary_has_a_test() {
    assert_eq!(Canary::ALL.len() + Canary::OF_DAMAGE.len(), BY_SEEDS + BY_SCENARIO.len());
}
