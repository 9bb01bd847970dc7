//! The seam between the engine and files. Paths are relative to the data folder, with `/` between names; the
//! folder itself is `""`. A new name is durable only after [`Disk::sync_dir`] of its folder, bytes and length
//! of a file only after [`DiskFile::sync`]. Nothing here knows what files mean.

use std::io;

mod real;
mod sim;
mod sub;

pub use real::RealDisk;
pub use sim::{Loss, SimDisk};
pub use sub::SubDisk;

/// How much room a disk has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Space {
    /// Size of the file system, in bytes.
    pub total_bytes: u64,
    /// What the server may still use, in bytes.
    pub available_bytes: u64,
}

/// A folder of files.
pub trait Disk: Send + Sync {
    /// Makes a new file; fails with `AlreadyExists` if the name is taken.
    fn create(&self, path: &str) -> io::Result<Box<dyn DiskFile>>;
    /// Opens a file for reading and writing; fails with `NotFound` if there is none.
    fn open(&self, path: &str) -> io::Result<Box<dyn DiskFile>>;
    /// The names in a folder, files and folders, in order.
    fn list(&self, dir: &str) -> io::Result<Vec<String>>;
    /// Makes a folder; fine if it is there.
    fn create_dir(&self, path: &str) -> io::Result<()>;
    /// Gives a file another name in one step, replacing what had that name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Gives a file one more name; fails with `AlreadyExists` if that is taken. Both lead to the same bytes.
    fn link(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file's name.
    fn remove(&self, path: &str) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_dir(&self, dir: &str) -> io::Result<()>;
    /// How much room there is.
    fn space(&self) -> io::Result<Space>;
}

/// An open file. Offsets and lengths are in bytes.
#[allow(clippy::len_without_is_empty, reason = "a file's length is a question to the disk that can fail")]
pub trait DiskFile: Send + Sync {
    /// Reads at an offset; fewer bytes than asked for only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Says that these bytes will be read soon, so that the disk may begin; never waits for it and never fails.
    fn will_read(&self, _length: usize, _offset: u64) {}
    /// Writes all bytes at an offset, growing the file if need be.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// The file's length.
    fn len(&self) -> io::Result<u64>;
    /// Cuts or grows (with zeros) the file.
    fn set_len(&self, length: u64) -> io::Result<()>;
    /// Makes bytes and length durable (`fdatasync`).
    fn sync(&self) -> io::Result<()>;
}

/// Fills the whole buffer, or fails with `UnexpectedEof`.
pub(crate) fn read_exact_at(file: &dyn DiskFile, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    if file.read_at(buffer, offset)? == buffer.len() {
        Ok(())
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// Reads a whole file of at most `cap` bytes; a longer one is `FileTooLarge`.
pub(crate) fn read_all(file: &dyn DiskFile, cap: usize) -> io::Result<Vec<u8>> {
    let length = usize::try_from(file.len()?).unwrap_or(usize::MAX);
    if length > cap {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut bytes = vec![0; length];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Removes a file; fine if there is none.
pub(crate) fn remove_if_there(disk: &dyn Disk, path: &str) -> io::Result<()> {
    match disk.remove(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
