//! Which tables make up a cell, up to which log position they hold everything, and what is remembered per slot
//! (lines and live keys) as of that position. One meta record per cell, replaced as a whole. The format stands
//! in `docs/formats/manifest.md`. Does not open tables.

use crate::{
    disk::Disk,
    error::{MetaError, OpenError},
    limits::TABLES,
    meta,
    table::{DIR, TableInfo},
};
use bytes::Bytes;
use clockwise_core::{
    ids::Lsn,
    slot::Slot,
    varint::{Malformed, Reader, put_bytes, put_u64},
};

/// Version byte of the format.
pub const VERSION: u8 = 2;
/// Bits of what follows a slot's live count.
const HAS_LINES: u8 = 1;
const HAS_DROP: u8 = 2;

/// A cell on disk.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Manifest {
    /// Every change of the cell up to here is in the tables and slots below.
    pub flushed: Lsn,
    /// No table number from here on was ever in a manifest.
    pub next_number: u64,
    /// The tables, newest first.
    pub tables: Vec<TableInfo>,
    /// Slots with something to remember, in order.
    pub slots: Vec<SlotInfo>,
}

/// What is remembered of a slot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SlotInfo {
    /// The slot.
    pub slot: Slot,
    /// Sum of the live counts of its changes. Below zero only if changes were lost to damage.
    pub live: i64,
    /// Its lines.
    pub lines: Option<Bytes>,
    /// What was written before this position is dropped; 0 if nothing is.
    pub dropped: Lsn,
}

/// The meta record of a cell's manifest.
pub fn name(cell: u16) -> String {
    format!("{DIR}/{cell:02}.manifest")
}

/// Reads a cell's manifest; an empty one if the cell was never flushed.
pub fn load(disk: &dyn Disk, cell: u16) -> Result<Manifest, OpenError> {
    read(cell, meta::load(disk, &name(cell)))
}

/// Makes a manifest of what its meta record holds.
pub(crate) fn read(cell: u16, record: Result<Option<Bytes>, MetaError>) -> Result<Manifest, OpenError> {
    let path = name(cell);
    match record {
        Ok(None) => Ok(Manifest { next_number: 1, ..Manifest::default() }),
        Ok(Some(bytes)) if bytes.first().is_some_and(|&version| version > VERSION) => {
            Err(OpenError::Newer { path, version: bytes[0] })
        }
        Ok(Some(bytes)) => Manifest::decode(bytes).map_err(|Malformed| OpenError::Damaged { path }),
        Err(MetaError::Damaged) => Err(OpenError::Damaged { path }),
        Err(MetaError::Io(error)) => Err(error.into()),
    }
}

impl Manifest {
    /// The bytes of the meta record.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        put_u64(&mut out, self.flushed.0);
        put_u64(&mut out, self.next_number);
        put_u64(&mut out, self.tables.len() as u64);
        for table in &self.tables {
            table.encode(&mut out);
        }
        put_u64(&mut out, self.slots.len() as u64);
        for info in &self.slots {
            put_u64(&mut out, u64::from(info.slot.number()));
            // Zigzag: small counts of either sign are short.
            put_u64(&mut out, ((info.live << 1) ^ (info.live >> 63)) as u64);
            let has_drop = if info.dropped.0 > 0 { HAS_DROP } else { 0 };
            out.push(has_drop | if info.lines.is_some() { HAS_LINES } else { 0 });
            if let Some(lines) = &info.lines {
                put_bytes(&mut out, lines);
            }
            if info.dropped.0 > 0 {
                put_u64(&mut out, info.dropped.0);
            }
        }
        out
    }

    fn decode(bytes: Bytes) -> Result<Manifest, Malformed> {
        let mut reader = Reader::new(bytes);
        // Version 1 is version 2 without dropped slots.
        if !(1..=VERSION).contains(&reader.u8()?) {
            return Err(Malformed);
        }
        let mut manifest =
            Manifest { flushed: Lsn(reader.u64()?), next_number: reader.u64()?, ..Manifest::default() };
        let tables = reader.u64()?;
        if tables > TABLES as u64 {
            return Err(Malformed);
        }
        for _ in 0..tables {
            manifest.tables.push(TableInfo::decode(&mut reader)?);
        }
        for _ in 0..reader.u64()? {
            let slot = u16::try_from(reader.u64()?).ok().and_then(Slot::stored).ok_or(Malformed)?;
            let zigzag = reader.u64()?;
            let live = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
            let has = reader.u8()?;
            if has > HAS_LINES | HAS_DROP {
                return Err(Malformed);
            }
            let lines = match has & HAS_LINES {
                0 => None,
                _ => Some(Bytes::copy_from_slice(&reader.bytes()?)),
            };
            let dropped = Lsn(if has & HAS_DROP == 0 { 0 } else { reader.u64()? });
            manifest.slots.push(SlotInfo { slot, live, lines, dropped });
        }
        reader.end()?;
        Ok(manifest)
    }
}
