//! The simulator finds what it is there to find: each known bug is convicted by a seed that every change must pass.
//! (That the unmodified code passes the same seeds is tested in `seeds.rs`.)

use clockwise_core::canary::Canary;
use clockwise_sim::{Mix, Options, StoreKind, run};

/// Runs the tested seeds of a mix with a bug until one convicts it. Says which did.
fn convict(canary: Canary, mix: Mix) {
    for seed in 1..=mix.tested() {
        let report = run(Options { mix, seed, canary, store: StoreKind::Files, trace: false });
        if let Some(violation) = report.violations.first() {
            println!("{canary:?}: seed {seed} of {}, by {violation:?}", mix.name());
            return;
        }
    }
    panic!("{canary:?}: no seed of {} finds it", mix.name());
}

#[test]
fn ack_before_sync() {
    convict(Canary::AckBeforeSync, Mix::Crash);
}

#[test]
fn ack_at_w_minus_one() {
    convict(Canary::AckAtWMinusOne, Mix::Network);
}

#[test]
fn counter_reset() {
    convict(Canary::CounterReset, Mix::Crash);
}

#[test]
fn incarnation_not_durable() {
    convict(Canary::IncarnationNotDurable, Mix::Crash);
}

#[test]
fn last_write_wins() {
    convict(Canary::LastWriteWins, Mix::Calm);
}

#[test]
fn context_ignored() {
    convict(Canary::ContextIgnored, Mix::Calm);
}

#[test]
fn no_second_round() {
    convict(Canary::NoSecondRound, Mix::Clock);
}

#[test]
fn mark_not_asked() {
    convict(Canary::MarkNotAsked, Mix::Clock);
}

#[test]
fn read_repair_not_awaited() {
    convict(Canary::ReadRepairNotAwaited, Mix::Network);
}

#[test]
fn stale_epoch_accepted() {
    convict(Canary::StaleEpochAccepted, Mix::Layout);
}

#[test]
fn torn_tail_accepted() {
    convict(Canary::TornTailAccepted, Mix::Crash);
}

#[test]
fn exchange_ignores_tombstones() {
    convict(Canary::ExchangeIgnoresTombstones, Mix::Network);
}

#[test]
fn stand_ins_count_at_strict_levels() {
    convict(Canary::StandInsCountAtStrictLevels, Mix::StandIn);
}

#[test]
fn hint_dropped_when_sent() {
    convict(Canary::HintDroppedWhenSent, Mix::StandIn);
}

#[test]
fn hint_leaves_no_lines() {
    convict(Canary::HintLeavesNoLines, Mix::StandIn);
}

#[test]
fn stand_in_forgets_used() {
    convict(Canary::StandInForgetsUsed, Mix::StandIn);
}

#[test]
fn hints_replace_each_other() {
    convict(Canary::HintsReplaceEachOther, Mix::StandIn);
}

#[test]
fn every_canary_has_a_test() {
    assert_eq!(Canary::ALL.len(), 17);
}
