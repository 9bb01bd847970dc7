//! Opens a table that the manifest lists: header, footer, properties, index, filter. Whatever is damaged makes
//! the table (or only its filter) unusable, never the folder. Reads no data blocks.

use super::{
    Body, FOOTER_BYTES, HEADER_BYTES, Table, TableInfo, VERSION, bloom::Bloom, envelope, index::Index, owner,
    path,
};
use crate::{
    checksum,
    disk::{Disk, DiskFile, read_exact_at},
    error::OpenError,
    limits::INDEX_BYTES,
};
use bytes::Bytes;
use clockwise_core::varint::Reader;
use std::io;

/// Where the sections lie: offset and length of each, in bytes.
pub(super) struct Footer {
    pub(super) index: (u64, u64),
    pub(super) filter: (u64, u64),
    pub(super) properties: (u64, u64),
}

const MAGIC: [u8; 8] = *b"CWTABLE\x01";

/// The first bytes of a table: version, magic, checksum, name. This much stays the same in every version.
pub(super) fn header(owner: u64, version: u8) -> [u8; HEADER_BYTES as usize] {
    let mut header = [0; HEADER_BYTES as usize];
    header[..4].copy_from_slice(&[version, b'C', b'W', b'T']);
    header[8..].copy_from_slice(&owner.to_le_bytes());
    let sum = checksum::bound(owner, 0, &header[..4]);
    header[4..8].copy_from_slice(&sum.to_le_bytes());
    header
}

impl Footer {
    /// Appends the footer; `offset` is where it will lie.
    pub(super) fn encode(&self, owner: u64, offset: u64, out: &mut Vec<u8>) {
        let start = out.len();
        for (at, length) in [self.index, self.filter, self.properties] {
            out.extend_from_slice(&at.to_le_bytes());
            out.extend_from_slice(&length.to_le_bytes());
        }
        out.extend_from_slice(&[0; 4]);
        let sum = checksum::bound(owner, offset, &out[start..]);
        out.extend_from_slice(&sum.to_le_bytes());
        out.extend_from_slice(&MAGIC);
        debug_assert_eq!(out.len() - start, FOOTER_BYTES);
    }

    fn decode(owner: u64, offset: u64, bytes: &[u8; FOOTER_BYTES]) -> Option<Footer> {
        let sum = u32::from_le_bytes(*bytes[52..].first_chunk()?);
        if bytes[56..] != MAGIC || sum != checksum::bound(owner, offset, &bytes[..52]) {
            return None;
        }
        let field = |at: usize| bytes[at..].first_chunk().map(|field| u64::from_le_bytes(*field));
        let place = |at: usize| Some((field(at)?, field(at + 8)?));
        Some(Footer { index: place(0)?, filter: place(16)?, properties: place(32)? })
    }
}

/// Opens the table that `listed` describes. A table that is missing or damaged comes back as a broken one; only
/// a disk error or a newer format is an error.
pub fn open(disk: &dyn Disk, cell: u16, listed: TableInfo) -> Result<Table, OpenError> {
    let path = path(cell, listed.number);
    let file = match disk.open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Table::broken(cell, listed)),
        Err(error) => return Err(error.into()),
    };
    let owner = owner(cell, listed.number);
    match read_parts(&*file, owner, &listed) {
        Ok(Some((index, filter))) => {
            Ok(Table { owner, path, info: listed, body: Some(Body { file, index, filter }) })
        }
        Ok(None) => Ok(Table::broken(cell, listed)),
        Err(PartsError::Newer(version)) => Err(OpenError::Newer { path, version }),
        Err(PartsError::Io(error)) => Err(error.into()),
    }
}

enum PartsError {
    Newer(u8),
    Io(io::Error),
}

/// Index and filter; `None` if the table cannot be used.
fn read_parts(
    file: &dyn DiskFile,
    owner: u64,
    listed: &TableInfo,
) -> Result<Option<(Index, Option<Bloom>)>, PartsError> {
    let length = file.len().map_err(PartsError::Io)?;
    if length != listed.file_bytes || length < HEADER_BYTES + FOOTER_BYTES as u64 {
        return Ok(None);
    }
    let mut found = [0; HEADER_BYTES as usize];
    let mut footer = [0; FOOTER_BYTES];
    let footer_at = length - FOOTER_BYTES as u64;
    read_exact_at(file, &mut found, 0).map_err(PartsError::Io)?;
    if found != header(owner, found[0]) {
        return Ok(None);
    }
    if found[0] > VERSION {
        return Err(PartsError::Newer(found[0]));
    }
    read_exact_at(file, &mut footer, footer_at).map_err(PartsError::Io)?;
    let Some(footer) = Footer::decode(owner, footer_at, &footer) else { return Ok(None) };
    let section = |place| read_section(file, owner, place, footer_at).map_err(PartsError::Io);
    let properties =
        section(footer.properties)?.and_then(|raw| TableInfo::decode(&mut Reader::new(raw)).ok());
    if properties.as_ref() != Some(listed) {
        return Ok(None);
    }
    let Some(index) = section(footer.index)? else { return Ok(None) };
    let Ok(index) = Index::decode(&index, footer.index.0) else { return Ok(None) };
    let filter = section(footer.filter)?.and_then(Bloom::parse);
    Ok(Some((index, filter)))
}

/// A section's raw bytes; `None` if it is damaged.
fn read_section(
    file: &dyn DiskFile,
    owner: u64,
    (offset, length): (u64, u64),
    end: u64,
) -> io::Result<Option<Bytes>> {
    if length > INDEX_BYTES as u64 || offset.checked_add(length).is_none_or(|section| section > end) {
        return Ok(None);
    }
    let mut bytes = vec![0; length as usize];
    read_exact_at(file, &mut bytes, offset)?;
    Ok(envelope::open(owner, offset, bytes, INDEX_BYTES))
}
