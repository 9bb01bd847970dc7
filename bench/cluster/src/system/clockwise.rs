//! Clockwise: three servers by `clockwise dev`, load spread over their cluster ports.

use super::System;
use crate::options::Programs;
use anyhow::{Context, Result};
use clap::ValueEnum;
use std::net::SocketAddr;

/// Cluster port of the first server.
const PORT: u16 = 17_001;
/// Servers, and so replicas of each key.
const SERVERS: u16 = 3;

/// When a write is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Durability {
    /// Before its sync, which follows within a second.
    Periodic,
    /// After its sync.
    Sync,
}

/// Starts three servers.
pub fn start(system: &mut System, programs: &Programs, durability: Durability) -> Result<()> {
    let program = programs.clockwise.clone().context("there is no clockwise binary")?;
    let durability = match durability {
        Durability::Periodic => "periodic",
        Durability::Sync => "sync",
    };
    let data = system.folder.join("data");
    let line = format!("dev --servers {SERVERS} --port {PORT} --durability {durability} --data");
    let mut arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
    arguments.push(data.display().to_string());
    arguments.extend(programs.clockwise_arguments.iter().cloned());
    system.spawn(&program, &arguments, "dev.log")?;
    system.targets = (0..SERVERS).map(|index| SocketAddr::from(([127, 0, 0, 1], PORT + index))).collect();
    system.await_each(|client| Ok(client.must(&["SET", "bench:ready", "1"])? == "OK"))
}
