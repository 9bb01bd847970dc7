//! What only shows over time, of our engine alone: pauses of the shard's thread under a steady load (`stalls`), how
//! much of a skewed load memory answers (`hit-rate`), and whether memory stays flat while much is written (`soak`).

use anyhow::{Context, Result};
use clap::Args;
use clockwise_store::Options;
use std::{
    fs,
    path::{Path, PathBuf},
};

mod hit_rate;
mod shard;
mod soak;
mod stalls;
mod steps;

pub use hit_rate::HitRate;
pub use soak::Soak;
pub use stalls::Stalls;

/// Where the data goes and how much memory the engine has.
#[derive(Args)]
pub struct Place {
    /// Folder for the engine's data; its disk is what is measured [default: target]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Write all figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Memory for memtables; writes are refused at twice this. The server's default
    #[arg(long, value_name = "MIB", default_value_t = 128)]
    memtable_mib: usize,
    /// Memory for blocks. The server's default
    #[arg(long, value_name = "MIB", default_value_t = 128)]
    cache_mib: usize,
}

impl Place {
    /// An empty folder of our own.
    fn fresh_folder(&self, name: &str) -> Result<PathBuf> {
        let parent = self.data.clone();
        let parent = parent.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"));
        let folder = parent.join(format!("engine-bench-{name}"));
        remove(&folder)?;
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        Ok(folder)
    }

    /// The server's settings with this much memory.
    fn options(&self) -> Options {
        Options {
            memtable_bytes: self.memtable_mib << 20,
            cache_bytes: self.cache_mib << 20,
            reserve_bytes: 64 << 20,
            reserve_percent: 0,
            ..Options::default()
        }
    }

    fn write_json(&self, figures: &serde_json::Value) -> Result<()> {
        let Some(path) = &self.json else { return Ok(()) };
        fs::write(path, serde_json::to_string_pretty(figures)?)
            .with_context(|| format!("write {}", path.display()))
    }
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

fn mib(bytes: u64) -> u64 {
    bytes >> 20
}
