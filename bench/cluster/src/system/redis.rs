//! Redis: one server, or a primary with replicas; append-only file, synced every second.

use super::{FIRST_PORTS, System, free_port};
use crate::options::Programs;
use anyhow::{Context, Result};
use std::{fs, net::SocketAddr};

/// Starts a primary and its replicas, on the next ports; load goes to the primary.
pub fn start(system: &mut System, programs: &Programs, replicas: u16) -> Result<()> {
    let program = programs.redis_server.clone().context("there is no redis-server")?;
    let primary_port = free_port(FIRST_PORTS[1], &[0, 1, 2])?;
    for index in 0..=replicas {
        let folder = system.folder.join(format!("{index}"));
        fs::create_dir(&folder)?;
        let (port, folder) = ((primary_port + index).to_string(), folder.display().to_string());
        let mut arguments = vec!["--port", &port, "--bind", "127.0.0.1", "--dir", &folder];
        // No snapshots: only the append-only file counts here.
        arguments.extend(["--save", "", "--appendonly", "yes", "--appendfsync", "everysec"]);
        arguments.extend(["--daemonize", "no", "--repl-diskless-sync-delay", "0"]);
        let primary = format!("127.0.0.1 {primary_port}");
        if index > 0 {
            arguments.extend(["--replicaof", &primary]);
        }
        let arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
        system.spawn(&program, &arguments, &format!("redis-{index}.log"))?;
    }
    system.targets = vec![SocketAddr::from(([127, 0, 0, 1], primary_port))];
    system.await_each(|client| {
        let online = client.must(&["INFO", "replication"])?.matches("state=online").count();
        Ok(online == usize::from(replicas) && client.must(&["SET", "bench:ready", "1"])? == "OK")
    })
}
