//! The command line.

use crate::{
    endurance::{HitRate, Soak, Stalls},
    row::{Row, Task},
    setup::Case,
    store::Engine,
};
use clap::{Args, Parser, Subcommand};
use std::path::{Path, PathBuf};

/// Runs the storage engine of Clockwise, RocksDB and fjall in turn, each row in a process of its own, and prints
/// costs, ratios and goals as Markdown.
#[derive(Parser)]
#[command(name = "engine-bench", version)]
pub struct Options {
    /// Something else than the comparison.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to run.
    #[command(flatten)]
    pub run: RunOptions,
}

/// Runs of our engine alone, and what a process of the comparison does.
#[derive(Subcommand)]
pub enum Command {
    Stalls(Stalls),
    HitRate(HitRate),
    Soak(Soak),
    /// Runs one row of one engine and prints its figures
    #[command(hide = true)]
    Row(TaskOptions),
    /// Puts until all is there, says so and waits to be killed
    #[command(hide = true)]
    Fill(TaskOptions),
}

/// How to run.
#[derive(Args)]
pub struct RunOptions {
    /// Fewer keys and operations: under ten minutes
    #[arg(long)]
    pub quick: bool,
    /// Write all figures to this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Only these rows; those that need data run with put-random [default: all]
    #[arg(long, value_delimiter = ',', value_name = "ROW")]
    pub rows: Vec<Row>,
    /// Only these engines [default: all]
    #[arg(long, value_delimiter = ',', value_name = "ENGINE")]
    pub engines: Vec<Engine>,
    /// Rounds; medians are taken over them
    #[arg(long, default_value_t = 3)]
    pub rounds: u64,
    /// Distinct keys [default: 1000000,10000000; quick: see --value-bytes]
    #[arg(long, value_delimiter = ',')]
    pub keys: Vec<u64>,
    /// Bytes of a value [default: 100,1000; quick: 100 with 600000 keys, 1000 with 100000]
    #[arg(long, value_delimiter = ',')]
    pub value_bytes: Vec<usize>,
    /// Folder for the engines' data; its disk is what is measured [default: target]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// A task in words.
#[derive(Args)]
pub struct TaskOptions {
    #[arg(long)]
    engine: Engine,
    #[arg(long)]
    row: Row,
    #[arg(long)]
    keys: u64,
    #[arg(long)]
    value_bytes: usize,
    #[arg(long)]
    folder: PathBuf,
    #[arg(long)]
    round: u64,
    #[arg(long)]
    quick: bool,
}

impl TaskOptions {
    /// Whose task it is.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// The task.
    pub fn task(&self) -> Task {
        let case = Case { keys: self.keys.max(1), value_bytes: self.value_bytes };
        Task { row: self.row, case, folder: self.folder.clone(), round: self.round, quick: self.quick }
    }

    /// The command line of a task.
    pub fn arguments(engine: Engine, task: &Task) -> Vec<String> {
        use clap::ValueEnum;
        let row = task.row.to_possible_value().expect("every row has a name").get_name().to_owned();
        let pairs = [
            ("--engine", engine.name().to_owned()),
            ("--row", row),
            ("--keys", task.case.keys.to_string()),
            ("--value-bytes", task.case.value_bytes.to_string()),
            ("--folder", task.folder.display().to_string()),
            ("--round", task.round.to_string()),
        ];
        let mut arguments: Vec<String> =
            pairs.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect();
        if task.quick {
            arguments.push("--quick".to_owned());
        }
        arguments
    }
}

impl RunOptions {
    /// The sizes to run with.
    pub fn cases(&self) -> Vec<Case> {
        if self.quick && self.keys.is_empty() && self.value_bytes.is_empty() {
            return vec![
                Case { keys: 600_000, value_bytes: 100 },
                Case { keys: 100_000, value_bytes: 1_000 },
            ];
        }
        let or = |given: &[u64], default: &[u64]| if given.is_empty() { default } else { given }.to_vec();
        let keys = or(&self.keys, if self.quick { &[200_000] } else { &[1_000_000, 10_000_000] });
        let value_bytes =
            if self.value_bytes.is_empty() { vec![100, 1_000] } else { self.value_bytes.clone() };
        let with =
            |keys: u64| value_bytes.iter().map(move |&value_bytes| Case { keys: keys.max(1), value_bytes });
        keys.into_iter().flat_map(with).collect()
    }

    /// The rows to run, in their order. Whoever needs data needs who puts it.
    pub fn rows(&self) -> Vec<Row> {
        let wanted = |row: &Row| self.rows.is_empty() || self.rows.contains(row);
        let data = self.rows.iter().any(|row| row.needs_data());
        Row::ALL.into_iter().filter(|row| wanted(row) || (data && *row == Row::PutRandom)).collect()
    }

    /// Where the engines' data goes: a folder of our own, which is removed at the end.
    pub fn data_folder(&self) -> PathBuf {
        let parent = self.data.clone();
        parent
            .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"))
            .join("engine-bench-data")
    }
}
