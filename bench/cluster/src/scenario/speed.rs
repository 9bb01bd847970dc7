//! SET, GET and latency at half of the top rate: Clockwise and Redis in turn.

use super::{Bench, Measurement, Pace};
use crate::{
    load::{Kind, Load},
    options::Scenario,
    system::{Durability, Form, System},
};
use anyhow::Result;
use serde_json::json;

const CLOCKWISE: Form = Form::Clockwise(Durability::Periodic);

/// Runs all rounds and adds the goals.
pub fn speed(bench: &mut Bench) -> Result<()> {
    for round in 1..=bench.options.rounds {
        if bench.has(CLOCKWISE) {
            clockwise(bench, round)?;
        }
        if bench.has(Form::RedisReplicated) {
            redis(bench, round)?;
        }
    }
    goals(bench);
    Ok(())
}

fn clockwise(bench: &mut Bench, round: u32) -> Result<()> {
    let system = bench.start_filled(CLOCKWISE)?;
    let connections = bench.options.connections;
    let mut quorum = bench.load(&system, connections, &[])?;
    sets(bench, &system, &mut quorum, Kind::Set, round)?;
    let mut one = bench.load(&system, connections, &["CW.SESSION", "R", "1"])?;
    gets(bench, &system, &mut one, true, round)?;
    if bench.options.wants(Scenario::Get) {
        for depth in bench.options.depths.clone() {
            let case = format!("GET quorum depth {depth}");
            let what = Measurement {
                case: &case,
                kind: Kind::Get,
                depth,
                pace: Pace::Closed,
                round,
                may_miss: false,
            };
            bench.measure(&system, &mut quorum, &what)?;
        }
    }
    let resident = Bench::resident_mib(&system)?;
    bench.note("clockwise_resident_mib_after_load", json!(resident));
    Ok(())
}

fn redis(bench: &mut Bench, round: u32) -> Result<()> {
    let connections = bench.options.connections;
    {
        let system = bench.start_filled(Form::RedisReplicated)?;
        let mut load = bench.load(&system, connections, &[])?;
        sets(bench, &system, &mut load, Kind::SetThenWait, round)?;
        let resident = Bench::resident_mib(&system)?;
        bench.note("redis_resident_mib_after_load", json!(resident));
    }
    let system = bench.start_filled(Form::RedisAlone)?;
    let mut load = bench.load(&system, connections, &[])?;
    gets(bench, &system, &mut load, false, round)
}

fn sets(bench: &mut Bench, system: &System, load: &mut Load, kind: Kind, round: u32) -> Result<()> {
    let (set, tail) = (bench.options.wants(Scenario::Set), bench.options.wants(Scenario::Tail));
    for depth in bench.options.depths.clone() {
        let case = format!("SET depth {depth}");
        if set || (tail && depth == 1) {
            let what = Measurement { case: &case, kind, depth, pace: Pace::Closed, round, may_miss: false };
            let top = bench.measure(system, load, &what)?;
            if tail && depth == 1 {
                let (case, pace) = ("SET at half of the top rate", Pace::Open(top / 2.0));
                bench.measure(
                    system,
                    load,
                    &Measurement { case, kind, depth, pace, round, may_miss: false },
                )?;
            }
        }
    }
    Ok(())
}

fn gets(bench: &mut Bench, system: &System, load: &mut Load, may_miss: bool, round: u32) -> Result<()> {
    let (get, tail) = (bench.options.wants(Scenario::Get), bench.options.wants(Scenario::Tail));
    let kind = Kind::Get;
    for depth in bench.options.depths.clone() {
        let case = format!("GET depth {depth}");
        if get || (tail && depth == 1) {
            let what = Measurement { case: &case, kind, depth, pace: Pace::Closed, round, may_miss };
            let top = bench.measure(system, load, &what)?;
            if tail && depth == 1 {
                let (case, pace) = ("GET at half of the top rate", Pace::Open(top / 2.0));
                bench.measure(system, load, &Measurement { case, kind, depth, pace, round, may_miss })?;
            }
        }
    }
    Ok(())
}

fn goals(bench: &mut Bench) {
    let report = &mut bench.report;
    let cpu = |report: &crate::report::Report, case: &str, form: Form| {
        report.medians(case, form.name()).map(|medians| medians.per_cpu_s)
    };
    for (depth, bound) in [(1, 1.0), (16, 1.0)] {
        let case = format!("SET depth {depth}");
        let (ours, theirs) = (cpu(report, &case, CLOCKWISE), cpu(report, &case, Form::RedisReplicated));
        let name = format!("quorum SET / Redis SET + WAIT 1, depth {depth}, per CPU (goal 2)");
        report.compare(&name, ours, theirs, bound, true);
    }
    for depth in [1, 16] {
        let case = format!("GET depth {depth}");
        let (ours, theirs) = (cpu(report, &case, CLOCKWISE), cpu(report, &case, Form::RedisAlone));
        report.compare(&format!("GET R=1 / Redis GET, depth {depth}, per CPU"), ours, theirs, 0.7, true);
    }
    for (command, form) in [("SET", Form::RedisReplicated), ("GET", Form::RedisAlone)] {
        let case = format!("{command} at half of the top rate");
        let p99 = |form: Form| report.medians(&case, form.name()).map(|medians| medians.latency_us[1]);
        let (ours, theirs) = (p99(CLOCKWISE), p99(form));
        report.compare(&format!("p99 of {case} / Redis'"), ours, theirs, 2.0, false);
    }
}
