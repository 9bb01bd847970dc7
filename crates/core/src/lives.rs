//! The newest life of every peer that this shard has heard of: records from an older one are refused (R5).

use crate::ids::MemberNumber;
use alloc::collections::BTreeMap;

/// Highest incarnation by member.
#[derive(Debug, Default)]
pub(crate) struct Lives {
    known: BTreeMap<MemberNumber, u32>,
}

impl Lives {
    /// Notes a life and says whether it is the newest known.
    pub(crate) fn accept(&mut self, member: MemberNumber, incarnation: u32) -> bool {
        let known = self.known.entry(member).or_insert(incarnation);
        *known = (*known).max(incarnation);
        *known == incarnation
    }
}
