//! Puts the sources together: flags and environment over the file over the defaults.

use super::{
    Source,
    check::{Checked, SettingsError, check},
};
use std::path::Path;

/// Longest configuration file, in bytes.
const FILE_BYTES: u64 = 1 << 20;

/// Reads the file, if one is named, puts the flags over it and checks the result.
pub fn load(flags: Source, file: Option<&Path>) -> Result<Checked, SettingsError> {
    let below = match file {
        Some(path) => read(path)?,
        None => Source::default(),
    };
    check(flags.over(below))
}

fn read(path: &Path) -> Result<Source, SettingsError> {
    let unreadable = |why: String| SettingsError(format!("cannot read {}: {why}", path.display()));
    let length = std::fs::metadata(path).map_err(|e| unreadable(e.to_string()))?.len();
    if length > FILE_BYTES {
        return Err(unreadable(format!("{length} bytes are no configuration")));
    }
    let text = std::fs::read_to_string(path).map_err(|e| unreadable(e.to_string()))?;
    // The parser's message names line and column and shows the line.
    toml::from_str(&text)
        .map_err(|e| SettingsError(format!("{}: {}", path.display(), e.to_string().trim_end())))
}
