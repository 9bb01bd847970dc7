//! The command line, and the programs that a run needs: found, built or installed.

use crate::machine::first_line;
use clap::{Parser, ValueEnum};
use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// A part of the run that can be chosen alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// Quorum SET against Redis' SET closed by WAIT 1
    Set,
    /// GET at R=1 and at a quorum against GET on one Redis
    Get,
    /// Latency at half of the top rate, at a constant rate
    Tail,
    /// durability=sync against periodic, with 48 and 256 connections
    Sync,
    /// Memory of servers that do nothing
    Idle,
    /// What redis-benchmark says
    Tools,
    /// Outcome and latency of all (R, W) pairs with 0, 1 and 2 servers stopped
    Levels,
}

/// Runs a Clockwise cluster and Redis in turn under the same load, and prints operations per
/// second of server CPU and their ratios.
#[derive(Parser, Clone)]
#[command(name = "cluster-bench", version)]
pub struct Options {
    /// Short runs, fewer keys, no tools and levels: under two minutes
    #[arg(long)]
    pub quick: bool,
    /// Write all figures to this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Seconds of a measured stretch [default: 8, quick 1]
    #[arg(long, value_name = "S")]
    pub duration: Option<f64>,
    /// Rounds; medians are taken over them
    #[arg(long, default_value_t = 3)]
    pub rounds: u32,
    /// Client connections
    #[arg(long, default_value_t = 48)]
    pub connections: usize,
    /// Bytes of a value
    #[arg(long, default_value_t = 100)]
    pub value: usize,
    /// Distinct keys [default: 200000, quick 50000]
    #[arg(long)]
    pub keys: Option<u64>,
    /// Commands in one batch of a connection
    #[arg(long, value_delimiter = ',', default_value = "1,16")]
    pub depths: Vec<u32>,
    /// Only these parts [default: all; quick: all but tools and levels]
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub scenario: Vec<Scenario>,
    /// The clockwise binary [default: ../../target/release/clockwise, built when absent]
    #[arg(long, value_name = "PATH")]
    pub clockwise: Option<PathBuf>,
    /// One more argument for `clockwise dev`; may be repeated
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    pub clockwise_arg: Vec<String>,
    /// Folder for the servers' data; its disk is what is measured [default: target]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

impl Options {
    /// Length of a measured stretch.
    pub fn stretch(&self) -> Duration {
        Duration::from_secs_f64(
            self.duration.unwrap_or(if self.quick { 1.0 } else { 8.0 }).clamp(0.1, 3600.0),
        )
    }

    /// Load before a measured stretch that is not counted.
    pub fn warm_up(&self) -> Duration {
        (self.stretch() / 4).min(Duration::from_secs(2))
    }

    /// Distinct keys.
    pub fn key_count(&self) -> u64 {
        self.keys.unwrap_or(if self.quick { 50_000 } else { 200_000 }).max(1)
    }

    /// True if the part is to be run.
    pub fn wants(&self, scenario: Scenario) -> bool {
        let long = matches!(scenario, Scenario::Tools | Scenario::Levels);
        if self.scenario.is_empty() { !(self.quick && long) } else { self.scenario.contains(&scenario) }
    }

    /// Where the servers' data goes: a folder of our own, which is removed at the end.
    pub fn data_folder(&self) -> PathBuf {
        let parent = self.data.clone();
        parent
            .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"))
            .join("cluster-bench-data")
    }
}

/// The programs that a run uses; what is absent is skipped, and said.
#[derive(Clone, Default)]
pub struct Programs {
    /// The server binary under test.
    pub clockwise: Option<PathBuf>,
    /// More arguments for `clockwise dev`.
    pub clockwise_arguments: Vec<String>,
    /// Redis.
    pub redis_server: Option<PathBuf>,
    /// Its load tool.
    pub redis_benchmark: Option<PathBuf>,
    /// Why something is absent.
    pub absent: Vec<String>,
}

impl Programs {
    /// Finds everything; builds Clockwise and installs Redis where that is needed and possible.
    pub fn find(options: &Options) -> Self {
        let mut programs = Self { clockwise_arguments: options.clockwise_arg.clone(), ..Self::default() };
        match find_clockwise(options) {
            Ok(path) => programs.clockwise = Some(path),
            Err(reason) => programs.absent.push(format!("everything about Clockwise: {reason}")),
        }
        if in_path("redis-server").is_none() {
            install_redis();
        }
        programs.redis_server = in_path("redis-server");
        programs.redis_benchmark = in_path("redis-benchmark");
        if programs.redis_server.is_none() {
            programs.absent.push("the comparison: redis-server is absent and could not be installed".into());
        }
        if programs.redis_benchmark.is_none() {
            programs.absent.push("tools: redis-benchmark is absent and could not be installed".into());
        }
        programs
    }

    /// Versions as the programs tell them.
    pub fn versions(&self) -> serde_json::Value {
        let version = |path: &Option<PathBuf>| path.as_deref().map(|path| first_line(path, "--version"));
        serde_json::json!({ "clockwise": version(&self.clockwise), "redis": version(&self.redis_server) })
    }
}

fn find_clockwise(options: &Options) -> Result<PathBuf, String> {
    if let Some(path) = &options.clockwise {
        return path.canonicalize().map_err(|error| format!("{}: {error}", path.display()));
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let binary = root.join("target/release/clockwise");
    if !binary.exists() {
        eprintln!("building clockwise ...");
        let built = Command::new("cargo").args(["build", "--release"]).current_dir(&root).status();
        if !built.is_ok_and(|status| status.success()) {
            return Err("it could not be built".to_owned());
        }
    }
    binary.canonicalize().map_err(|error| format!("{}: {error}", binary.display()))
}

fn in_path(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// Tries Debian's package; whether it worked is seen by looking for the programs again.
fn install_redis() {
    eprintln!("installing redis-server ...");
    for arguments in [&["update"][..], &["install", "-y", "--no-install-recommends", "redis-server"]] {
        let status =
            Command::new("apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive").status();
        if !status.is_ok_and(|status| status.success()) {
            eprintln!("apt-get {} failed", arguments.join(" "));
        }
    }
}
