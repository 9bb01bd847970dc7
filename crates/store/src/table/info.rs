//! What is known of a table without opening it: kept in the table's properties and in the cell's manifest, so
//! that a damaged table still bounds the keys it takes with it.

use super::KeyRef;
use crate::damage::SlotRange;
use bytes::Bytes;
use clockwise_core::{
    ids::Lsn,
    varint::{Malformed, Reader, put_bytes, put_u64},
};

/// Facts about a table.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TableInfo {
    /// Its number among the tables of its cell.
    pub number: u64,
    /// Length of its file, in bytes.
    pub file_bytes: u64,
    /// Entries, forgotten keys included.
    pub entries: u64,
    /// Entries that say "forgotten".
    pub forgotten: u64,
    /// Keys and records before compression, in bytes.
    pub raw_bytes: u64,
    /// The smallest stored key (slot in front).
    pub first: Bytes,
    /// The largest stored key.
    pub last: Bytes,
    /// No entry was written after this position.
    pub newest: Lsn,
}

impl TableInfo {
    /// The slots of its cell whose keys could be in it, as far as its first and last key tell.
    pub(crate) fn slots(&self, cell: u16) -> SlotRange {
        let bound =
            |stored: &[u8]| KeyRef::parse(stored).map(|key| key.slot).filter(|slot| slot.cell() == cell);
        let all = SlotRange::cell(cell);
        SlotRange {
            first: bound(&self.first).unwrap_or(all.first),
            last: bound(&self.last).unwrap_or(all.last),
        }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        for field in
            [self.number, self.file_bytes, self.entries, self.forgotten, self.raw_bytes, self.newest.0]
        {
            put_u64(out, field);
        }
        put_bytes(out, &self.first);
        put_bytes(out, &self.last);
    }

    pub(crate) fn decode(reader: &mut Reader) -> Result<TableInfo, Malformed> {
        Ok(TableInfo {
            number: reader.u64()?,
            file_bytes: reader.u64()?,
            entries: reader.u64()?,
            forgotten: reader.u64()?,
            raw_bytes: reader.u64()?,
            newest: Lsn(reader.u64()?),
            first: own(reader.bytes()?),
            last: own(reader.bytes()?),
        })
    }
}

/// A copy that does not keep the whole buffer alive.
fn own(bytes: Bytes) -> Bytes {
    Bytes::copy_from_slice(&bytes)
}
