//! Opens a table that the manifest lists: header, footer, properties, index, filter. Whatever is damaged makes
//! the table (or only its filter) unusable, never the folder. Reads no data blocks.

use super::{
    Body, Broken, FOOTER_BYTES, HEADER_BYTES, Properties, Table, TableInfo, VERSION, bloom::Bloom, envelope,
    index::Index, owner, path, v1,
};
use crate::{
    checksum,
    disk::{Disk, DiskFile, read_exact_at},
    error::OpenError,
    limits::INDEX_BYTES,
};
use bytes::Bytes;
use clockwise_core::varint::Reader;
use rustix::io::Errno;
use std::io;

/// Where the sections lie: offset and length of each, in bytes.
pub(super) struct Footer {
    pub(super) index: (u64, u64),
    pub(super) filter: (u64, u64),
    pub(super) properties: (u64, u64),
}

/// The last bytes of a table: these and its version.
const MAGIC: [u8; 7] = *b"CWTABLE";
/// The first version, which is still read.
const FIRST_VERSION: u8 = 1;

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
    pub(super) fn encode(&self, owner: u64, version: u8, offset: u64, out: &mut Vec<u8>) {
        let start = out.len();
        for (at, length) in [self.index, self.filter, self.properties] {
            out.extend_from_slice(&at.to_le_bytes());
            out.extend_from_slice(&length.to_le_bytes());
        }
        out.extend_from_slice(&[0; 4]);
        let sum = checksum::bound(owner, offset, &out[start..]);
        out.extend_from_slice(&sum.to_le_bytes());
        out.extend_from_slice(&MAGIC);
        out.push(version);
        debug_assert_eq!(out.len() - start, FOOTER_BYTES);
    }

    fn decode(owner: u64, version: u8, offset: u64, bytes: &[u8; FOOTER_BYTES]) -> Option<Footer> {
        let sum = u32::from_le_bytes(*bytes[52..].first_chunk()?);
        if bytes[56..63] != MAGIC
            || bytes[63] != version
            || sum != checksum::bound(owner, offset, &bytes[..52])
        {
            return None;
        }
        let field = |at: usize| bytes[at..].first_chunk().map(|field| u64::from_le_bytes(*field));
        let place = |at: usize| Some((field(at)?, field(at + 8)?));
        Some(Footer { index: place(0)?, filter: place(16)?, properties: place(32)? })
    }
}

/// Opens the table that `listed` describes. A table that is missing or damaged, or of which the disk cannot read what it
/// must, comes back as a broken one: one bad place of a disk must not keep a folder closed. Any other answer of the
/// disk (no permission, too many open files) says nothing of the table and is an error, as are a newer
/// format and a compression that this build leaves out.
pub fn open(disk: &dyn Disk, cell: u16, listed: TableInfo) -> Result<Table, OpenError> {
    let path = path(cell, listed.number);
    let owner = owner(cell, listed.number);
    let why = match open_parts(disk, &path, owner, &listed) {
        Ok(Some((file, Parts { version, index, filter, properties }))) => {
            let body = Body { file, version, index, filter, properties };
            return Ok(Table { owner, path, info: listed, body: Ok(body) });
        }
        Ok(None) => Broken::Damaged,
        Err(PartsError::Newer(version)) => return Err(OpenError::Newer { path, version }),
        Err(PartsError::Zstd) => {
            return Err(OpenError::Options("a table needs zstd, which this build leaves out"));
        }
        Err(PartsError::Io(error)) => match error.kind() {
            io::ErrorKind::NotFound => Broken::Missing,
            io::ErrorKind::UnexpectedEof => Broken::Damaged,
            _ if is_of_the_medium(&error) => Broken::Unreadable,
            _ => return Err(error.into()),
        },
    };
    Ok(Table::broken(cell, listed, why))
}

/// Whether an error says that what lies on the disk cannot be read, as file systems answer where a sector or their own
/// checksum is bad.
fn is_of_the_medium(error: &io::Error) -> bool {
    const OF_THE_MEDIUM: [Errno; 6] =
        [Errno::IO, Errno::NODATA, Errno::REMOTEIO, Errno::ILSEQ, Errno::BADMSG, Errno::UCLEAN];
    Errno::from_io_error(error).is_some_and(|errno| OF_THE_MEDIUM.contains(&errno))
}

type Opened = (Box<dyn DiskFile>, Parts);

fn open_parts(
    disk: &dyn Disk,
    path: &str,
    owner: u64,
    listed: &TableInfo,
) -> Result<Option<Opened>, PartsError> {
    let file = disk.open(path)?;
    Ok(read_parts(&*file, owner, listed)?.map(|parts| (file, parts)))
}

enum PartsError {
    Newer(u8),
    Zstd,
    Io(io::Error),
}

impl From<io::Error> for PartsError {
    fn from(error: io::Error) -> PartsError {
        PartsError::Io(error)
    }
}

/// What is kept in memory.
struct Parts {
    version: u8,
    index: Index,
    filter: Option<Bloom>,
    properties: Option<Properties>,
}

/// `None` if the table cannot be used.
fn read_parts(file: &dyn DiskFile, owner: u64, listed: &TableInfo) -> Result<Option<Parts>, PartsError> {
    let length = file.len()?;
    if length != listed.file_bytes || length < HEADER_BYTES + FOOTER_BYTES as u64 {
        return Ok(None);
    }
    let mut found = [0; HEADER_BYTES as usize];
    let mut footer = [0; FOOTER_BYTES];
    let footer_at = length - FOOTER_BYTES as u64;
    read_exact_at(file, &mut found, 0)?;
    let version = found[0];
    if found != header(owner, version) || version < FIRST_VERSION {
        return Ok(None);
    }
    if version > VERSION {
        return Err(PartsError::Newer(version));
    }
    read_exact_at(file, &mut footer, footer_at)?;
    let Some(footer) = Footer::decode(owner, version, footer_at, &footer) else { return Ok(None) };
    let section = |place| read_section(file, owner, place, footer_at);
    let Some(properties) = section(footer.properties)? else { return Ok(None) };
    let (info, properties) = match version {
        1 => (TableInfo::decode(&mut Reader::new(properties)).ok(), None),
        _ => Properties::decode(properties).ok().unzip(),
    };
    if info.as_ref() != Some(listed) {
        return Ok(None);
    }
    if properties.as_ref().is_some_and(|properties| !super::compress::can_read(properties.kinds)) {
        return Err(PartsError::Zstd);
    }
    let Some(index) = section(footer.index)? else { return Ok(None) };
    let index = match version {
        1 => v1::index(&index, &listed.first, footer.index.0).map(Index::Flat),
        _ => Index::decode(&index, footer.index.0),
    };
    let Ok(index) = index else { return Ok(None) };
    let filter = section(footer.filter)?.and_then(Bloom::parse);
    Ok(Some(Parts { version, index, filter, properties }))
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
    Ok(envelope::open(owner, offset, &bytes, INDEX_BYTES))
}
