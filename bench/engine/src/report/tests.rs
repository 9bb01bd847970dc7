use super::{Report, Run, median, verdicts};
use crate::{measure::Figures, row::Row, setup::Case, store::Engine};

const CASE: Case = Case { keys: 1000, value_bytes: 100 };

fn report(row: Row, ours: u64, theirs: u64) -> Report {
    let run = |engine, cpu_ns| Run {
        case: CASE,
        row,
        engine,
        round: 0,
        figures: Figures { operations: 10, wall_ns: cpu_ns, cpu_ns, ..Figures::default() },
    };
    let runs = vec![run(Engine::Clockwise, ours), run(Engine::Rocksdb, theirs)];
    Report { runs, ..Report::default() }
}

fn verdict(report: &Report, name: &str) -> bool {
    let verdicts = verdicts(&report.lines());
    verdicts.iter().find(|verdict| verdict.name.ends_with(name)).expect("there is such a goal").met
}

#[test]
fn the_median_ignores_outliers() {
    assert_eq!(median(vec![9.0, 1.0, 2.0]), 2.0);
    assert_eq!(median(vec![4.0, 2.0]), 3.0);
}

#[test]
fn costs_are_to_be_small_and_rates_to_be_large() {
    assert!(verdict(&report(Row::HotGet, 50, 100), "CPU"));
    assert!(!verdict(&report(Row::HotGet, 51, 100), "CPU"));
    assert!(verdict(&report(Row::Durable, 100, 150), "rate"));
    assert!(!verdict(&report(Row::Durable, 100, 149), "rate"));
}

#[test]
fn a_cell_may_be_a_little_worse_but_not_all_of_them() {
    let slower = report(Row::Absent, 110, 100);
    assert!(verdict(&slower, "CPU"));
    assert!(!verdict(&slower, "cells"));
    assert!(!verdict(&report(Row::Absent, 120, 100), "CPU"));
    assert!(verdict(&report(Row::Absent, 90, 100), "cells"));
}

#[test]
fn without_rocksdb_nothing_is_compared() {
    let mut alone = report(Row::HotGet, 50, 100);
    alone.runs.retain(|run| run.engine == Engine::Clockwise);
    assert!(verdicts(&alone.lines()).iter().all(|verdict| verdict.name.ends_with("budget")));
    assert!(alone.to_markdown().contains("| - | - | - |"));
}
