//! Names of things. Small, copyable, ordered; nothing here has behaviour beyond printing and parsing.

use core::fmt;

/// A node: 160 random bits, minted with its data folder and never changed. Printed as 40 hex digits, which is
/// what Redis Cluster clients expect of a node id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub [u8; 20]);

impl NodeId {
    /// Reads 40 hex digits; `None` for anything else.
    pub fn parse(text: &str) -> Option<NodeId> {
        let text = text.as_bytes();
        if text.len() != 40 {
            return None;
        }
        let mut id = [0; 20];
        for (byte, pair) in id.iter_mut().zip(text.chunks_exact(2)) {
            *byte = (hex_digit(pair[0])? << 4) | hex_digit(pair[1])?;
        }
        Some(NodeId(id))
    }
}

fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The small number that a layout gives to a member. Starts at 1 and is never used again for another node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MemberNumber(pub u32);

impl fmt::Display for MemberNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}", self.0)
    }
}

/// Who mints dots: a member in one of its lives. The incarnation starts at 1 and grows whenever it is not proven
/// that every dot of the life before is still known.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Actor {
    /// The member.
    pub member: MemberNumber,
    /// Its life, from 1.
    pub incarnation: u32,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.incarnation {
            1 => write!(f, "{}", self.member),
            life => write!(f, "{}.{life}", self.member),
        }
    }
}

/// The name of one write of one key: never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Dot {
    /// Who minted it.
    pub actor: Actor,
    /// Per key and actor, from 1.
    pub counter: u64,
}

/// The number of a layout. 0 means "no layout yet"; `init` writes epoch 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Epoch(pub u64);

/// A position in the server's commit log. Grows strictly within a shard; 0 is "before everything".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Lsn(pub u64);
