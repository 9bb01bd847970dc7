//! The bytes of one simulated file, and what each unsynced sector held before. Knows no names and no faults.

use super::{Loss, Random};
use std::{collections::BTreeMap, sync::Arc};

/// What a disk writes as a whole, or tears.
const SECTOR_BYTES: u64 = 512;
/// One unsynced sector in this many is torn at a random loss.
const TORN_ONE_IN: u64 = 8;

/// A file: its bytes as a reader sees them and what a power loss may bring back.
#[derive(Clone, Default)]
pub(super) struct Contents {
    /// Shared with snapshots until one side writes.
    bytes: Arc<Vec<u8>>,
    synced_length: u64,
    /// Sectors written since the last sync, with their durable bytes (short at the end of the file).
    unsynced: BTreeMap<u64, Vec<u8>>,
    /// Sectors that a failed sync gave up: a later sync does not cover them.
    given_up: BTreeMap<u64, Vec<u8>>,
}

impl Contents {
    pub(super) fn durable(bytes: &[u8]) -> Contents {
        Contents { bytes: Arc::new(bytes.to_vec()), synced_length: bytes.len() as u64, ..Contents::default() }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn flip(&mut self, offset: u64, bit: u8) -> bool {
        let byte = usize::try_from(offset).ok().and_then(|at| Arc::make_mut(&mut self.bytes).get_mut(at));
        byte.map(|byte| *byte ^= 1 << (bit & 7)).is_some()
    }

    pub(super) fn truncate_durably(&mut self, length: u64) {
        self.sync();
        Arc::make_mut(&mut self.bytes).truncate(length as usize);
        self.synced_length = self.bytes.len() as u64;
    }

    /// How many bytes the file would grow by.
    pub(super) fn growth(&self, end: u64) -> u64 {
        end.saturating_sub(self.bytes.len() as u64)
    }

    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> usize {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.bytes.len());
        let count = buffer.len().min(self.bytes.len() - start);
        buffer[..count].copy_from_slice(&self.bytes[start..start + count]);
        count
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: u64) {
        let end = offset + bytes.len() as u64;
        self.remember(offset, end);
        let growth = self.growth(end);
        let own = Arc::make_mut(&mut self.bytes);
        if growth > 0 {
            own.resize(end as usize, 0);
        }
        own[offset as usize..end as usize].copy_from_slice(bytes);
    }

    pub(super) fn set_length(&mut self, length: u64) {
        let old = self.bytes.len() as u64;
        self.remember(length.min(old), length.max(old));
        Arc::make_mut(&mut self.bytes).resize(length as usize, 0);
    }

    pub(super) fn sync(&mut self) {
        self.unsynced.clear();
        self.synced_length = self.bytes.len() as u64;
    }

    /// A sync failed: the system has dropped the dirty pages but shows their bytes until it reads them again.
    pub(super) fn fail_sync(&mut self) {
        for (sector, old) in std::mem::take(&mut self.unsynced) {
            self.given_up.entry(sector).or_insert(old);
        }
    }

    /// The power goes: what was not synced survives or not.
    pub(super) fn lose(&mut self, loss: Loss, random: &mut Random) {
        let length = self.bytes.len() as u64;
        let unsynced = std::mem::take(&mut self.unsynced);
        let surviving = if loss == Loss::Prefix { random.below(unsynced.len() as u64 + 1) } else { 0 };
        let final_length = match loss {
            Loss::Nothing => length,
            Loss::Everything => self.synced_length,
            Loss::Random if random.below(2) == 0 => length,
            Loss::Random => self.synced_length,
            Loss::Prefix => {
                let last = unsynced.keys().nth((surviving as usize).wrapping_sub(1));
                let end = last.map_or(0, |sector| (sector + 1) * SECTOR_BYTES);
                end.min(length).max(self.synced_length.min(length))
            }
            Loss::Zeros => length,
            Loss::Garbage => length.min(self.synced_length + random.below(length + 1)),
        };
        Arc::make_mut(&mut self.bytes).resize(length.max(self.synced_length) as usize, 0);
        for (at, (sector, old)) in (0..).zip(unsynced) {
            match loss {
                Loss::Nothing => {}
                Loss::Everything => self.revert(sector, &old, 0),
                Loss::Random if random.below(TORN_ONE_IN) == 0 => {
                    self.revert(sector, &old, random.below(SECTOR_BYTES));
                }
                Loss::Random => self.revert(sector, &old, random.below(2) * SECTOR_BYTES),
                Loss::Prefix if at < surviving => {}
                Loss::Prefix if at == surviving => self.revert(sector, &old, random.below(SECTOR_BYTES)),
                Loss::Prefix => self.revert(sector, &old, 0),
                Loss::Zeros | Loss::Garbage => match random.below(3) {
                    0 => {}
                    1 => self.revert(sector, &old, 0),
                    _ if loss == Loss::Zeros => self.spoil(sector, &old, || 0),
                    _ => self.spoil(sector, &old, || random.below(256) as u8),
                },
            }
        }
        for (sector, old) in std::mem::take(&mut self.given_up) {
            self.revert(sector, &old, 0);
        }
        Arc::make_mut(&mut self.bytes).resize(final_length as usize, 0);
        self.synced_length = final_length;
    }

    /// Notes the durable bytes of every sector in the range that is not noted yet.
    fn remember(&mut self, start: u64, end: u64) {
        for sector in start / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES) {
            if self.unsynced.contains_key(&sector) {
                continue;
            }
            let old = self.given_up.remove(&sector).unwrap_or_else(|| {
                let from = ((sector * SECTOR_BYTES) as usize).min(self.bytes.len());
                let to = (from + SECTOR_BYTES as usize).min(self.bytes.len());
                self.bytes[from..to].to_vec()
            });
            self.unsynced.insert(sector, old);
        }
    }

    /// Puts the old bytes of a sector back behind its first `kept` new ones.
    fn revert(&mut self, sector: u64, old: &[u8], kept: u64) {
        let start = (sector * SECTOR_BYTES) as usize;
        let own = Arc::make_mut(&mut self.bytes);
        for at in kept as usize..SECTOR_BYTES as usize {
            if let Some(byte) = own.get_mut(start + at) {
                *byte = old.get(at).copied().unwrap_or(0);
            }
        }
    }

    /// Puts something else in place of the new bytes of a sector. Those that are as before were durable already.
    fn spoil(&mut self, sector: u64, old: &[u8], mut byte: impl FnMut() -> u8) {
        let start = (sector * SECTOR_BYTES) as usize;
        let own = Arc::make_mut(&mut self.bytes);
        for at in 0..SECTOR_BYTES as usize {
            if let Some(own) = own.get_mut(start + at)
                && old.get(at) != Some(own)
            {
                *own = byte();
            }
        }
    }
}
