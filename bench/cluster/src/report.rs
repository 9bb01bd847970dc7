//! All figures of a run: medians, ratios, goals; as a table for people and as JSON.

use crate::{load::Stretch, process::Usage};
use serde_json::{Value, json};

/// One measured stretch of one system.
pub struct Run {
    /// What was done, such as `SET depth 16`.
    pub case: String,
    /// By whom.
    pub system: &'static str,
    /// In which round, from 1.
    pub round: u32,
    /// What the load generator saw.
    pub stretch: Stretch,
    /// What the servers used.
    pub usage: Usage,
}

/// What the runs of one case and one system came to: medians over the rounds.
#[derive(Clone, Default)]
pub struct Medians {
    /// Operations per second.
    pub per_s: f64,
    /// Operations per second of server CPU.
    pub per_cpu_s: f64,
    /// Share of server CPU spent in the kernel.
    pub kernel_share: f64,
    /// Server cores kept busy.
    pub cores: f64,
    /// Cores that the generator kept busy.
    pub generator_cores: f64,
    /// Latency of batches at 50, 99 and 99.9 % in microseconds.
    pub latency_us: [f64; 3],
}

/// A promise about speed or size beside what came out.
pub struct Goal {
    /// What it is about.
    pub name: String,
    /// What came out.
    pub value: f64,
    /// The bound.
    pub bound: f64,
    /// True if `value` has to be at least the bound, false if at most.
    pub at_least: bool,
}

impl Goal {
    /// True if the bound is held.
    pub fn is_met(&self) -> bool {
        if self.at_least { self.value >= self.bound } else { self.value <= self.bound }
    }
}

/// Everything that a run found out.
#[derive(Default)]
pub struct Report {
    /// Measured stretches.
    pub runs: Vec<Run>,
    /// Goals.
    pub goals: Vec<Goal>,
    /// Operations that failed, in words.
    pub failures: Vec<String>,
    /// Anything else, by name.
    pub more: serde_json::Map<String, Value>,
}

impl Report {
    /// Medians of a case, if it was measured.
    pub fn medians(&self, case: &str, system: &str) -> Option<Medians> {
        let runs: Vec<&Run> =
            self.runs.iter().filter(|run| run.case == case && run.system == system).collect();
        if runs.is_empty() {
            return None;
        }
        let of = |figure: &dyn Fn(&Run) -> f64| median(runs.iter().map(|run| figure(run)).collect());
        let wall = |run: &Run| run.stretch.wall.as_secs_f64();
        let us =
            |quantile: f64| of(&|run: &Run| run.stretch.latency_ns.value_at_quantile(quantile) as f64 / 1e3);
        Some(Medians {
            per_s: of(&|run| run.stretch.operations as f64 / wall(run)),
            per_cpu_s: of(&|run| run.stretch.operations as f64 / run.usage.total_s()),
            kernel_share: of(&|run| run.usage.system_s / run.usage.total_s()),
            cores: of(&|run| run.usage.total_s() / wall(run)),
            generator_cores: of(&|run| run.stretch.generator_cpu_s / wall(run)),
            latency_us: [us(0.5), us(0.99), us(0.999)],
        })
    }

    /// Adds a goal about the ratio of two measured figures, if both are there.
    pub fn compare(
        &mut self,
        name: &str,
        ours: Option<f64>,
        theirs: Option<f64>,
        bound: f64,
        at_least: bool,
    ) {
        if let (Some(ours), Some(theirs)) = (ours, theirs) {
            self.goals.push(Goal { name: name.to_owned(), value: ours / theirs, bound, at_least });
        }
    }

    /// The tables.
    pub fn to_text(&self) -> String {
        let mut text = String::from(
            "| case | system | op/s | op per server-CPU-s | kernel | server cores | generator cores | p50 us | p99 us | p99.9 us |\n\
             |---|---|--:|--:|--:|--:|--:|--:|--:|--:|\n",
        );
        for (case, system) in self.cases() {
            let Some(medians) = self.medians(&case, system) else { continue };
            let [p50, p99, p999] = medians.latency_us;
            text.push_str(&format!(
                "| {case} | {system} | {:.0} | {:.0} | {:.0} % | {:.2} | {:.2} | {p50:.0} | {p99:.0} | {p999:.0} |\n",
                medians.per_s,
                medians.per_cpu_s,
                medians.kernel_share * 100.0,
                medians.cores,
                medians.generator_cores,
            ));
        }
        if !self.goals.is_empty() {
            text.push_str("\n| goal | bound | measured | |\n|---|--:|--:|---|\n");
            for goal in &self.goals {
                let sign = if goal.at_least { ">=" } else { "<=" };
                let verdict = if goal.is_met() { "met" } else { "missed" };
                text.push_str(&format!(
                    "| {} | {sign} {} | {:.2} | {verdict} |\n",
                    goal.name, goal.bound, goal.value
                ));
            }
        }
        text
    }

    /// Everything.
    pub fn to_json(&self) -> Value {
        let runs: Vec<Value> = self.runs.iter().map(run_json).collect();
        let medians = self.cases().into_iter().filter_map(|(case, system)| {
            let medians = self.medians(&case, system)?;
            let [p50, p99, p999] = medians.latency_us;
            Some(json!({
                "case": case, "system": system, "op_per_s": medians.per_s, "op_per_cpu_s": medians.per_cpu_s,
                "kernel_share": medians.kernel_share, "server_cores": medians.cores,
                "generator_cores": medians.generator_cores, "p50_us": p50, "p99_us": p99, "p999_us": p999,
            }))
        });
        let medians: Vec<Value> = medians.collect();
        let goals: Vec<Value> = self.goals.iter().map(|goal| {
            json!({ "goal": goal.name, "value": goal.value, "bound": goal.bound, "at_least": goal.at_least, "met": goal.is_met() })
        }).collect();
        let mut all = self.more.clone();
        all.insert("medians".into(), Value::Array(medians));
        all.insert("goals".into(), Value::Array(goals));
        all.insert("failures".into(), json!(self.failures));
        all.insert("runs".into(), Value::Array(runs));
        Value::Object(all)
    }

    /// Cases and systems in the order in which they were first measured.
    fn cases(&self) -> Vec<(String, &'static str)> {
        let mut cases: Vec<(String, &'static str)> = Vec::new();
        for run in &self.runs {
            if !cases.iter().any(|(case, system)| *case == run.case && *system == run.system) {
                cases.push((run.case.clone(), run.system));
            }
        }
        cases.sort_by_key(|(case, _)| self.runs.iter().position(|run| run.case == *case));
        cases
    }
}

fn run_json(run: &Run) -> Value {
    let us = |quantile: f64| run.stretch.latency_ns.value_at_quantile(quantile) as f64 / 1e3;
    json!({
        "case": run.case, "system": run.system, "round": run.round,
        "operations": run.stretch.operations, "wall_s": run.stretch.wall.as_secs_f64(),
        "server_user_s": run.usage.user_s, "server_system_s": run.usage.system_s,
        "server_threads_s": run.usage.threads, "generator_cpu_s": run.stretch.generator_cpu_s,
        "errors": run.stretch.faults.errors, "missing": run.stretch.faults.missing,
        "p50_us": us(0.5), "p99_us": us(0.99), "p999_us": us(0.999),
        "max_us": run.stretch.latency_ns.max() as f64 / 1e3,
    })
}

/// The middle value; of an even number of values the mean of the two in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::{Goal, median};

    #[test]
    fn the_median_ignores_outliers() {
        assert_eq!(median(vec![9.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 2.0]), 3.0);
    }

    #[test]
    fn a_goal_that_was_not_measured_is_not_met() {
        let goal = |value, at_least| Goal { name: String::new(), value, bound: 1.0, at_least };
        assert!(goal(1.0, true).is_met() && goal(1.0, false).is_met());
        assert!(!goal(0.9, true).is_met() && !goal(1.1, false).is_met());
        assert!(!goal(f64::NAN, true).is_met() && !goal(f64::NAN, false).is_met());
    }
}
