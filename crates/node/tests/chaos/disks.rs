//! Small disks for some of the servers, which can be filled: file systems in memory, where this process may mount them.

use clockwise_store::{Disk, RealDisk};
use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Free space below which the servers refuse writes.
pub const RESERVE: &str = "32MiB";
/// Free bytes that are left on a full disk: below the reserve, and enough to flush.
const LEFT_BYTES: u64 = 24 << 20;
/// Size of a small disk.
const SIZE: &str = "size=384m";

/// A mounted file system; unmounted in the end.
#[derive(Debug)]
pub struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    /// Mounts one at a folder that is made for it, or says why not.
    pub fn mount(at: &Path) -> Result<SmallDisk, String> {
        fs::create_dir_all(at).map_err(|error| error.to_string())?;
        let output = Command::new("mount")
            .args(["-t", "tmpfs", "-o", SIZE, "clockwise-chaos"])
            .arg(at)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| error.to_string())?;
        match output.status.success() {
            true => Ok(SmallDisk { at: at.to_path_buf() }),
            false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        }
    }

    /// A folder of its own beside the server's files: the server has locked its folder.
    fn ballast(&self) -> PathBuf {
        self.at.join("ballast")
    }

    /// Fills it.
    pub fn fill(&self) {
        fs::create_dir_all(self.ballast()).expect("it is mounted");
        let space = RealDisk::open(&self.ballast()).expect("it is mounted");
        let mut file = File::create(self.ballast().join("zeros")).expect("it is mounted");
        let chunk = vec![7; 1 << 20];
        while space.space().is_ok_and(|space| space.available_bytes > LEFT_BYTES) {
            if file.write_all(&chunk).is_err() {
                break;
            }
        }
    }

    /// Gives the space back.
    pub fn empty(&self) {
        let _ = fs::remove_dir_all(self.ballast());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.at).stdin(Stdio::null()).status();
    }
}
