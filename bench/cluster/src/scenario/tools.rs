//! `redis-benchmark` as users run it, and what it says.

use super::Bench;
use crate::{
    process,
    system::{Durability, Form},
};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::process::Command;

/// Arguments of every run; the command and the depth are added.
const COMMON: &str = "-n 200000 -r 100000 -d 100 -c 50 --csv -e";

/// Runs it against three Clockwise servers, through one and through all, and against one Redis.
pub fn tools(bench: &mut Bench) -> Result<()> {
    let Some(program) = bench.programs.redis_benchmark.clone() else { return Ok(()) };
    let mut rows = Vec::new();
    for form in [Form::Clockwise(Durability::Periodic), Form::RedisAlone] {
        if !bench.has(form) {
            continue;
        }
        let system = bench.start(form)?;
        let ways: &[&[&str]] = if form == Form::RedisAlone { &[&[]] } else { &[&[], &["--cluster"]] };
        for way in ways {
            for (command, depth) in [("set", "1"), ("get", "1"), ("set", "16"), ("get", "16")] {
                let port = system.targets[0].port().to_string();
                let before = process::usage(&system.roots());
                let output = Command::new(&program)
                    .args(["-p", &port, "-t", command, "-P", depth])
                    .args(COMMON.split(' '))
                    .args(*way)
                    .output()?;
                let cpu_s = process::usage(&system.roots()).since(&before).total_s();
                let text = String::from_utf8_lossy(&output.stdout);
                let errors = String::from_utf8_lossy(&output.stderr);
                if !output.status.success() || text.contains("Error") || errors.contains("Error") {
                    bail!("redis-benchmark {command} -P {depth} {way:?} on {}: {text}{errors}", form.name());
                }
                let mut row = parse(&text).with_context(|| format!("redis-benchmark printed {text}"))?;
                row["system"] = json!(form.name());
                row["command"] = json!(command);
                row["pipeline"] = json!(depth);
                row["cluster"] = json!(!way.is_empty());
                row["op_per_cpu_s"] = json!(200_000.0 / cpu_s);
                eprintln!("  redis-benchmark {row}");
                rows.push(row);
            }
        }
    }
    bench.note("redis_benchmark", Value::Array(rows));
    Ok(())
}

/// The last line holds the figures, all in quotes.
fn parse(text: &str) -> Option<Value> {
    let line = text.lines().rev().find(|line| line.starts_with("\"SET\"") || line.starts_with("\"GET\""))?;
    let fields: Vec<f64> =
        line.split(',').skip(1).filter_map(|field| field.trim().trim_matches('"').parse().ok()).collect();
    let [per_s, _, _, p50, _, p99, max] = fields[..] else { return None };
    Some(json!({ "op_per_s": per_s, "p50_ms": p50, "p99_ms": p99, "max_ms": max }))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn the_figures_are_taken_from_the_last_line() {
        let text =
            "\"test\",\"rps\",\"avg\"\n\"SET\",\"5000.00\",\"0.1\",\"0.2\",\"0.3\",\"0.4\",\"0.5\",\"0.6\"\n";
        let row = parse(text).unwrap();
        assert_eq!((row["op_per_s"].as_f64(), row["p99_ms"].as_f64()), (Some(5000.0), Some(0.5)));
        assert!(parse("nothing").is_none());
    }
}
