//! Which figures of a row are shown, and what is asked of them.

use crate::{measure::Figures, row::Row, setup::Case};

/// One figure.
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Whether more is better.
    pub more_is_better: bool,
    /// What is asked of ours.
    pub goal: Goal,
    /// From what was measured; `NaN` if there is no answer.
    pub of: fn(&Figures, &Case) -> f64,
}

/// What is asked of a figure of our engine.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Goal {
    /// Nothing: it is there to be read.
    Shown,
    /// At most so many times RocksDB's.
    AtMost(f64),
    /// At least so many times RocksDB's.
    AtLeast(f64),
    /// Not much worse than RocksDB's, and better on the whole; see `report`.
    Cell,
    /// At most this, whatever others do.
    Within(f64),
}

/// Memory that a process may take beside the budget, in bytes: stacks, the load generator, what an allocator
/// keeps.
const MEMORY_ALLOWANCE: f64 = 8.0 * 1024.0 * 1024.0;

const fn less(name: &'static str, unit: &'static str, goal: Goal, of: fn(&Figures, &Case) -> f64) -> Metric {
    Metric { name, unit, more_is_better: false, goal, of }
}

const fn more(name: &'static str, unit: &'static str, goal: Goal, of: fn(&Figures, &Case) -> f64) -> Metric {
    Metric { name, unit, more_is_better: true, goal, of }
}

const fn cpu(goal: Goal) -> Metric {
    less("CPU", "us/op", goal, |figures, _| per_operation(figures.cpu_ns, figures) / 1e3)
}

const fn wall(goal: Goal) -> Metric {
    less("wall", "us/op", goal, |figures, _| per_operation(figures.wall_ns, figures) / 1e3)
}

const fn rate(goal: Goal) -> Metric {
    more("rate", "op/s", goal, |figures, _| 1e9 / per_operation(figures.wall_ns, figures))
}

const fn cpu_rate(goal: Goal) -> Metric {
    more("per CPU second", "op", goal, |figures, _| 1e9 / per_operation(figures.cpu_ns, figures))
}

const fn written(goal: Goal) -> Metric {
    let of = |figures: &Figures, _: &Case| figures.written_bytes as f64 / figures.user_bytes as f64;
    less("write amplification", "x", goal, of)
}

const fn on_disk() -> Metric {
    let of = |figures: &Figures, _: &Case| figures.disk_bytes as f64 / figures.user_bytes as f64;
    less("disk / data", "x", Goal::Cell, of)
}

const fn memory() -> Metric {
    less("peak memory / budget", "x", Goal::Within(1.0), |figures, case| {
        let grown = figures.peak_rss_bytes.saturating_sub(figures.base_rss_bytes) as f64;
        (grown - MEMORY_ALLOWANCE).max(0.0) / case.memory_bytes() as f64
    })
}

fn per_operation(of: u64, figures: &Figures) -> f64 {
    of as f64 / figures.operations as f64
}

/// The figures of a row.
pub fn metrics(row: Row) -> Vec<Metric> {
    use Goal::{AtLeast, AtMost, Cell, Shown};
    match row {
        Row::PutRandom => vec![cpu(AtMost(0.5)), wall(Shown), written(Cell), on_disk(), memory()],
        Row::PutTogether | Row::PutSequential => vec![cpu(AtMost(0.5)), wall(Shown), written(Shown)],
        Row::Uncompressed => vec![on_disk()],
        Row::Durable | Row::DurableThreads => vec![rate(AtLeast(1.5)), cpu(Shown)],
        Row::HotGet => vec![cpu(AtMost(0.5)), wall(Shown), memory()],
        Row::ReadModifyWrite => vec![cpu_rate(AtLeast(2.0)), rate(Shown), written(Shown), memory()],
        Row::OverwriteCold => vec![cpu(Shown), wall(Shown), memory()],
        Row::ColdGet => vec![cpu(Cell), wall(Cell), memory()],
        Row::Absent | Row::ScanFull | Row::ScanRange => vec![cpu(Cell), wall(Shown)],
        Row::Reopen => vec![
            less("wall", "ms", Cell, |figures, _| figures.wall_ns as f64 / 1e6),
            less("CPU", "ms", Shown, |figures, _| figures.cpu_ns as f64 / 1e6),
            memory(),
        ],
    }
}
