//! An open simulated file: a number, the life of the disk in which it was opened, and the way back to the disk.

use super::{DiskFile, Op, SimDisk, State};
use std::{io, sync::MutexGuard};

pub(super) fn boxed(disk: &SimDisk, id: u64, life: u64) -> Box<dyn DiskFile> {
    Box::new(Handle { disk: disk.clone(), id, life })
}

struct Handle {
    disk: SimDisk,
    id: u64,
    life: u64,
}

impl Handle {
    /// The state, after counting the operation; an error if the handle is of an earlier life.
    fn step(&self, op: Op) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.disk.state();
        if state.life != self.life {
            return Err(io::Error::other("the file was opened before the simulated process died"));
        }
        state.step(op)?;
        Ok(state)
    }
}

fn gone() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl DiskFile for Handle {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.step(Op::Read)?;
        Ok(state.files.get(&self.id).ok_or_else(gone)?.read(buffer, offset))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.step(Op::Change)?;
        let growth = state.files.get(&self.id).ok_or_else(gone)?.growth(offset + bytes.len() as u64);
        state.room_for(growth)?;
        state.files.get_mut(&self.id).ok_or_else(gone)?.write(bytes, offset);
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        let state = self.step(Op::Read)?;
        Ok(state.files.get(&self.id).ok_or_else(gone)?.bytes().len() as u64)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut state = self.step(Op::Change)?;
        let growth = state.files.get(&self.id).ok_or_else(gone)?.growth(length);
        state.room_for(growth)?;
        state.files.get_mut(&self.id).ok_or_else(gone)?.set_length(length);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.step(Op::Sync)?;
        let fails = state.sync_fails();
        let file = state.files.get_mut(&self.id).ok_or_else(gone)?;
        if fails {
            file.fail_sync();
            return Err(io::Error::other("a simulated failing sync"));
        }
        file.sync();
        Ok(())
    }
}
