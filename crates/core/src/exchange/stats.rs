//! How far the exchange is, in numbers.

use crate::{hlc::Now, ids::MemberNumber, shard::Shard};
use alloc::collections::BTreeMap;

/// What a shard's exchange has done, and what it knows to differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ExchangeStats {
    /// Comparisons of a cell with another owner that came to their end.
    pub sessions: u64,
    /// Those that were given up.
    pub given_up: u64,
    /// Slots found to differ.
    pub slots_differed: u64,
    /// Keys whose digests were listed by other owners.
    pub keys_listed: u64,
    /// Records that were fetched and changed the own ones.
    pub records_fetched: u64,
    /// Bytes received, values included.
    pub bytes: u64,
    /// Of these, bytes of records.
    pub record_bytes: u64,
    /// Slots that are known to differ from another owner's now.
    pub slots_in_doubt: u64,
    /// For how long the first of them has been known to, in milliseconds: nothing written before that lacks anywhere else.
    pub oldest_doubt_ms: u64,
    /// How long ago the oldest of the last comparisons with each owner of each cell was, in milliseconds; `u64::MAX` if one has never
    /// come to its end.
    pub round_age_ms: u64,
    /// Slots counted anew.
    pub slots_counted: u64,
    /// Slots whose sums turned out to be wrong.
    pub trees_repaired: u64,
    /// Slots that are to be compared or counted before all others.
    pub slots_waiting: u64,
}

impl Shard {
    /// Numbers of the exchange.
    pub(crate) fn exchange_stats(&self) -> ExchangeStats {
        let asking = &self.exchange;
        let now_ms = asking.now_ms;
        let (slots_counted, trees_repaired) = self.tending.figures();
        let oldest = asking.doubts.values().min();
        ExchangeStats {
            slots_in_doubt: asking.doubts.len() as u64,
            oldest_doubt_ms: oldest.map_or(0, |since| now_ms.saturating_sub(*since)),
            round_age_ms: self.exchange_rounds().values().copied().max().unwrap_or(0),
            slots_counted,
            trees_repaired,
            slots_waiting: (asking.urgent.len() + self.tending.waiting()) as u64,
            ..asking.stats
        }
    }

    /// How long ago the last full round with each other owner ended, in milliseconds: the oldest of the last comparisons
    /// of each cell; `u64::MAX` if one has never come to its end.
    pub fn exchange_rounds(&self) -> BTreeMap<MemberNumber, u64> {
        let mut ages = BTreeMap::new();
        for &(peer, cell) in &self.exchange.pairs {
            let ended = self.exchange.ended.get(&(peer, cell));
            let age_ms = ended.map_or(u64::MAX, |ended| self.exchange.now_ms.saturating_sub(*ended));
            let oldest = ages.entry(peer).or_default();
            *oldest = age_ms.max(*oldest);
        }
        ages
    }

    /// Remembers the time for the numbers.
    pub(super) fn note_time(&mut self, now: Now) {
        self.exchange.now_ms = now.mono_ms;
    }
}
