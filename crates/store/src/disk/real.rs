//! A folder of the operating system. Holds an exclusive lock on it for as long as it lives, so that two
//! servers never share a folder. Does not interpret files and never retries a failed sync.

use super::{Disk, DiskFile, Space};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// The file that carries the lock.
const LOCK: &str = "LOCK";

/// A data folder on a real disk.
#[derive(Debug)]
pub struct RealDisk {
    folder: PathBuf,
    read_only: bool,
    _lock: Option<File>,
}

impl RealDisk {
    /// Opens the folder, making it if there is none, and locks it. If another process (or value) holds it, the
    /// error has the kind `ResourceBusy` and says so.
    pub fn open(folder: &Path) -> io::Result<RealDisk> {
        fs::create_dir_all(folder)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(folder.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => Ok(RealDisk { folder: folder.to_path_buf(), read_only: false, _lock: Some(lock) }),
            Err(TryLockError::WouldBlock) => Err(in_use(folder)),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Opens a folder that is there, to look at it: nothing in it can be changed through this value, not even by the
    /// lock, which is held if the folder has the file for it. Errors are those of [`RealDisk::open`].
    pub fn open_to_read(folder: &Path) -> io::Result<RealDisk> {
        if !fs::metadata(folder)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let lock = match File::open(folder.join(LOCK)) {
            Ok(lock) => Some(lock),
            // Never served, or a copy without it: nobody can hold it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        match lock.as_ref().map_or(Ok(()), File::try_lock) {
            Ok(()) => Ok(RealDisk { folder: folder.to_path_buf(), read_only: true, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(in_use(folder)),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn unless_read_only(&self) -> io::Result<()> {
        if self.read_only { Err(io::ErrorKind::ReadOnlyFilesystem.into()) } else { Ok(()) }
    }

    fn at(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.folder.clone() } else { self.folder.join(path) }
    }
}

fn in_use(folder: &Path) -> io::Error {
    let what = format!("the data folder {} is in use by another server", folder.display());
    io::Error::new(io::ErrorKind::ResourceBusy, what)
}

impl Disk for RealDisk {
    fn create(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        self.unless_read_only()?;
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(self.at(path))?;
        Ok(Box::new(RealFile::new(file)))
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(!self.read_only).open(self.at(path))?;
        Ok(Box::new(RealFile::new(file)))
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.at(dir))? {
            // A name that is not UTF-8 is none of ours.
            if let Ok(name) = entry?.file_name().into_string()
                && !(dir.is_empty() && name == LOCK)
            {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn create_dir(&self, path: &str) -> io::Result<()> {
        self.unless_read_only()?;
        fs::create_dir_all(self.at(path))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.unless_read_only()?;
        fs::rename(self.at(from), self.at(to))
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        self.unless_read_only()?;
        fs::hard_link(self.at(from), self.at(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.unless_read_only()?;
        fs::remove_file(self.at(path))
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        File::open(self.at(dir))?.sync_all()
    }

    fn space(&self) -> io::Result<Space> {
        let stat = rustix::fs::statvfs(&self.folder)?;
        Ok(Space {
            total_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
            available_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
        })
    }
}

struct RealFile(File);

impl RealFile {
    fn new(file: File) -> RealFile {
        // What is read next is known here: merges and scans ask for large pieces, lookups for a block anywhere. Guessing
        // ahead would cost each cold lookup several blocks. Without this advice it works as well.
        let _only_advice = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Random);
        RealFile(file)
    }
}

impl DiskFile for RealFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            match self.0.read_at(&mut buffer[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn will_read(&self, length: usize, offset: u64) {
        let length = std::num::NonZeroU64::new(length as u64);
        let _only_advice = rustix::fs::fadvise(&self.0, offset, length, rustix::fs::Advice::WillNeed);
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}
