//! What makes a data folder of the parts that a server's shards put into the folder of a checkpoint. Identity and
//! layout are not the engine's: whoever restores decides who it is.

use crate::{
    disk::{Disk, SubDisk},
    log,
    options::Options,
};
use clockwise_core::{ids::Lsn, limits::CELLS};
use std::io;

/// One shard's part of a checkpoint.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Part {
    /// Up to where each of the shard's cells goes.
    pub flushed: Vec<(u16, Lsn)>,
    /// Bytes of the linked tables.
    pub bytes: u64,
}

/// Completes a checkpoint: with all parts in it the folder gets an empty commit log, and opens from then on.
pub fn seal(disk: &dyn Disk, dir: &str, parts: &[Part], options: &Options) -> io::Result<()> {
    let mut flushed = [Lsn(0); CELLS as usize];
    let mut cells = 0;
    for &(cell, lsn) in parts.iter().flat_map(|part| &part.flushed) {
        flushed[usize::from(cell)] = lsn;
        cells += 1;
    }
    if cells != usize::from(CELLS) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a part of the checkpoint is missing"));
    }
    let folder = SubDisk::new(disk, dir);
    folder.create_dir(log::DIR)?;
    folder.sync_dir("")?;
    log::write_empty(&folder, flushed, options.first_segment_bytes)?;
    disk.sync_dir(dir.rfind('/').map_or("", |at| &dir[..at]))
}
