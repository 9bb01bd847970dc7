//! Which tables make up a cell, up to which log position they hold everything, and what is remembered per slot
//! (lines and live keys) as of that position. One meta record per cell, replaced as a whole. The format stands
//! in `docs/formats/manifest.md`. Does not open tables.

use crate::{
    disk::Disk,
    error::{MetaError, OpenError},
    limits::TABLES,
    log::batch::{get_sums, put_sums},
    meta,
    table::{DIR, TableInfo},
};
use bytes::Bytes;
use clockwise_core::{
    ids::Lsn,
    slot::Slot,
    tree::Sum,
    varint::{Malformed, Reader, put_bytes, put_u64},
};
use std::{collections::BTreeMap, sync::Arc};

/// Version byte of the format.
pub const VERSION: u8 = 3;
/// The first version that holds sums.
const WITH_SUMS: u8 = 3;
/// Bits of what follows a slot's live count.
const HAS_LINES: u8 = 1;
const HAS_DROP: u8 = 2;
const HAS_SUMS: u8 = 4;
const SUMS_UNKNOWN: u8 = 8;

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
    /// Its sums; `None` if they are not known.
    pub sums: Option<Arc<[Sum]>>,
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
        Ok(Some(bytes)) => Manifest::decode(bytes, cell).map_err(|Malformed| OpenError::Damaged { path }),
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
            let has_sums = match &info.sums {
                None => SUMS_UNKNOWN,
                Some(sums) if sums.is_empty() => 0,
                Some(_) => HAS_SUMS,
            };
            out.push(has_drop | has_sums | if info.lines.is_some() { HAS_LINES } else { 0 });
            if let Some(lines) = &info.lines {
                put_bytes(&mut out, lines);
            }
            if info.dropped.0 > 0 {
                put_u64(&mut out, info.dropped.0);
            }
            if let Some(sums) = info.sums.as_ref().filter(|sums| !sums.is_empty()) {
                put_sums(&mut out, sums);
            }
        }
        out
    }

    fn decode(bytes: Bytes, cell: u16) -> Result<Manifest, Malformed> {
        let mut reader = Reader::new(bytes);
        // Version 1 is version 2 without dropped slots, which is version 3 without sums.
        let version = reader.u8()?;
        if !(1..=VERSION).contains(&version) {
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
        let with_sums = version >= WITH_SUMS;
        for _ in 0..reader.u64()? {
            let slot = u16::try_from(reader.u64()?).ok().and_then(Slot::stored).ok_or(Malformed)?;
            let zigzag = reader.u64()?;
            let live = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
            let has = reader.u8()?;
            let about_sums = if with_sums { HAS_SUMS | SUMS_UNKNOWN } else { 0 };
            if has & !(HAS_LINES | HAS_DROP | about_sums) != 0
                || has & HAS_SUMS != 0 && has & SUMS_UNKNOWN != 0
            {
                return Err(Malformed);
            }
            let lines = match has & HAS_LINES {
                0 => None,
                _ => Some(Bytes::copy_from_slice(&reader.bytes()?)),
            };
            let dropped = Lsn(if has & HAS_DROP == 0 { 0 } else { reader.u64()? });
            let sums = match has & (HAS_SUMS | SUMS_UNKNOWN) {
                0 => Some(Arc::default()),
                HAS_SUMS => Some(get_sums(&mut reader)?.into()),
                _ => None,
            };
            manifest.slots.push(SlotInfo { slot, live, lines, dropped, sums });
        }
        reader.end()?;
        if !with_sums && !manifest.tables.is_empty() {
            manifest.sums_are_unknown(cell);
        }
        Ok(manifest)
    }

    /// Of an older version: every slot of keys may have records, and none has sums.
    fn sums_are_unknown(&mut self, cell: u16) {
        let unknown = |slot| SlotInfo { slot, live: 0, lines: None, dropped: Lsn(0), sums: None };
        let mut slots: BTreeMap<Slot, SlotInfo> =
            Slot::all().filter(|slot| slot.cell() == cell).map(|slot| (slot, unknown(slot))).collect();
        for info in self.slots.drain(..) {
            let sums = if info.slot.keeps_hints() { info.sums.clone() } else { None };
            slots.insert(info.slot, SlotInfo { sums, ..info });
        }
        self.slots = slots.into_values().collect();
    }
}
