//! Key → slot, exactly as Redis Cluster computes it, so that stock cluster clients route right.

use crate::limits::{CELLS, SLOTS, STORED_SLOTS};

/// A partition of the key space: the unit of ownership, repair and streaming. Below [`SLOTS`]; only where records are
/// stored, there is one more beside each, for the hints that a stand-in holds of it: [`Slot::hints`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Slot(u16);

impl Slot {
    /// The first one.
    pub const FIRST: Slot = Slot(0);
    /// The last one of keys.
    pub const LAST: Slot = Slot(SLOTS - 1);

    /// The slot with this number, if there is one.
    pub fn new(number: u16) -> Option<Slot> {
        (number < SLOTS).then_some(Slot(number))
    }

    /// The slot with this number among those that are stored, if there is one.
    pub fn stored(number: u16) -> Option<Slot> {
        (number < STORED_SLOTS).then_some(Slot(number))
    }

    /// Where the hints of this slot are kept: in the same cell.
    pub fn hints(self) -> Slot {
        Slot(self.0 % SLOTS + SLOTS)
    }

    /// Whether hints are kept here, and no records.
    pub fn keeps_hints(self) -> bool {
        self.0 >= SLOTS
    }

    /// The slot of the keys: itself, or the one of which hints are kept here.
    pub fn of_keys(self) -> Slot {
        Slot(self.0 % SLOTS)
    }

    /// The slot of a key: CRC16 of the key or of its `{hash tag}`, mod 16384.
    pub fn of(key: &[u8]) -> Slot {
        Slot(crc16(hash_tag(key)) % SLOTS)
    }

    /// Its number.
    pub fn number(self) -> u16 {
        self.0
    }

    /// The cell of a data folder that keeps it.
    pub fn cell(self) -> u16 {
        self.0 % CELLS
    }

    /// All slots of keys in order.
    pub fn all() -> impl Iterator<Item = Slot> {
        (0..SLOTS).map(Slot)
    }

    /// All slots that are stored in order.
    pub fn all_stored() -> impl Iterator<Item = Slot> {
        (0..STORED_SLOTS).map(Slot)
    }
}

/// What is hashed: the text between the first `{` and the next `}` if it is not empty, else the whole key.
fn hash_tag(key: &[u8]) -> &[u8] {
    let Some(open) = key.iter().position(|&byte| byte == b'{') else { return key };
    let rest = &key[open + 1..];
    match rest.iter().position(|&byte| byte == b'}') {
        Some(length) if length > 0 => &rest[..length],
        _ => key,
    }
}

/// CRC16/XMODEM (polynomial 0x1021, start 0), eight bits a step.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0u16, |crc, &byte| (crc << 8) ^ TABLE[usize::from((crc >> 8) as u8 ^ byte)])
}

const TABLE: [u16; 256] = {
    let mut table = [0u16; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = (index as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 != 0 { (crc << 1) ^ 0x1021 } else { crc << 1 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc_matches_the_check_value_of_the_redis_specification() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
    }

    #[test]
    fn slots_match_redis() {
        // From `redis-cli cluster keyslot`.
        for (key, slot) in [("foo", 12182), ("bar", 5061), ("a", 15495), ("somekey", 11058), ("", 0)] {
            assert_eq!(Slot::of(key.as_bytes()).number(), slot, "{key}");
        }
    }

    #[test]
    fn hints_are_kept_in_the_cell_of_their_slot() {
        for slot in Slot::all() {
            let hints = slot.hints();
            assert!(hints.keeps_hints() && !slot.keeps_hints() && Slot::new(hints.number()).is_none());
            assert_eq!((hints.cell(), hints.of_keys()), (slot.cell(), slot));
            assert_eq!(Slot::stored(hints.number()), Some(hints));
        }
    }

    #[test]
    fn hash_tags_follow_the_first_pair_of_braces() {
        assert_eq!(hash_tag(b"{user1000}.following"), b"user1000");
        assert_eq!(hash_tag(b"foo{}{bar}"), b"foo{}{bar}");
        assert_eq!(hash_tag(b"foo{{bar}}zap"), b"{bar");
        assert_eq!(hash_tag(b"foo{bar}{zap}"), b"bar");
        assert_eq!(hash_tag(b"foo{bar"), b"foo{bar");
    }
}
