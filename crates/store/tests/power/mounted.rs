//! An ext4 file system in a file, on a loop device, that can lose its power.

use crate::shutdown::{Kind, shut_down};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

const IMAGE_BYTES: u64 = 192 << 20;

pub struct Mounted {
    image: PathBuf,
    point: PathBuf,
    is_mounted: bool,
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output =
        Command::new(program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if output.status.success() { Ok(()) } else { Err(format!("{program} {}: {said}", arguments.join(" "))) }
}

impl Mounted {
    /// Makes one; an error says why that cannot be done here.
    pub fn new(folder: &Path) -> Result<Mounted, String> {
        let (image, point) = (folder.join("image"), folder.join("mounted"));
        fs::create_dir(&point).map_err(|error| error.to_string())?;
        let file = File::create(&image).map_err(|error| error.to_string())?;
        file.set_len(IMAGE_BYTES).map_err(|error| error.to_string())?;
        let mut mounted = Mounted { image, point, is_mounted: false };
        run("mkfs.ext4", &["-q", "-F", mounted.image.to_str().expect("made of ASCII")])?;
        mounted.mount()?;
        Ok(mounted)
    }

    pub fn path(&self) -> &Path {
        &self.point
    }

    fn mount(&mut self) -> Result<(), String> {
        let (image, point) =
            (self.image.to_str().expect("made of ASCII"), self.point.to_str().expect("made of ASCII"));
        run("mount", &["-o", "loop", image, point])?;
        self.is_mounted = true;
        Ok(())
    }

    /// The power goes.
    pub fn cut(&mut self, kind: Kind) {
        let folder = File::open(&self.point).expect("it is mounted");
        shut_down(&folder, kind).expect("ext4 can be shut down");
    }

    /// The power comes back: whatever was only in memory is gone. Nobody may have a file open.
    pub fn power_up(&mut self) {
        self.unmount().expect("nobody uses it");
        self.mount().expect("the journal is replayed");
    }

    fn unmount(&mut self) -> Result<(), String> {
        let began = Instant::now();
        loop {
            match run("umount", &[self.point.to_str().expect("made of ASCII")]) {
                // A process that has just died may hold on for a moment.
                Err(why) if began.elapsed() > Duration::from_secs(10) => return Err(why),
                Err(_) => thread::sleep(Duration::from_millis(20)),
                Ok(()) => {
                    self.is_mounted = false;
                    return Ok(());
                }
            }
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if self.is_mounted {
            let _leftover = self.unmount();
        }
    }
}
