//! `init`: makes a cluster of servers that run and belong to none, or finishes what an earlier `init` began.
//!
//! The first layout is minted here, once, and sent to every server. A server that has it already hands it out, so
//! that a run that was cut off is completed by running it again. Data is never wiped: servers of another cluster
//! are refused.

mod plan;

#[cfg(test)]
mod tests;

use super::{
    Done,
    server::{Password, connect},
};
use crate::client::{Client, ClientError, Identified};
use clap::Args;
use clockwise_core::layout::Layout;
use plan::{Plan, plan};
use std::{fmt, process::ExitCode};

/// Flags of `init`.
#[derive(Args)]
pub struct Init {
    /// Cluster or plain port of a server; to be given once for each server of the new cluster
    #[arg(long = "server", value_name = "HOST:PORT", required = true, num_args = 1.., value_delimiter = ',')]
    servers: Vec<String>,
    /// Copies of every key, on as many different servers
    #[arg(long, value_name = "N", default_value_t = 3)]
    replicas: u8,
    #[command(flatten)]
    password: Password,
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Initialised {
    /// The cluster, 32 hex digits.
    pub cluster: String,
    /// Servers that had the layout before.
    pub before: usize,
    /// Servers that have it now.
    pub servers: usize,
    /// Copies of every key.
    pub replicas: u8,
}

/// Why there is no cluster of these servers.
#[derive(Debug)]
pub enum InitError {
    /// A server does not answer, or refuses.
    Server {
        /// Which.
        server: String,
        /// What it said.
        error: ClientError,
    },
    /// They cannot be one cluster.
    Plan(String),
}

impl Init {
    /// Makes the cluster and says so.
    pub fn run(self) -> Done {
        let password = self.password.read()?;
        let done = initialise(&self.servers, self.replicas, password.as_deref())?;
        let Initialised { cluster, before, servers, replicas } = done;
        match before {
            0 => println!("cluster {cluster} made of {servers} servers, {replicas} replicas of every key"),
            n if n == servers => println!("cluster {cluster} of these {servers} servers is there already"),
            n => println!("cluster {cluster} completed: {n} of {servers} servers had its layout before"),
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Asks every server who it is, and gives the layout to those that have none.
pub fn initialise(
    servers: &[String],
    replicas: u8,
    password: Option<&str>,
) -> Result<Initialised, InitError> {
    let mut clients = Vec::with_capacity(servers.len());
    for server in servers {
        let at = |error| InitError::Server { server: server.clone(), error };
        let mut client = connect(server, password).map_err(at)?;
        let identified: Identified = client.json(&[b"CW.IDENTIFY"]).map_err(at)?;
        clients.push((server.clone(), client, identified));
    }
    let known: Vec<(String, Identified)> =
        clients.iter().map(|(server, _, identified)| (server.clone(), identified.clone())).collect();
    let Plan { layout, missing } = plan(&known, replicas, &mut random).map_err(InitError::Plan)?;
    for at in &missing {
        let (server, client, _) = &mut clients[*at];
        install(client, &layout).map_err(|error| InitError::Server { server: server.clone(), error })?;
    }
    Ok(Initialised {
        cluster: plan::hex(&layout.spec().cluster),
        before: servers.len() - missing.len(),
        servers: servers.len(),
        replicas: layout.spec().replicas,
    })
}

fn install(client: &mut Client, layout: &Layout) -> Result<(), ClientError> {
    client.call(&[b"CW.INSTALL", plan::hex(&layout.encode()).as_bytes()]).map(|_| ())
}

fn random(bytes: &mut [u8]) -> Result<(), String> {
    getrandom::fill(bytes).map_err(|error| format!("this machine has no random numbers: {error}"))
}

impl fmt::Display for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InitError::Server { server, error: error @ ClientError::Refused(_) } => {
                write!(f, "{server}: {error}")
            }
            InitError::Server { error, .. } => write!(f, "{error}"),
            InitError::Plan(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for InitError {}
