//! A simulated disk with somebody on the line: a tap sees every operation before and after it, and may make it fail.

use clockwise_store::{Disk, DiskFile, SimDisk, Space};
use std::{io, sync::Arc};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    Create,
    Open,
    List,
    CreateDir,
    Rename,
    Remove,
    SyncDir,
    Space,
    Read,
    Write,
    Len,
    SetLen,
    Sync,
}

impl Op {
    pub fn changes(self) -> bool {
        !matches!(self, Op::Open | Op::List | Op::Space | Op::Read | Op::Len)
    }
}

/// What becomes of an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    Go,
    /// It has no effect.
    Fail(io::ErrorKind),
    /// It has its effect, but answers with an error.
    DoneButFailed(io::ErrorKind),
    /// A write leaves only its first half; other operations have no effect.
    Half(io::ErrorKind),
}

pub trait Tap: Send + Sync {
    fn before(&self, _op: Op) -> Verdict {
        Verdict::Go
    }

    fn after(&self, _op: Op) {}
}

#[derive(Clone)]
pub struct Tapped {
    pub disk: SimDisk,
    tap: Arc<dyn Tap>,
}

struct TappedFile {
    file: Box<dyn DiskFile>,
    tap: Arc<dyn Tap>,
}

impl Tapped {
    pub fn new(disk: SimDisk, tap: Arc<dyn Tap>) -> Tapped {
        Tapped { disk, tap }
    }

    fn file(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(TappedFile { file, tap: Arc::clone(&self.tap) })
    }
}

fn through<T>(tap: &dyn Tap, op: Op, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    match tap.before(op) {
        Verdict::Go => {
            let result = act();
            tap.after(op);
            result
        }
        Verdict::Fail(kind) | Verdict::Half(kind) => Err(kind.into()),
        Verdict::DoneButFailed(kind) => {
            act()?;
            Err(kind.into())
        }
    }
}

impl Disk for Tapped {
    fn create(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        through(&*self.tap, Op::Create, || self.disk.create(path)).map(|file| self.file(file))
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        through(&*self.tap, Op::Open, || self.disk.open(path)).map(|file| self.file(file))
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        through(&*self.tap, Op::List, || self.disk.list(dir))
    }

    fn create_dir(&self, path: &str) -> io::Result<()> {
        through(&*self.tap, Op::CreateDir, || self.disk.create_dir(path))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        through(&*self.tap, Op::Rename, || self.disk.rename(from, to))
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        through(&*self.tap, Op::Rename, || self.disk.link(from, to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        through(&*self.tap, Op::Remove, || self.disk.remove(path))
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        through(&*self.tap, Op::SyncDir, || self.disk.sync_dir(dir))
    }

    fn space(&self) -> io::Result<Space> {
        through(&*self.tap, Op::Space, || self.disk.space())
    }
}

impl DiskFile for TappedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        through(&*self.tap, Op::Read, || self.file.read_at(buffer, offset))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        match self.tap.before(Op::Write) {
            Verdict::Go => {
                let result = self.file.write_at(bytes, offset);
                self.tap.after(Op::Write);
                result
            }
            Verdict::Fail(kind) => Err(kind.into()),
            Verdict::DoneButFailed(kind) => {
                self.file.write_at(bytes, offset)?;
                Err(kind.into())
            }
            Verdict::Half(kind) => {
                self.file.write_at(&bytes[..bytes.len() / 2], offset)?;
                Err(kind.into())
            }
        }
    }

    fn len(&self) -> io::Result<u64> {
        through(&*self.tap, Op::Len, || self.file.len())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        through(&*self.tap, Op::SetLen, || self.file.set_len(length))
    }

    fn sync(&self) -> io::Result<()> {
        through(&*self.tap, Op::Sync, || self.file.sync())
    }
}
