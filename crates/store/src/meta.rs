//! Small durable records that are replaced as a whole: a node's identity, incarnation and layout, a cell's
//! manifest. A reader sees the old record or the new one, never a mixture and never a damaged one.
//!
//! The format stands in `docs/formats/meta.md`. Does not know what the records mean.

use crate::{
    checksum,
    disk::{Disk, read_all, remove_if_there},
    error::MetaError,
    limits::META_BYTES,
};
use bytes::Bytes;
use std::{collections::BTreeSet, io};

/// Version byte of the format.
pub const VERSION: u8 = 1;
/// Bytes before the record: version, 3 zeros, checksum, length.
const HEADER_BYTES: usize = 16;

/// Replaces the record of this name; when it returns without an error the new one is durable. After an error
/// either may be found. The name is a path inside the data folder; its folder must exist.
pub fn save(disk: &dyn Disk, name: &str, bytes: &[u8]) -> io::Result<()> {
    save_all(disk, [(name, bytes)].into_iter())
}

/// The same for several records (name and bytes) with one sync for each folder. After an error each may be found in its
/// old or its new form.
pub fn save_all<'a>(
    disk: &dyn Disk,
    records: impl Iterator<Item = (&'a str, &'a [u8])> + Clone,
) -> io::Result<()> {
    for (name, bytes) in records.clone() {
        if bytes.len() > META_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let temporary = temporary(name);
        remove_if_there(disk, &temporary)?;
        let file = disk.create(&temporary)?;
        file.write_at(&encode(name, bytes), 0)?;
        file.sync()?;
    }
    for (name, _) in records.clone() {
        disk.rename(&temporary(name), name)?;
    }
    let folders: BTreeSet<&str> = records.map(|(name, _)| folder(name)).collect();
    folders.into_iter().try_for_each(|folder| disk.sync_dir(folder))
}

fn temporary(name: &str) -> String {
    format!("{name}.tmp")
}

/// Reads the record of this name; `None` if it was never saved. What is answered is durable: a process that died
/// while it saved may have left a name that no sync has covered, and a caller builds on what it reads.
pub fn load(disk: &dyn Disk, name: &str) -> Result<Option<Bytes>, MetaError> {
    let record = read(disk, name)?;
    if record.is_some() {
        disk.sync_dir(folder(name))?;
    }
    Ok(record)
}

/// The record of this name as it can be seen now, durable or not: for looking, not for building on.
pub fn read(disk: &dyn Disk, name: &str) -> Result<Option<Bytes>, MetaError> {
    let file = match disk.open(name) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let bytes = match read_all(&*file, META_BYTES + HEADER_BYTES) {
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => return Err(MetaError::Damaged),
        other => other?,
    };
    decode(name, bytes).map(Some).ok_or(MetaError::Damaged)
}

fn folder(name: &str) -> &str {
    name.rfind('/').map_or("", |at| &name[..at])
}

fn encode(name: &str, record: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + record.len());
    bytes.extend_from_slice(&[VERSION, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend_from_slice(&(record.len() as u64).to_le_bytes());
    bytes.extend_from_slice(record);
    let sum = sum(name, &bytes);
    bytes[4..8].copy_from_slice(&sum.to_le_bytes());
    bytes
}

fn decode(name: &str, bytes: Vec<u8>) -> Option<Bytes> {
    let header: &[u8; HEADER_BYTES] = bytes.first_chunk()?;
    let length = u64::from_le_bytes(*header.last_chunk()?);
    let found = u32::from_le_bytes(*header[4..].first_chunk()?);
    let fits = length == (bytes.len() - HEADER_BYTES) as u64;
    if header[..4] != [VERSION, 0, 0, 0] || !fits || found != sum(name, &bytes) {
        return None;
    }
    Some(Bytes::from(bytes).slice(HEADER_BYTES..))
}

/// The checksum covers the name, the version and everything behind the checksum.
fn sum(name: &str, bytes: &[u8]) -> u32 {
    let owner = u64::from(crc32c::crc32c(name.as_bytes()));
    checksum::bound(owner, u64::from(bytes[0]), &bytes[8..])
}
