//! Who a server is from one start to the next: the few numbers that must be durable before they are used.
//!
//! A dot must be unreusable before it leaves the node. So every start that is not proven to follow a clean stop
//! takes a new incarnation, and this is durable before the first write is minted. The clock is reserved ahead in
//! the same record: after a restart no timestamp is minted below the reservation.

use crate::{
    canary::Canary,
    hlc::{Hlc, Now},
    ids::{Actor, Epoch, MemberNumber, NodeId},
    limits::{HLC_MARGIN_MS, HLC_RESERVE_MS},
    varint::{Malformed, Reader, put_u64},
};
use alloc::vec::Vec;
use bytes::Bytes;

/// Written as one durable record beside the data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Minted with the data folder.
    pub node: NodeId,
    /// The life that is running, or ran last; from 1.
    pub incarnation: u32,
    /// How many processes have started on this folder, clean restarts among them; from 1. Names of operations hold
    /// it, so that a late answer to one process never meets an operation of another.
    pub starts: u32,
    /// No timestamp at or below this was left unminted for a later life to use.
    pub reserved: Hlc,
    /// The last life stopped cleanly: everything that it minted is in the data.
    pub clean: bool,
    /// The newest layout that it installed.
    pub epoch: Epoch,
}

const VERSION: u8 = 1;

impl Identity {
    /// For an empty data folder.
    pub fn mint(node: NodeId, now: Now) -> Identity {
        Identity {
            node,
            incarnation: 1,
            starts: 1,
            reserved: reservation(Hlc::ZERO, now),
            clean: false,
            epoch: Epoch(0),
        }
    }

    /// The identity of the next life, to be made durable before it does anything. The clock of that life starts
    /// above the reservation that is passed on as `floor`.
    pub fn start(self, now: Now, canary: Canary) -> (Identity, Hlc) {
        let keep = self.clean || canary.is(Canary::IncarnationNotDurable);
        let incarnation = if keep { self.incarnation } else { self.incarnation.saturating_add(1) };
        let next = Identity {
            incarnation,
            starts: self.starts.wrapping_add(1),
            clean: false,
            // A little above the floor and no more: restarts must not push the clock ahead.
            reserved: reservation(Hlc::from_wall_ms(self.reserved.wall_ms() + HLC_MARGIN_MS), now),
            ..self
        };
        (next, self.reserved)
    }

    /// Who mints in this life.
    pub fn actor(&self, member: MemberNumber) -> Actor {
        Actor { member, incarnation: self.incarnation }
    }

    /// The stored form: version, node id, incarnation, starts, reservation, clean, epoch.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(48);
        out.push(VERSION);
        out.extend_from_slice(&self.node.0);
        put_u64(&mut out, u64::from(self.incarnation));
        put_u64(&mut out, u64::from(self.starts));
        put_u64(&mut out, self.reserved.0);
        out.push(u8::from(self.clean));
        put_u64(&mut out, self.epoch.0);
        out
    }

    /// Reads the stored form.
    pub fn decode(bytes: Bytes) -> Result<Identity, Malformed> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return Err(Malformed);
        }
        let identity = Identity {
            node: NodeId(reader.array()?),
            incarnation: reader.u32()?,
            starts: reader.u32()?,
            reserved: Hlc(reader.u64()?),
            clean: reader.u8()? == 1,
            epoch: Epoch(reader.u64()?),
        };
        reader.end()?;
        if identity.incarnation == 0 { Err(Malformed) } else { Ok(identity) }
    }
}

/// How far ahead the clock is reserved, seen from now.
pub fn reservation(before: Hlc, now: Now) -> Hlc {
    before.max(Hlc::from_wall_ms(now.wall_ms + HLC_RESERVE_MS))
}
