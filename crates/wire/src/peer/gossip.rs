//! The bytes of gossip. Every list is bounded by the whole: a body over the budget is refused before it is read, as
//! no machine writes one.

use super::{
    handshake::{get_addresses, put_addresses},
    parts::get_member,
};
use crate::limits::GOSSIP_BODY_BYTES;
use alloc::vec::Vec;
use clockwise_core::{
    gossip::{Beat, Contents, Entry, GossipMessage, Mark, Suspicion},
    ids::{Epoch, MemberNumber},
    limits::{GOSSIP_LOADS, GOSSIP_SUSPECTS},
    varint::{Malformed, Reader, put_u64},
};

const DIGEST: u8 = 0;
const NEWS: u8 = 1;
const ENTRIES: u8 = 2;

/// Appends a message.
pub(super) fn put_gossip(out: &mut Vec<u8>, message: &GossipMessage) {
    match message {
        GossipMessage::Digest { marks } => {
            out.push(DIGEST);
            put_list(out, marks, put_mark);
        }
        GossipMessage::News { marks, entries, wants } => {
            out.push(NEWS);
            put_list(out, marks, put_mark);
            put_list(out, entries, put_entry);
            put_list(out, wants, |out, member| put_member(out, *member));
        }
        GossipMessage::Entries { entries } => {
            out.push(ENTRIES);
            put_list(out, entries, put_entry);
        }
    }
}

/// Reads a message that fills the rest of the frame.
pub(super) fn get_gossip(reader: &mut Reader) -> Result<GossipMessage, Malformed> {
    if reader.remaining() > GOSSIP_BODY_BYTES {
        return Err(Malformed);
    }
    Ok(match reader.u8()? {
        DIGEST => GossipMessage::Digest { marks: get_list(reader, get_mark)? },
        NEWS => GossipMessage::News {
            marks: get_list(reader, get_mark)?,
            entries: get_list(reader, get_entry)?,
            wants: get_list(reader, get_member)?,
        },
        ENTRIES => GossipMessage::Entries { entries: get_list(reader, get_entry)? },
        _ => return Err(Malformed),
    })
}

fn put_list<T>(out: &mut Vec<u8>, items: &[T], put: impl Fn(&mut Vec<u8>, &T)) {
    put_u64(out, items.len() as u64);
    items.iter().for_each(|item| put(out, item));
}

/// Grows with what arrives, whatever the count says.
fn get_list<T>(
    reader: &mut Reader,
    get: impl Fn(&mut Reader) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let count = reader.u64()?;
    let mut items = Vec::new();
    for _ in 0..count {
        items.push(get(reader)?);
    }
    Ok(items)
}

fn put_member(out: &mut Vec<u8>, member: MemberNumber) {
    put_u64(out, u64::from(member.0));
}

fn put_beat(out: &mut Vec<u8>, beat: Beat) {
    put_u64(out, u64::from(beat.generation));
    put_u64(out, beat.heartbeat);
}

fn get_beat(reader: &mut Reader) -> Result<Beat, Malformed> {
    Ok(Beat { generation: reader.u32()?, heartbeat: reader.u64()? })
}

fn put_mark(out: &mut Vec<u8>, mark: &Mark) {
    put_member(out, mark.member);
    put_beat(out, mark.beat);
    put_u64(out, mark.held);
}

fn get_mark(reader: &mut Reader) -> Result<Mark, Malformed> {
    Ok(Mark { member: get_member(reader)?, beat: get_beat(reader)?, held: reader.u64()? })
}

fn put_entry(out: &mut Vec<u8>, entry: &Entry) {
    let Contents { epoch, layout, load, addresses, suspects } = &entry.contents;
    put_member(out, entry.member);
    put_beat(out, entry.written);
    put_u64(out, epoch.0);
    out.extend_from_slice(&layout.to_le_bytes());
    put_list(out, load, |out, number| put_u64(out, *number));
    put_addresses(out, addresses);
    put_list(out, suspects, |out, suspect| {
        put_member(out, suspect.member);
        put_beat(out, suspect.beat);
    });
}

fn get_entry(reader: &mut Reader) -> Result<Entry, Malformed> {
    let (member, written) = (get_member(reader)?, get_beat(reader)?);
    let (epoch, layout) = (Epoch(reader.u64()?), u64::from_le_bytes(reader.array()?));
    let load = get_list(reader, Reader::u64)?;
    let addresses = get_addresses(reader)?;
    let suspects =
        get_list(reader, |reader| Ok(Suspicion { member: get_member(reader)?, beat: get_beat(reader)? }))?;
    if load.len() > GOSSIP_LOADS || suspects.len() > GOSSIP_SUSPECTS {
        return Err(Malformed);
    }
    let contents = Contents { epoch, layout, load: load.into(), addresses, suspects };
    Ok(Entry { member, written, contents })
}
