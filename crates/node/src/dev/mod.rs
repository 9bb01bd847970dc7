//! `dev`: a whole cluster on this machine, each server a process of its own.
//!
//! Starts the servers of a folder, makes a cluster of them if they are none yet, says when it is ready, and stops
//! all of them when it is stopped. It restarts none: it says when one ends, and how to bring it back. Servers
//! never outlive it, because they stop when the pipe that it holds ends.

mod child;
mod cluster;
mod place;
mod plan;

use crate::{
    cli::{Done, Password},
    settings::DurabilityName,
    signals,
};
use clap::Args;
use cluster::Cluster;
use place::Place;
use plan::Plan;
use std::{ffi::OsString, path::PathBuf, process::ExitCode, sync::mpsc, time::Instant};

/// Flags of `dev`.
#[derive(Args)]
pub struct Dev {
    /// How many servers [default: 3, or as many as the folder holds]
    #[arg(long, value_name = "N")]
    servers: Option<u16>,
    /// Folder of the cluster; made if it is not there. On the same folder the data comes back
    #[arg(long, value_name = "DIR", default_value = "clockwise-data")]
    data: PathBuf,
    /// Cluster port of the first server; plain ports 1000 below, HTTP 1000 above, peers 2000 above
    /// [default: 7001, or that of the folder]
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Acknowledge a write after the sync of its log, or at once and sync from time to time
    #[arg(long, value_name = "WHEN", default_value = "sync")]
    durability: DurabilityName,
    /// Copies of every key [default: 3, or as many as the folder's cluster keeps]
    #[arg(long, value_name = "N")]
    replicas: Option<u8>,
    /// Shard threads of each server [default: cores / servers]
    #[arg(long, value_name = "N")]
    shards: Option<usize>,
    /// Show the servers' logs here instead of writing them to files
    #[arg(long)]
    verbose: bool,
    #[command(flatten)]
    password: Password,
    /// Further flags for every server, as of `clockwise start`
    #[arg(last = true, value_name = "FLAGS")]
    more: Vec<OsString>,
}

impl Dev {
    /// Runs the cluster until SIGTERM, SIGINT, or the end of its last server.
    pub fn run(self) -> Done {
        let began = Instant::now();
        let place = Place::open(&self.data)?;
        let shape = place.shape(self.servers, self.port, self.replicas)?;
        let plan = Plan::new(&place, shape, &self)?;
        plan.check_ports()?;
        place.keep(shape)?;
        let (send, stop) = mpsc::channel();
        signals::on_stop(move |_| {
            // Nobody listens any more only when everything has stopped.
            let _ = send.send(());
        })?;
        let password = self.password.read()?;
        let mut cluster = Cluster::start(&plan, password.as_deref(), self.verbose)?;
        if let Err(error) = cluster.become_ready(password.as_deref(), &stop) {
            cluster.stop();
            return Err(error.into());
        }
        if cluster.is_stopping() {
            cluster.stop();
            return Ok(ExitCode::SUCCESS);
        }
        println!("{}", plan.welcome(&cluster.pids(), began.elapsed(), self.verbose));
        Ok(if cluster.watch(&stop) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
