//! Clockwise: three servers by `clockwise dev`, load spread over their cluster ports.

use super::{FIRST_PORTS, System, free_port};
use crate::options::Programs;
use anyhow::{Context, Result};
use clap::ValueEnum;
use std::net::SocketAddr;

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
    // Plain ports are 1000 below, HTTP 1000 and peers 2000 above.
    let kinds = [0, -1000, 1000, 2000].into_iter();
    let offsets: Vec<i32> = kinds.flat_map(|kind| (0..i32::from(SERVERS)).map(move |at| kind + at)).collect();
    let port = free_port(FIRST_PORTS[0], &offsets)?;
    let data = system.folder.join("data");
    let line = format!("dev --servers {SERVERS} --port {port} --durability {durability} --data");
    let mut arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
    arguments.push(data.display().to_string());
    arguments.extend(programs.clockwise_arguments.iter().cloned());
    system.spawn(&program, &arguments, "dev.log")?;
    system.targets = (0..SERVERS).map(|index| SocketAddr::from(([127, 0, 0, 1], port + index))).collect();
    system.await_each(|client| Ok(client.must(&["SET", "bench:ready", "1"])? == "OK"))
}
