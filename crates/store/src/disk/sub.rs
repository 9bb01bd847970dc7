//! A folder below another one's, as a disk of its own.

use super::{Disk, DiskFile, Space};
use std::io;

/// See the module.
pub struct SubDisk<'a> {
    disk: &'a dyn Disk,
    prefix: String,
}

impl<'a> SubDisk<'a> {
    /// The folder of this path, which must exist before anything is put into it.
    pub fn new(disk: &'a dyn Disk, path: &str) -> SubDisk<'a> {
        SubDisk { disk, prefix: path.to_owned() }
    }

    /// A path as the disk around it knows it.
    pub(crate) fn outside(&self, path: &str) -> String {
        if path.is_empty() { self.prefix.clone() } else { format!("{}/{path}", self.prefix) }
    }
}

impl Disk for SubDisk<'_> {
    fn create(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        self.disk.create(&self.outside(path))
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        self.disk.open(&self.outside(path))
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.disk.list(&self.outside(dir))
    }

    fn create_dir(&self, path: &str) -> io::Result<()> {
        self.disk.create_dir(&self.outside(path))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(&self.outside(from), &self.outside(to))
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.link(&self.outside(from), &self.outside(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.disk.remove(&self.outside(path))
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.disk.sync_dir(&self.outside(dir))
    }

    fn space(&self) -> io::Result<Space> {
        self.disk.space()
    }
}
