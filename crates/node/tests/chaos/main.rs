//! Five real servers under faults, with the checkers of the simulator over what their clients saw.
//!
//! Between the servers lies a proxy of our own, so that links can be slow, narrow, silent or cut, one direction at a time.
//! Processes are killed, stopped and restarted, disks fill. `CLOCKWISE_CHAOS_SECONDS` and `CLOCKWISE_CHAOS_SEED` say how
//! long and which; `docs/reliability.md` has the figures of long runs. What a run draws is the same for the same seed, what
//! comes of it is not: real threads and a real kernel lie between.
#![allow(clippy::unwrap_used, reason = "all of this is test code")]

mod answer;
mod between;
mod clients;
mod disks;
mod faults;
mod finale;
#[path = "../processes/harness/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the tests of `processes`, which use all of it")]
mod harness;
mod latency;
mod namespaces;
mod proxy;
mod recorder;
mod run;
mod spoil;

use harness::{alone, skipped};
use run::{Plan, Run};
use std::time::Duration;

/// A number from the environment.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn plays(plan: Plan) {
    let test = if plan.namespaces { "namespaces" } else { "chaos" };
    let run = match Run::new(plan) {
        Ok(run) => run,
        Err(why) => return skipped(test, &why),
    };
    let done = run.play();
    println!("{}", done.report);
    let (shown, all) = (done.violations.iter().take(20), done.violations.len());
    let shown: Vec<&str> = shown.map(String::as_str).collect();
    assert!(shown.is_empty(), "{all} violations:\n{}\n{}", shown.join("\n"), done.report);
    let least = 20 * plan.faulty.as_secs();
    assert!(done.operations >= least, "only {} operations: {}", done.operations, done.report);
    spoil::is_convicted(&done.history);
}

fn plan(seconds: u64, namespaces: bool) -> Plan {
    let seconds = setting("CLOCKWISE_CHAOS_SECONDS", seconds);
    Plan { seed: setting("CLOCKWISE_CHAOS_SEED", 1), faulty: Duration::from_secs(seconds), namespaces }
}

#[test]
fn five_servers_keep_their_promises_under_faults() {
    let _turn = alone();
    plays(plan(45, false));
}

#[test]
#[ignore = "needs root, `ip` and `nft`, and half a minute: docs/reliability.md"]
fn five_servers_keep_their_promises_in_network_namespaces() {
    let _turn = alone();
    plays(plan(20, true));
}
