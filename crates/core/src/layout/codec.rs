//! The stored form of a layout. Drawn in `docs/formats/layout.md`.
//!
//! What always holds: one layout has exactly one stored form, and every server that reads it computes the owners
//! that its writer computed (the form ends with their checksum). The owners themselves are not stored.

use super::{Addresses, Layout, LayoutSpec, Member, ring};
use crate::{
    ids::{Epoch, MemberNumber, NodeId},
    limits::{MEMBERS, NAME_BYTES},
    varint::{Malformed, Reader, put_bytes, put_u64},
    version::{DigestKey, TokenKey},
};
use alloc::{string::String, vec::Vec};
use bytes::Bytes;
use core::hash::Hasher;
use siphasher::sip::SipHasher24;

/// The version byte.
const VERSION: u8 = 1;

/// The shortest member: number, node id, token seed, weight and six empty texts.
const LEAST_MEMBER_BYTES: usize = 1 + 20 + 8 + 1 + 6;

impl Layout {
    /// The stored form, with a version byte and the number of the ring algorithm.
    pub fn encode(&self) -> Vec<u8> {
        let spec = &self.spec;
        let mut out = alloc::vec![VERSION, ring::ALGORITHM];
        out.extend_from_slice(&spec.cluster);
        put_u64(&mut out, spec.epoch.0);
        out.push(spec.replicas);
        out.extend_from_slice(&spec.token_key.0);
        out.extend_from_slice(&spec.digest_key.0);
        put_u64(&mut out, spec.members.len() as u64);
        spec.members.iter().for_each(|member| put_member(&mut out, member));
        out.extend_from_slice(&self.checksum().to_le_bytes());
        out
    }

    /// Reads the stored form and computes the table. Refuses what [`Layout::encode`] would not have written.
    pub fn decode(bytes: Bytes) -> Result<Layout, Malformed> {
        let mut reader = Reader::new(bytes.clone());
        if reader.u8()? != VERSION || reader.u8()? != ring::ALGORITHM {
            return Err(Malformed);
        }
        let spec = read_spec(&mut reader)?;
        let checksum = u64::from_le_bytes(reader.array()?);
        reader.end()?;
        let layout = Layout::new(spec).map_err(|_| Malformed)?;
        // Long forms of integers and members out of order read well but are not canonical.
        if layout.checksum() != checksum || layout.encode() != bytes {
            return Err(Malformed);
        }
        Ok(layout)
    }

    /// SipHash-2-4 with key 0 over the owners of every slot, 4 bytes each, little-endian.
    fn checksum(&self) -> u64 {
        let mut hasher = SipHasher24::new();
        for &set in &self.table.index {
            let first = usize::from(set) * self.table.width;
            for owner in &self.table.sets[first..first + self.table.width] {
                hasher.write(&owner.0.to_le_bytes());
            }
        }
        hasher.finish()
    }
}

fn put_member(out: &mut Vec<u8>, member: &Member) {
    put_u64(out, u64::from(member.number.0));
    out.extend_from_slice(&member.node.0);
    out.extend_from_slice(&member.token_seed.to_le_bytes());
    put_u64(out, u64::from(member.weight));
    member.texts().iter().for_each(|text| put_bytes(out, text.as_bytes()));
}

fn read_spec(reader: &mut Reader) -> Result<LayoutSpec, Malformed> {
    let cluster = reader.array()?;
    let epoch = Epoch(reader.u64()?);
    let replicas = reader.u8()?;
    let token_key = TokenKey(reader.array()?);
    let digest_key = DigestKey(reader.array()?);
    let count = usize::try_from(reader.u64()?).map_err(|_| Malformed)?;
    if count > MEMBERS || count * LEAST_MEMBER_BYTES > reader.remaining() {
        return Err(Malformed);
    }
    let members = (0..count).map(|_| read_member(reader)).collect::<Result<_, _>>()?;
    Ok(LayoutSpec { cluster, epoch, replicas, token_key, digest_key, members })
}

fn read_member(reader: &mut Reader) -> Result<Member, Malformed> {
    Ok(Member {
        number: MemberNumber(reader.u32()?),
        node: NodeId(reader.array()?),
        token_seed: u64::from_le_bytes(reader.array()?),
        weight: u16::try_from(reader.u64()?).map_err(|_| Malformed)?,
        dc: read_text(reader)?,
        rack: read_text(reader)?,
        addresses: Addresses {
            peer: read_text(reader)?,
            cluster: read_text(reader)?,
            plain: read_text(reader)?,
            http: read_text(reader)?,
        },
    })
}

fn read_text(reader: &mut Reader) -> Result<String, Malformed> {
    let bytes = reader.bytes()?;
    if bytes.len() > NAME_BYTES {
        return Err(Malformed);
    }
    core::str::from_utf8(&bytes).map(String::from).map_err(|_| Malformed)
}
