//! The command line: what there is to say, and where it goes.
//!
//! Answers go to standard output, everything else to standard error. Exit codes: 0 done, 1 failed, 2 wrong usage,
//! 4 the key has no value; those of `check` are its own.

mod check;
mod explain;
mod force_complete;
mod init;
mod kv;
mod server;
mod start;
mod status;
mod table;

pub use init::{InitError, Initialised, initialise};
pub use server::Password;

use crate::dev;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// A leaderless, replicated key-value store that speaks Redis
#[derive(Parser)]
#[command(
    name = "clockwise",
    version,
    after_help = "To try it: `clockwise dev` starts three servers on this machine; then `redis-cli -p 7001`."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run one server
    Start(Box<start::Start>),
    /// Make a cluster of servers that run and belong to none
    Init(init::Init),
    /// Run a whole cluster on this machine, each server a process of its own
    Dev(dev::Dev),
    /// Show servers, layout and numbers of a cluster
    Status(status::Status),
    /// Read the values of a key, with their context
    Get(kv::Get),
    /// Write a value
    Put(kv::Put),
    /// Delete a key
    Del(kv::Del),
    /// Show where a key lives, and who holds which version of it
    Explain(explain::Explain),
    /// Take damaged slots of a server for whole, when nobody is left to fill them from
    ForceComplete(force_complete::ForceComplete),
    /// Look through the data folder of a server that does not run, for damage
    Check(check::Check),
}

/// Runs what the command line says.
pub fn run() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Start(start) => start.run(),
        Command::Init(init) => init.run(),
        Command::Dev(dev) => dev.run(),
        Command::Status(status) => status.run(),
        Command::Get(get) => get.run(),
        Command::Put(put) => put.run(),
        Command::Del(del) => del.run(),
        Command::Explain(explain) => explain.run(),
        Command::ForceComplete(force) => force.run(),
        Command::Check(check) => Ok(check.run()),
    };
    done.unwrap_or_else(|error| {
        eprintln!("clockwise: {error}");
        ExitCode::FAILURE
    })
}

/// What a subcommand answers; the error is one line for people.
pub(crate) type Done = Result<ExitCode, Box<dyn std::error::Error>>;

/// The exit code of a read that found nothing.
fn no_value() -> ExitCode {
    ExitCode::from(4)
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
