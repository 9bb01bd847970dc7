//! What a table says about itself beyond its entry in the manifest: known without reading a block of data, so that
//! it may guide what is merged, dropped or sent. Counts by slot stay in their stored form, a few bytes each.

use super::{
    TableInfo,
    block::{Malformed, put_varint},
};
use bytes::Bytes;
use clockwise_core::{
    ids::Lsn,
    limits::CELLS,
    slot::Slot,
    varint::{self, Reader},
};

/// From when the entries of a table are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Span {
    /// No entry was written before this position; 0 if that is not known.
    pub oldest: Lsn,
    /// No entry was written after this position.
    pub newest: Lsn,
    /// Earliest and latest time that the writer gave, in units of its own; `None` if it gave none.
    pub times: Option<(u64, u64)>,
}

impl Span {
    /// What covers both.
    pub fn join(self, other: Span) -> Span {
        let times = match (self.times, other.times) {
            (Some(own), Some(other)) => Some((own.0.min(other.0), own.1.max(other.1))),
            (own, other) => own.or(other),
        };
        Span { oldest: self.oldest.min(other.oldest), newest: self.newest.max(other.newest), times }
    }
}

/// A table's properties.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Properties {
    /// No entry was written before this position; 0 if that is not known.
    pub oldest: Lsn,
    /// Earliest and latest time that the writer gave for entries; `None` if it gave none.
    pub times: Option<(u64, u64)>,
    /// Blocks of data.
    pub blocks: u64,
    /// The same before compression, in bytes.
    pub block_bytes: u64,
    /// The same as they lie in the file, in bytes.
    pub stored_bytes: u64,
    /// Partitions of the index; 0 if it is in memory whole.
    pub partitions: u64,
    /// How blocks and sections are compressed: bit *k* for kind *k* of the format.
    pub kinds: u64,
    /// Entries and bytes by slot, as stored.
    slots: Bytes,
}

/// What of a table belongs to a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SlotCount {
    /// The slot.
    pub slot: Slot,
    /// Its entries, forgotten keys included.
    pub entries: u64,
    /// Its keys and records before compression, in bytes.
    pub raw_bytes: u64,
}

/// The first fields, in order of the stored form.
const FIELDS: usize = 9;

impl Properties {
    /// Counts of each slot that has entries, in order.
    pub fn slots(&self) -> impl Iterator<Item = SlotCount> {
        Slots { reader: Reader::new(self.slots.clone()), next: 0, left: 0 }.map_while(Result::ok)
    }

    /// Counts of one slot; zeros if it has no entries.
    pub fn slot(&self, slot: Slot) -> SlotCount {
        let found = self.slots().find(|count| count.slot >= slot).filter(|count| count.slot == slot);
        found.unwrap_or(SlotCount { slot, entries: 0, raw_bytes: 0 })
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn encode(&self, info: &TableInfo, out: &mut Vec<u8>) {
        info.encode(out);
        let (earliest, latest) = self.times.unwrap_or_default();
        let timed = u64::from(self.times.is_some());
        let fields: [u64; FIELDS] = [
            self.oldest.0,
            timed,
            earliest,
            latest,
            self.blocks,
            self.block_bytes,
            self.stored_bytes,
            self.partitions,
            self.kinds,
        ];
        fields.into_iter().for_each(|field| put_varint(out, field));
        out.extend_from_slice(&self.slots);
    }

    /// Reads the section of a table of today's version; the counts must be those of whole entries of `info`.
    pub(super) fn decode(section: Bytes) -> Result<(TableInfo, Properties), Malformed> {
        let decoded = decode(section).map_err(|varint::Malformed| Malformed)?;
        let (info, properties) = &decoded;
        let mut slots = Slots { reader: Reader::new(properties.slots.clone()), next: 0, left: 0 };
        let (mut entries, mut raw_bytes) = (0u64, 0u64);
        for count in slots.by_ref() {
            let count = count.map_err(|varint::Malformed| Malformed)?;
            entries = entries.saturating_add(count.entries);
            raw_bytes = raw_bytes.saturating_add(count.raw_bytes);
        }
        if (entries, raw_bytes) == (info.entries, info.raw_bytes) { Ok(decoded) } else { Err(Malformed) }
    }
}

fn decode(section: Bytes) -> Result<(TableInfo, Properties), varint::Malformed> {
    let mut reader = Reader::new(section);
    let info = TableInfo::decode(&mut reader)?;
    let mut fields = [0; FIELDS];
    for field in &mut fields {
        *field = reader.u64()?;
    }
    let [oldest, timed, earliest, latest, blocks, block_bytes, stored_bytes, partitions, kinds] = fields;
    let times = match timed {
        0 if earliest == 0 && latest == 0 => None,
        1 if earliest <= latest => Some((earliest, latest)),
        _ => return Err(varint::Malformed),
    };
    let slots = Bytes::copy_from_slice(&reader.take(reader.remaining())?);
    let oldest = Lsn(oldest);
    Ok((info, Properties { oldest, times, blocks, block_bytes, stored_bytes, partitions, kinds, slots }))
}

/// Runs of neighbouring slots of a cell: the first slot, how many, entries and bytes of each.
struct Slots {
    reader: Reader,
    next: u64,
    /// Slots that the run still has.
    left: u64,
}

impl Iterator for Slots {
    type Item = Result<SlotCount, varint::Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        (self.left > 0 || self.reader.remaining() > 0).then(|| {
            if self.left == 0 {
                let first = self.reader.u64()?;
                if first < self.next {
                    return Err(varint::Malformed);
                }
                (self.next, self.left) = (first, self.reader.u64()?);
            }
            let slot = u16::try_from(self.next).ok().and_then(Slot::stored).ok_or(varint::Malformed)?;
            self.next += u64::from(CELLS);
            self.left = self.left.checked_sub(1).ok_or(varint::Malformed)?;
            Ok(SlotCount { slot, entries: self.reader.u64()?, raw_bytes: self.reader.u64()? })
        })
    }
}

/// Counts entries by slot while a table is written.
#[derive(Default)]
pub(super) struct SlotCounter {
    counts: Vec<SlotCount>,
}

impl SlotCounter {
    pub(super) fn add(&mut self, slot: Slot, raw_bytes: u64) {
        match self.counts.last_mut() {
            Some(last) if last.slot == slot => {
                last.entries += 1;
                last.raw_bytes += raw_bytes;
            }
            _ => self.counts.push(SlotCount { slot, entries: 1, raw_bytes }),
        }
    }

    /// The properties with these counts.
    pub(super) fn finish(self, properties: Properties) -> Properties {
        let mut out = Vec::new();
        let follows = |pair: [&SlotCount; 2]| pair[0].slot.number() + CELLS == pair[1].slot.number();
        for run in self.counts.chunk_by(|left, right| follows([left, right])) {
            put_varint(&mut out, u64::from(run[0].slot.number()));
            put_varint(&mut out, run.len() as u64);
            for count in run {
                put_varint(&mut out, count.entries);
                put_varint(&mut out, count.raw_bytes);
            }
        }
        Properties { slots: out.into(), ..properties }
    }
}
