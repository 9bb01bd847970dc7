//! Five real servers under faults, with the checkers of the simulator over what their clients saw.
//!
//! Between the servers lies a proxy of our own, so that links can be slow, narrow, silent or cut, one direction at a time.
//! Processes are killed, stopped and restarted, disks fill. `CLOCKWISE_CHAOS_SECONDS` and `CLOCKWISE_CHAOS_SEED` say how
//! long and which; `docs/reliability.md` has the figures of long runs. What a run draws is the same for the same seed, what
//! comes of it is not: real threads and a real kernel lie between.
#![allow(clippy::unwrap_used, reason = "all of this is test code")]

mod answer;
mod clients;
mod disks;
mod faults;
mod finale;
#[path = "../processes/harness/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the tests of `processes`, which use all of it")]
mod harness;
mod proxy;
mod recorder;
mod run;
mod spoil;

use harness::alone;
use run::{Plan, Run};
use std::time::Duration;

/// A number from the environment.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn five_servers_keep_their_promises_under_faults() {
    let _turn = alone();
    let seconds = setting("CLOCKWISE_CHAOS_SECONDS", 45);
    let plan = Plan { seed: setting("CLOCKWISE_CHAOS_SEED", 1), faulty: Duration::from_secs(seconds) };
    let done = Run::new(plan).play();
    println!("{}", done.report);
    assert!(done.violations.is_empty(), "{}\n{}", done.violations.join("\n"), done.report);
    let least = 20 * seconds;
    assert!(done.operations >= least, "only {} operations: {}", done.operations, done.report);
    spoil::is_convicted(&done.history);
}
