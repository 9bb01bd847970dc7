//! All (R, W) pairs with 0, 1 and 2 of three servers killed: what is answered, and how fast.

use super::Bench;
use crate::{
    process,
    report::median,
    system::{Client, Durability, Form, System},
};
use anyhow::Result;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

/// Operations of each kind per pair.
const OPERATIONS: usize = 200;
/// But no more once this is over: deadlines are seconds.
const PATIENCE: Duration = Duration::from_secs(6);
/// For the survivors to notice.
const NOTICE: Duration = Duration::from_secs(3);

/// Runs all pairs.
pub fn levels(bench: &mut Bench) -> Result<()> {
    let form = Form::Clockwise(Durability::Sync);
    if !bench.has(form) {
        return Ok(());
    }
    let system = bench.start(form)?;
    // In the order in which they were started, so the first is the one that is asked.
    let servers = system.servers();
    let mut rows = Vec::new();
    for stopped in 0..servers.len() {
        if stopped > 0 {
            process::signal(servers[servers.len() - stopped], Signal::KILL);
            thread::sleep(NOTICE);
        }
        for r in 1..=3 {
            for w in 1..=3 {
                let row = pair(&system, stopped, r, w)?;
                eprintln!("  {row}");
                rows.push(row);
            }
        }
    }
    bench.note("levels", Value::Array(rows));
    Ok(())
}

fn pair(system: &System, stopped: usize, r: u32, w: u32) -> Result<Value> {
    let mut client = Client::connect(system.targets[0])?;
    client.must(&["CW.SESSION", "R", &r.to_string(), "W", &w.to_string()])?;
    let set = repeat(|key, value| client.call(&["SET", key, value]))?;
    let get = repeat(|key, _| client.call(&["GET", key]))?;
    Ok(json!({ "stopped": stopped, "r": r, "w": w, "set": set, "get": get }))
}

/// Calls again and again; counts outcomes by the first word of an error.
fn repeat(mut call: impl FnMut(&str, &str) -> Result<String>) -> Result<Value> {
    let mut outcomes: BTreeMap<String, u32> = BTreeMap::new();
    let mut latencies_us = Vec::new();
    let began = Instant::now();
    for index in 0..OPERATIONS {
        if began.elapsed() > PATIENCE {
            break;
        }
        let called = Instant::now();
        let answer = call(&format!("pair:{index}"), &index.to_string())?;
        latencies_us.push(called.elapsed().as_secs_f64() * 1e6);
        let outcome = match answer.strip_prefix('-') {
            Some(error) => error.split(' ').take(2).collect::<Vec<_>>().join(" "),
            None if answer.is_empty() => "missing".to_owned(),
            None => "done".to_owned(),
        };
        *outcomes.entry(outcome).or_default() += 1;
    }
    let longest_us = latencies_us.iter().copied().fold(0.0, f64::max);
    Ok(
        json!({ "outcomes": outcomes, "median_us": median(latencies_us).round(), "longest_us": longest_us.round() }),
    )
}
