//! Which beginnings the keys of a block share. The slot in front of a stored key is no part of it: slots are
//! hashes, so that what an application puts in front of its keys (`user:`, `session:`) comes again in every slot,
//! and each kind of key gets a beginning of its own.

use super::{MOST_SHARED, SHARED_BYTES};

/// Shortest beginning that is worth its place, in bytes.
const LEAST_BYTES: usize = 3;

/// The groups of keys with the same beginning.
#[derive(Default)]
pub(super) struct Sharing {
    /// The first group is that of keys that share nothing.
    groups: Vec<Group>,
}

struct Group {
    /// Where its first key stands among the keys.
    at: usize,
    /// How much all of its keys share, in bytes.
    shared: usize,
    keys: usize,
}

impl Sharing {
    /// The group that the next key joins; `keys` holds all earlier ones, and the key will follow them.
    pub(super) fn place(&mut self, keys: &[u8], key: &[u8]) -> u8 {
        if self.groups.is_empty() {
            self.groups.push(Group { at: 0, shared: 0, keys: 0 });
        }
        let mut best = (0, 0);
        for (number, group) in self.groups.iter().enumerate().skip(1) {
            let shared = common(&keys[group.at..group.at + group.shared], key);
            // A group never saves less for a new key than it did without.
            let fine = shared >= LEAST_BYTES && group.keys * shared >= (group.keys - 1) * group.shared;
            if fine && shared > best.1 {
                best = (number, shared);
                if shared == group.shared && group.keys > 1 {
                    break;
                }
            }
        }
        if best.0 == 0 && self.groups.len() <= MOST_SHARED && key.len() >= LEAST_BYTES {
            self.groups.push(Group { at: keys.len(), shared: key.len().min(SHARED_BYTES), keys: 1 });
            return (self.groups.len() - 1) as u8;
        }
        let group = &mut self.groups[best.0];
        group.shared = best.1;
        group.keys += 1;
        best.0 as u8
    }

    fn is_kept(group: &Group) -> bool {
        group.keys > 1 && group.shared > 0
    }

    /// What sharing saves, in bytes.
    pub(super) fn saved_bytes(&self) -> usize {
        let kept = self.groups.iter().filter(|group| Sharing::is_kept(group));
        kept.map(|group| ((group.keys - 1) * group.shared).saturating_sub(2)).sum()
    }

    /// For each group its number in the block and the length of its beginning; 0 and 0 if it shares none.
    pub(super) fn numbers(&self) -> [(u8, usize); MOST_SHARED + 1] {
        let mut numbers = [(0, 0); MOST_SHARED + 1];
        let mut next = 0;
        for (place, group) in numbers.iter_mut().zip(&self.groups) {
            if Sharing::is_kept(group) {
                next += 1;
                *place = (next, group.shared);
            }
        }
        numbers
    }

    /// How many beginnings there are.
    pub(super) fn count(&self) -> u8 {
        self.groups.iter().filter(|group| Sharing::is_kept(group)).count() as u8
    }

    /// Appends where each beginning ends, and the beginnings.
    pub(super) fn write(&self, keys: &[u8], out: &mut Vec<u8>) {
        let kept = || self.groups.iter().filter(|group| Sharing::is_kept(group));
        let mut end = 0;
        for group in kept() {
            end += group.shared;
            out.extend_from_slice(&(end as u16).to_le_bytes());
        }
        kept().for_each(|group| out.extend_from_slice(&keys[group.at..group.at + group.shared]));
    }
}

/// How many bytes two begin with alike.
pub(super) fn common(left: &[u8], right: &[u8]) -> usize {
    left.iter().zip(right).take_while(|(left, right)| left == right).count()
}

const _: () = assert!(MOST_SHARED * SHARED_BYTES <= u16::MAX as usize && MOST_SHARED < 0x80);
