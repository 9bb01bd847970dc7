//! The mark that tells a data folder from any other folder and one format from the next.

use super::BootError;
use clockwise_store::{Disk, MetaError, meta};
use std::{io, path::Path};

/// The record's name; it is the first that a new folder gets.
const FORMAT: &str = "format";
/// What this version writes and reads.
const OURS: &[u8] = b"clockwise 1";

/// Whether the folder is new. A folder that is neither new nor of this format is refused.
pub(super) fn check(disk: &dyn Disk, path: &Path) -> Result<bool, BootError> {
    let io = |doing| move |error| BootError::Io { path: path.to_path_buf(), doing, error };
    match meta::load(disk, FORMAT) {
        Ok(Some(found)) if found[..] == *OURS => Ok(false),
        Ok(Some(found)) => {
            let found = String::from_utf8_lossy(&found[..found.len().min(64)]).into_owned();
            Err(BootError::OtherFormat { path: path.to_path_buf(), found })
        }
        Ok(None) => match foreign(disk).map_err(io("list it"))? {
            None => Ok(true),
            Some(found) => Err(BootError::NotOurs { path: path.to_path_buf(), found }),
        },
        Err(MetaError::Damaged) => Err(BootError::damaged(path, FORMAT)),
        Err(MetaError::Io(error)) => Err(io("read its format")(error)),
    }
}

/// Whether this is a folder of ours, of this format; if not, why.
pub(super) fn look(disk: &dyn Disk) -> Result<(), String> {
    match meta::read(disk, FORMAT) {
        Ok(Some(found)) if found[..] == *OURS => Ok(()),
        Ok(Some(found)) => {
            let found = String::from_utf8_lossy(&found[..found.len().min(64)]).into_owned();
            Err(format!("it has the format `{found}`, which this version does not read"))
        }
        Ok(None) => Err("it is not a data folder: it has no record `format`".to_owned()),
        Err(MetaError::Damaged) => {
            Err("its record `format` is damaged: nothing says what the rest is".to_owned())
        }
        Err(MetaError::Io(error)) => Err(super::check::unread(FORMAT, &error)),
    }
}

/// Marks a new folder.
pub(super) fn mark(disk: &dyn Disk) -> io::Result<()> {
    meta::save(disk, FORMAT, OURS)
}

/// Whether nothing but the mark is there.
pub(super) fn is_empty(disk: &dyn Disk) -> io::Result<bool> {
    Ok(foreign(disk)?.is_none())
}

/// Something that a start interrupted before the identity was written cannot have left.
fn foreign(disk: &dyn Disk) -> io::Result<Option<String>> {
    let own = |name: &str| name == "LOCK" || name.starts_with("format") || name == "identity.tmp";
    Ok(disk.list("")?.into_iter().find(|name| !own(name)))
}
