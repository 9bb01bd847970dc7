//! The one call for which there is no safe form: ext4 is shut down where it stands.

use rustix::ioctl::{Setter, ioctl, opcode};
use std::{fs::File, io};

/// `EXT4_IOC_SHUTDOWN`, `_IOR('X', 125, __u32)`.
const SHUTDOWN: rustix::ioctl::Opcode = opcode::read::<u32>(b'X', 125);

/// What becomes of the file system's journal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// It is written; data is not.
    WithJournal = 1,
    /// Nothing is written any more.
    AtOnce = 2,
}

/// Shuts down the file system on which `folder` is.
#[allow(unsafe_code, reason = "an ioctl has no safe form; this one reads the 4 bytes that it is given")]
pub fn shut_down(folder: &File, kind: Kind) -> io::Result<()> {
    // SAFETY: the opcode says that the argument points to a `u32`, and the kernel only reads it.
    unsafe { ioctl(folder, Setter::<SHUTDOWN, u32>::new(kind as u32))? };
    Ok(())
}
