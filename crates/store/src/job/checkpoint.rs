//! Links a shard's tables into the folder of a checkpoint and writes the manifests beside them.

use crate::{
    checkpoint::Part,
    disk::{Disk, SubDisk},
    engine::Noted,
    manifest, meta, table,
};
use std::io;

pub(crate) struct CheckpointJob {
    pub(crate) dir: String,
    pub(crate) cells: Vec<Noted>,
}

impl CheckpointJob {
    pub(super) fn run(self, disk: &dyn Disk) -> io::Result<Part> {
        disk.create_dir(&self.dir)?;
        let folder = SubDisk::new(disk, &self.dir);
        folder.create_dir(table::DIR)?;
        let mut part = Part::default();
        for cell in &self.cells {
            for table in &cell.tables {
                if !table.is_broken() {
                    disk.link(table.path(), &folder.outside(table.path()))?;
                    part.bytes += table.info().file_bytes;
                }
            }
            if cell.manifest.flushed.0 > 0 {
                meta::save(&folder, &manifest::name(cell.cell), &cell.manifest.encode())?;
            }
            part.flushed.push((cell.cell, cell.manifest.flushed));
        }
        folder.sync_dir(table::DIR)?;
        folder.sync_dir("")?;
        Ok(part)
    }
}
