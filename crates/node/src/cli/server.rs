//! Which server a command talks to, and how.

use crate::client::{Client, ClientError};
use clap::Args;
use std::{path::PathBuf, time::Duration};

/// Longest wait for a connection, in milliseconds; answers may take as long as the command's own deadline.
const CONNECT_MS: u64 = 3_000;
/// Longest deadline that a server takes, and some time for the answer to arrive, in milliseconds.
const ANSWER_MS: u64 = clockwise_core::limits::MAX_TIMEOUT_MS + 2_000;

/// A password, said in one of three ways.
#[derive(Args, Clone)]
pub struct Password {
    /// Password of the servers. Others on this machine can see flags: prefer the environment or a file
    #[arg(long, value_name = "TEXT", env = "CLOCKWISE_PASSWORD", hide_env_values = true)]
    pub password: Option<String>,
    /// File with the password
    #[arg(long, value_name = "FILE", env = "CLOCKWISE_PASSWORD_FILE", conflicts_with = "password")]
    pub password_file: Option<PathBuf>,
}

impl Password {
    /// The password, if there is one.
    pub fn read(&self) -> std::io::Result<Option<String>> {
        let Some(path) = &self.password_file else { return Ok(self.password.clone()) };
        let text = std::fs::read_to_string(path)
            .map_err(|error| std::io::Error::other(format!("--password-file {}: {error}", path.display())))?;
        Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
    }
}

/// One server.
#[derive(Args, Clone)]
pub struct ServerFlags {
    /// Cluster or plain port of any server
    #[arg(long, value_name = "HOST:PORT", env = "CLOCKWISE_SERVER", default_value = "127.0.0.1:7001")]
    pub server: String,
    #[command(flatten)]
    password: Password,
}

impl ServerFlags {
    /// The password, if there is one.
    pub fn password(&self) -> std::io::Result<Option<String>> {
        self.password.read()
    }

    /// Connects.
    pub fn connect(&self) -> Result<Client, Box<dyn std::error::Error>> {
        Ok(connect(&self.server, self.password()?.as_deref())?)
    }
}

/// Connects to a server of the command line.
pub fn connect(server: &str, password: Option<&str>) -> Result<Client, ClientError> {
    let client = Client::connect(server, password, Duration::from_millis(CONNECT_MS))?;
    client.wait_up_to(Duration::from_millis(ANSWER_MS))
}
