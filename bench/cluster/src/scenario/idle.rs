//! Memory of servers that have nothing to do.

use super::Bench;
use crate::{
    process,
    report::Goal,
    system::{Durability, Form},
};
use anyhow::Result;
use serde_json::json;
use std::{thread, time::Duration};

/// Idle time before memory is read.
const IDLE: Duration = Duration::from_secs(10);
/// Bound per server.
const BOUND_MIB: f64 = 64.0;

/// Starts three servers and waits.
pub fn idle(bench: &mut Bench) -> Result<()> {
    let form = Form::Clockwise(Durability::Sync);
    if !bench.has(form) {
        return Ok(());
    }
    let system = bench.start(form)?;
    let before = process::usage(&system.roots());
    thread::sleep(IDLE);
    let cpu = process::usage(&system.roots()).since(&before).total_s() / IDLE.as_secs_f64();
    let resident = Bench::resident_mib(&system)?;
    let most = resident.iter().copied().fold(0.0, f64::max);
    eprintln!("  idle servers: {resident:.1?} MiB resident, {:.2} % of a core together", cpu * 100.0);
    bench.note("idle", json!({ "resident_mib": resident, "cores_of_all_servers": cpu }));
    let name = "memory of an idle server in MiB".to_owned();
    bench.report.goals.push(Goal { name, value: most, bound: BOUND_MIB, at_least: false });
    Ok(())
}
