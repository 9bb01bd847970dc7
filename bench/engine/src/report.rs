//! All figures of a run: medians, ratios to RocksDB, goals; as Markdown and as JSON.

use crate::{
    measure::Figures,
    metric::{Goal, Metric, metrics},
    row::Row,
    setup::Case,
    store::Engine,
};
use clap::ValueEnum;
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, fmt::Write};

/// A cell must not be worse than this times RocksDB's.
const WORST_CELL: f64 = 0.85;
/// And all of them together not worse than this.
const CELLS_TOGETHER: f64 = 1.0;

/// One measured row of one engine.
pub struct Run {
    /// Sizes.
    pub case: Case,
    /// The row.
    pub row: Row,
    /// By whom.
    pub engine: Engine,
    /// In which round, from 0.
    pub round: u64,
    /// What came out.
    pub figures: Figures,
}

/// Everything that a run found out.
#[derive(Default)]
pub struct Report {
    /// What was measured.
    pub runs: Vec<Run>,
    /// Rows that failed, in words.
    pub failures: Vec<String>,
    /// Anything else, by name.
    pub more: Map<String, Value>,
}

/// A line of the table: medians of one figure.
struct Line {
    case: Case,
    row: Row,
    metric: Metric,
    medians: BTreeMap<Engine, f64>,
}

/// A goal beside what came out.
struct Verdict {
    name: String,
    bound: String,
    value: f64,
    met: bool,
}

impl Line {
    fn name(&self) -> String {
        format!("{}, {}: {}", row_name(self.row), self.case.name(), self.metric.name)
    }

    fn median(&self, engine: Engine) -> Option<f64> {
        self.medians.get(&engine).copied()
    }

    /// Ours by RocksDB's, where that says something.
    fn ratio(&self) -> Option<f64> {
        if matches!(self.metric.goal, Goal::Within(_)) {
            return None;
        }
        Some(self.median(Engine::Clockwise)? / self.median(Engine::Rocksdb)?)
    }

    /// How many times better ours is.
    fn factor(&self) -> Option<f64> {
        let ratio = self.ratio()?;
        Some(if self.metric.more_is_better { ratio } else { 1.0 / ratio })
    }

    fn verdict(&self) -> Option<Verdict> {
        let (value, bound, met): (f64, String, fn(f64, f64) -> bool) = match self.metric.goal {
            Goal::Shown => return None,
            Goal::AtMost(bound) => (self.ratio()?, format!("<= {bound} x"), |value, bound| value <= bound),
            Goal::AtLeast(bound) => (self.ratio()?, format!(">= {bound} x"), |value, bound| value >= bound),
            Goal::Cell => {
                (self.factor()?, format!(">= {WORST_CELL} x as good"), |value, bound| value >= bound)
            }
            Goal::Within(bound) => {
                (self.median(Engine::Clockwise)?, format!("<= {bound}"), |value, bound| value <= bound)
            }
        };
        let limit = match self.metric.goal {
            Goal::AtMost(bound) | Goal::AtLeast(bound) | Goal::Within(bound) => bound,
            Goal::Cell | Goal::Shown => WORST_CELL,
        };
        Some(Verdict { name: self.name(), bound, value, met: met(value, limit) })
    }
}

impl Report {
    /// The tables.
    pub fn to_markdown(&self) -> String {
        let lines = self.lines();
        let mut text = "| row | case | figure | clockwise | rocksdb | fjall | clockwise / rocksdb |\n\
                        |---|---|---|--:|--:|--:|--:|\n"
            .to_owned();
        for line in &lines {
            let cell = |engine| line.median(engine).map_or("-".to_owned(), digits);
            writeln!(
                text,
                "| {} | {} | {} ({}) | {} | {} | {} | {} |",
                row_name(line.row),
                line.case.name(),
                line.metric.name,
                line.metric.unit,
                cell(Engine::Clockwise),
                cell(Engine::Rocksdb),
                cell(Engine::Fjall),
                line.ratio().map_or("-".to_owned(), digits),
            )
            .expect("a string grows");
        }
        let verdicts = verdicts(&lines);
        if !verdicts.is_empty() {
            text.push_str("\n| goal | bound | measured | |\n|---|--:|--:|---|\n");
        }
        for Verdict { name, bound, value, met } in verdicts {
            let word = if met { "met" } else { "missed" };
            writeln!(text, "| {name} | {bound} | {} | {word} |", digits(value)).expect("a string grows");
        }
        text
    }

    /// Everything.
    pub fn to_json(&self) -> Value {
        let lines = self.lines();
        let table: Vec<Value> = lines.iter().map(line_json).collect();
        let goals: Vec<Value> = verdicts(&lines)
            .into_iter()
            .map(|goal| json!({ "goal": goal.name, "bound": goal.bound, "value": goal.value, "met": goal.met }))
            .collect();
        let runs: Vec<Value> = self
            .runs
            .iter()
            .map(|run| {
                json!({
                    "case": run.case, "row": run.row, "engine": run.engine, "round": run.round,
                    "figures": run.figures,
                })
            })
            .collect();
        let mut all = self.more.clone();
        all.insert("table".into(), Value::Array(table));
        all.insert("goals".into(), Value::Array(goals));
        all.insert("failures".into(), json!(self.failures));
        all.insert("runs".into(), Value::Array(runs));
        Value::Object(all)
    }

    /// Lines in the order in which their rows were first measured.
    fn lines(&self) -> Vec<Line> {
        let mut places: Vec<(Case, Row)> = Vec::new();
        for run in &self.runs {
            if !places.contains(&(run.case, run.row)) {
                places.push((run.case, run.row));
            }
        }
        places.sort_by_key(|(_, row)| *row);
        let lines = places.into_iter().flat_map(|(case, row)| {
            metrics(row).into_iter().map(move |metric| {
                let medians = self.medians(case, row, &metric);
                Line { case, row, metric, medians }
            })
        });
        lines.collect()
    }

    fn medians(&self, case: Case, row: Row, metric: &Metric) -> BTreeMap<Engine, f64> {
        let of = |engine: Engine| {
            let runs =
                self.runs.iter().filter(|run| run.case == case && run.row == row && run.engine == engine);
            let values: Vec<f64> = runs.map(|run| (metric.of)(&run.figures, &case)).collect();
            (!values.is_empty()).then(|| (engine, median(values)))
        };
        Engine::ALL.into_iter().filter_map(of).collect()
    }
}

fn verdicts(lines: &[Line]) -> Vec<Verdict> {
    let mut verdicts: Vec<Verdict> = lines.iter().filter_map(Line::verdict).collect();
    let cells = lines.iter().filter(|line| line.metric.goal == Goal::Cell);
    let logarithms: Vec<f64> = cells.filter_map(Line::factor).map(f64::ln).collect();
    if !logarithms.is_empty() {
        let mean = (logarithms.iter().sum::<f64>() / logarithms.len() as f64).exp();
        verdicts.push(Verdict {
            name: format!("geometric mean of {} cells", logarithms.len()),
            bound: format!(">= {CELLS_TOGETHER:?} x as good"),
            value: mean,
            met: mean >= CELLS_TOGETHER,
        });
    }
    verdicts
}

fn line_json(line: &Line) -> Value {
    let medians: Map<String, Value> =
        line.medians.iter().map(|(engine, median)| (engine.name().to_owned(), json!(median))).collect();
    json!({
        "case": line.case, "row": line.row, "figure": line.metric.name, "unit": line.metric.unit,
        "more_is_better": line.metric.more_is_better, "medians": medians,
        "clockwise_by_rocksdb": line.ratio(), "times_better": line.factor(),
    })
}

fn row_name(row: Row) -> String {
    row.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

/// Three digits that count.
fn digits(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 || size == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// The middle value; of an even number of values the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

#[cfg(test)]
mod tests;
