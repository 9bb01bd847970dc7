//! Whose data folder is a copy, or was set back: members remember which process of each other they have met last.
//!
//! A folder cannot tell that it is older than what its server has done since. But a process that wrote anything has
//! met a majority of the others before, or runs under an incarnation that nobody else can take. So a process mints
//! nothing before a majority of the others has met it and none of them knew a later one; a server that is told that it
//! was outlived stops, because its data is not what it has promised.
//!
//! This file does not know connections; it is told who was met, over links that prove who is at the other end.

use crate::{
    ids::MemberNumber,
    limits::MEMBERS,
    varint::{Malformed, Reader, put_u64},
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use bytes::Bytes;

/// First byte of the stored form.
const FORMAT: u8 = 1;

/// One process of a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Process {
    /// How many processes have started on the server's folder, this one included.
    pub starts: u32,
    /// Random: two processes on copies of a folder differ.
    pub run: u64,
}

/// What is known of a process that is met.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Met {
    /// It is the one that was met before.
    Same,
    /// It is later than any that was met; to be remembered durably.
    Newer,
    /// Another one was met that is later, or as late: this one's folder was copied or set back.
    Outlived,
}

/// The latest process of each member that was met.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Witness {
    latest: BTreeMap<MemberNumber, Process>,
}

impl Witness {
    /// What is known of a process.
    pub fn judge(&self, member: MemberNumber, process: Process) -> Met {
        match self.latest.get(&member) {
            Some(known) if *known == process => Met::Same,
            Some(known) if known.starts >= process.starts => Met::Outlived,
            Some(_) | None => Met::Newer,
        }
    }

    /// As [`Witness::judge`], and remembers a newer one.
    pub fn meet(&mut self, member: MemberNumber, process: Process) -> Met {
        let met = self.judge(member, process);
        if met == Met::Newer && (self.latest.len() < MEMBERS || self.latest.contains_key(&member)) {
            self.latest.insert(member, process);
        }
        met
    }

    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = alloc::vec![FORMAT];
        put_u64(&mut out, self.latest.len() as u64);
        for (member, process) in &self.latest {
            put_u64(&mut out, u64::from(member.0));
            put_u64(&mut out, u64::from(process.starts));
            out.extend_from_slice(&process.run.to_le_bytes());
        }
        out
    }

    /// Reads the stored form.
    pub fn decode(bytes: Bytes) -> Result<Witness, Malformed> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != FORMAT {
            return Err(Malformed);
        }
        let count = reader.u64()?;
        if count > MEMBERS as u64 {
            return Err(Malformed);
        }
        let mut latest = BTreeMap::new();
        for _ in 0..count {
            let member = MemberNumber(reader.u32()?);
            let process = Process { starts: reader.u32()?, run: u64::from_le_bytes(reader.array()?) };
            if latest.last_key_value().is_some_and(|(last, _)| *last >= member) {
                return Err(Malformed);
            }
            latest.insert(member, process);
        }
        reader.end()?;
        Ok(Witness { latest })
    }
}

/// Who has met this process and knew no later one.
#[derive(Clone, Debug, Default)]
pub struct Confirmation {
    by: BTreeSet<MemberNumber>,
}

impl Confirmation {
    /// A member has met it.
    pub fn add(&mut self, member: MemberNumber) {
        self.by.insert(member);
    }

    /// Whether these others are enough: any two processes that are confirmed were met by one that remembers both.
    pub fn is_enough(&self, others: impl Iterator<Item = MemberNumber> + Clone) -> bool {
        let count = others.clone().count();
        let met = others.filter(|other| self.by.contains(other)).count();
        count == 0 || met > count / 2
    }
}

/// An incarnation for a process that nobody confirms in time: the seconds since 2020 on its clock, which no other
/// process of the server can have taken, and above the one that its folder names.
pub fn lone_incarnation(stored: u32, wall_ms: u64) -> u32 {
    const SECONDS_TO_2020: u64 = 1_577_836_800;
    let seconds = (wall_ms / 1_000).saturating_sub(SECONDS_TO_2020);
    u32::try_from(seconds).unwrap_or(u32::MAX).max(stored.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: MemberNumber = MemberNumber(1);

    #[test]
    fn a_later_process_outlives_the_ones_before_and_a_twin() {
        let mut witness = Witness::default();
        let first = Process { starts: 4, run: 10 };
        assert_eq!(witness.meet(A, first), Met::Newer);
        assert_eq!(witness.meet(A, first), Met::Same);
        assert_eq!(witness.judge(A, Process { starts: 4, run: 11 }), Met::Outlived, "a copy");
        assert_eq!(witness.meet(A, Process { starts: 3, run: 12 }), Met::Outlived, "a backup");
        assert_eq!(witness.meet(A, Process { starts: 5, run: 13 }), Met::Newer);
        assert_eq!(witness.meet(A, first), Met::Outlived);
    }

    #[test]
    fn what_is_stored_comes_back_and_garbage_does_not() {
        let mut witness = Witness::default();
        witness.meet(A, Process { starts: 300, run: 7 });
        witness.meet(MemberNumber(200), Process { starts: 1, run: u64::MAX });
        let bytes = witness.encode();
        assert_eq!(bytes[..13], [1, 2, 1, 172, 2, 7, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(Witness::decode(bytes.clone().into()), Ok(witness));
        for cut in 0..bytes.len() {
            assert!(Witness::decode(bytes[..cut].to_vec().into()).is_err());
        }
        assert!(Witness::decode(alloc::vec![1, 2, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0].into()).is_err());
    }

    #[test]
    fn two_confirmed_processes_share_a_witness() {
        for others in 1u32..9 {
            let all = || (1..=others).map(MemberNumber);
            let enough = (0..=others).find(|&met| {
                let mut confirmation = Confirmation::default();
                (1..=met).for_each(|number| confirmation.add(MemberNumber(number)));
                confirmation.is_enough(all())
            });
            assert!(2 * enough.expect("all of them are enough") > others, "{others}");
        }
        assert!(Confirmation::default().is_enough(core::iter::empty()), "alone");
    }

    #[test]
    fn a_lone_incarnation_is_above_the_stored_one() {
        assert_eq!(lone_incarnation(3, 1_577_836_800_000), 4);
        assert_eq!(lone_incarnation(3, 1_795_000_000_000), 217_163_200);
        assert_eq!(lone_incarnation(400_000_000, 1_795_000_000_000), 400_000_001);
    }
}
