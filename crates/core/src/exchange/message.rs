//! What is said in an exchange. Every question names the asker's session, which comes back in the answer; the slot that
//! it is about stands in the message around it.

use crate::{hlc::Hlc, message::Stamp, tree::Sum, version::Write};
use alloc::vec::Vec;
use bytes::Bytes;

/// The lines of a slot that its owners share.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Lines {
    /// The refuse line.
    pub refuse: Hlc,
    /// The collect line.
    pub collect: Hlc,
}

/// A step of an exchange.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Exchange {
    /// The sum of the roots of all slots of a cell that both own. The slot of the message is one of the cell.
    Roots {
        /// The session.
        session: u64,
        /// Modulo 2^128.
        root: u128,
    },
    /// The same for each group of slots of the cell; none if the sums of all are the same.
    Groups {
        /// The session.
        session: u64,
        /// In order.
        groups: Vec<u128>,
    },
    /// Wants the roots of the slots of a group.
    Slots {
        /// The session.
        session: u64,
        /// The group.
        group: u8,
    },
    /// The answer.
    SlotRoots {
        /// The session.
        session: u64,
        /// The group.
        group: u8,
        /// Of the slots that both own, in order.
        roots: Vec<u128>,
    },
    /// Wants the sums of a slot.
    Sums {
        /// The session.
        session: u64,
        /// The asker's lines of the slot.
        lines: Lines,
        /// All that differs is to be fetched: repairs that move records between sums are noted until it is.
        watch: bool,
    },
    /// The answer.
    SlotSums {
        /// The session.
        session: u64,
        /// The answerer's lines of the slot.
        lines: Lines,
        /// Its sums; `None` if they are not known, or too many.
        sums: Option<Vec<Sum>>,
    },
    /// Wants the keys of some sums of a slot.
    Keys {
        /// The session.
        session: u64,
        /// Their names, in order; none: of all.
        names: Vec<u64>,
        /// Only keys above this one.
        after: Option<Bytes>,
        /// Nothing may be left out: keys with a time above this one are listed too, whichever sum they are in, and what
        /// cannot be read ends the list with [`Exchange::Unreadable`].
        above: Option<Hlc>,
    },
    /// The answer.
    KeyList {
        /// The session.
        session: u64,
        /// Keys in order, with the upper half of the digest of the record.
        keys: Vec<(Bytes, u64)>,
        /// Where the next list begins, if there is more.
        upto: Option<Bytes>,
    },
    /// Wants records of a slot.
    Want {
        /// The session.
        session: u64,
        /// The asker's lines of the slot.
        lines: Lines,
        /// Of these keys.
        keys: Vec<Bytes>,
    },
    /// The answer; records that cannot be read or were too much for one answer are left out.
    Records {
        /// The session.
        session: u64,
        /// The answerer's lines before it read them.
        stamp: Stamp,
        /// Keys with their encoded records.
        records: Vec<(Bytes, Bytes)>,
    },
    /// Wants the slot, to be filled with it.
    Fill {
        /// The question.
        session: u64,
        /// The asker's lines of the slot.
        lines: Lines,
        /// Only keys above this one.
        after: Option<Bytes>,
    },
    /// The answer of a complete owner.
    Filled {
        /// The question.
        session: u64,
        /// The answerer's lines before it read the records.
        stamp: Stamp,
        /// Keys in order with their encoded records.
        records: Vec<(Bytes, Bytes)>,
        /// Where the next part begins, if there is more.
        upto: Option<Bytes>,
    },
    /// The answer of an owner that is being filled itself: writes that it has acknowledged meanwhile.
    Buffered {
        /// The question.
        session: u64,
        /// In the order of their keys.
        writes: Vec<Write>,
        /// Where the next part begins, if there is more.
        upto: Option<Bytes>,
    },
    /// The answerer's copy of the slot is not whole: there is nothing to compare.
    Incomplete {
        /// The session.
        session: u64,
    },
    /// The answerer has too much to do.
    Busy {
        /// The session.
        session: u64,
    },
    /// Some of the slot cannot be read.
    Unreadable {
        /// The session.
        session: u64,
    },
}

impl Exchange {
    /// Whether it answers a question.
    pub fn is_answer(&self) -> bool {
        match self {
            Exchange::Roots { .. }
            | Exchange::Slots { .. }
            | Exchange::Sums { .. }
            | Exchange::Keys { .. }
            | Exchange::Want { .. }
            | Exchange::Fill { .. } => false,
            Exchange::Groups { .. }
            | Exchange::SlotRoots { .. }
            | Exchange::SlotSums { .. }
            | Exchange::KeyList { .. }
            | Exchange::Records { .. }
            | Exchange::Filled { .. }
            | Exchange::Buffered { .. }
            | Exchange::Incomplete { .. }
            | Exchange::Busy { .. }
            | Exchange::Unreadable { .. } => true,
        }
    }

    /// The asker's session.
    pub fn session(&self) -> u64 {
        match self {
            Exchange::Roots { session, .. }
            | Exchange::Groups { session, .. }
            | Exchange::Slots { session, .. }
            | Exchange::SlotRoots { session, .. }
            | Exchange::Sums { session, .. }
            | Exchange::SlotSums { session, .. }
            | Exchange::Keys { session, .. }
            | Exchange::KeyList { session, .. }
            | Exchange::Want { session, .. }
            | Exchange::Records { session, .. }
            | Exchange::Fill { session, .. }
            | Exchange::Filled { session, .. }
            | Exchange::Buffered { session, .. }
            | Exchange::Incomplete { session }
            | Exchange::Busy { session }
            | Exchange::Unreadable { session } => *session,
        }
    }

    /// About how many bytes it takes on its way.
    pub fn bytes(&self) -> usize {
        48 + match self {
            Exchange::Groups { groups: roots, .. } | Exchange::SlotRoots { roots, .. } => 16 * roots.len(),
            Exchange::SlotSums { sums, .. } => 18 * sums.as_ref().map_or(0, Vec::len),
            Exchange::Keys { names, .. } => 2 * names.len(),
            Exchange::KeyList { keys, .. } => keys.iter().map(|(key, _)| key.len() + 9).sum(),
            Exchange::Want { keys, .. } => keys.iter().map(|key| key.len() + 1).sum(),
            Exchange::Buffered { writes, .. } => {
                writes.iter().map(|write| write.key.len() + write.value_bytes() + 32).sum()
            }
            Exchange::Records { records, .. } | Exchange::Filled { records, .. } => {
                records.iter().map(|(key, record)| key.len() + record.len() + 4).sum()
            }
            _ => 0,
        }
    }
}
