//! Structured logs on stderr, as text or as JSON. Standard output belongs to what a command answers.

use crate::settings::{LogFormat, LogSettings, SettingsError};
use std::io::IsTerminal;
use tracing_subscriber::{EnvFilter, fmt};

/// Sets up logs for this process; to be called once.
pub fn start(log: &LogSettings) -> Result<(), SettingsError> {
    let filter = EnvFilter::try_new(&log.filter)
        .map_err(|error| SettingsError(format!("--log-level `{}`: {error}", log.filter)))?;
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(true);
    let started = match log.format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| SettingsError(format!("logs cannot be started: {error}")))
}
