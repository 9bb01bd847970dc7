//! How the block cache's memory is shared out over the shards. Each has a cache of its own, so that no lookup waits for a
//! lock; which keys are hot decides how much each can use, so parts move, a little at a time, from the shard that
//! misses least for its part to the one that misses most.

use std::sync::{Mutex, PoisonError};

/// Reports of a shard between two moves: about so many seconds.
const REPORTS: u32 = 10;
/// No shard gets less than this part of an equal share.
const LEAST_PART: usize = 4;
/// What moves at a time, as a part of an equal share.
const STEP_PART: usize = 8;
/// A move is worth it when one misses so many times as often as the other.
const WORTH: u64 = 2;

#[derive(Debug, Default)]
struct Parts {
    bytes: Vec<usize>,
    /// Cold reads of each shard, as last reported and at the last move.
    reported: Vec<u64>,
    moved_at: Vec<u64>,
    reports: u32,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct CacheParts {
    parts: Mutex<Parts>,
}

impl CacheParts {
    /// Equal parts.
    pub(crate) fn new(bytes: usize, shards: usize) -> CacheParts {
        let parts = Parts {
            bytes: vec![bytes / shards; shards],
            reported: vec![0; shards],
            moved_at: vec![0; shards],
            reports: 0,
        };
        CacheParts { parts: Mutex::new(parts) }
    }

    /// A shard tells, about once a second, how many lookups have gone to the disk since its start; answers its part, in
    /// bytes.
    pub(crate) fn report(&self, shard: usize, cold_reads: u64) -> usize {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.reported[shard] = cold_reads;
        if shard == 0 {
            parts.reports += 1;
            if parts.reports >= REPORTS {
                parts.reports = 0;
                parts.balance();
            }
        }
        parts.bytes[shard]
    }
}

impl Parts {
    fn balance(&mut self) {
        let shards = self.bytes.len();
        let missed: Vec<u64> =
            self.reported.iter().zip(&self.moved_at).map(|(now, then)| now.saturating_sub(*then)).collect();
        self.moved_at.clone_from(&self.reported);
        let equal = self.bytes.iter().sum::<usize>() / shards;
        let step = equal / STEP_PART;
        let gives = |shard: &usize| self.bytes[*shard] >= equal / LEAST_PART + step;
        let Some(poor) = (0..shards).max_by_key(|&shard| missed[shard]) else { return };
        let Some(rich) = (0..shards).filter(gives).min_by_key(|&shard| missed[shard]) else { return };
        if step > 0 && missed[poor] > (missed[rich] + 1) * WORTH {
            self.bytes[rich] -= step;
            self.bytes[poor] += step;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reports for a while; shard `s` misses `misses[s]` times in each second.
    fn after(parts: &CacheParts, seconds: u64, misses: &[u64]) -> Vec<usize> {
        let mut last = Vec::new();
        for second in 1..=seconds {
            last = (0..misses.len()).map(|shard| parts.report(shard, misses[shard] * second)).collect();
        }
        last
    }

    #[test]
    fn parts_follow_the_misses_and_none_runs_dry() {
        let parts = CacheParts::new(4 << 20, 4);
        assert_eq!(after(&parts, 60, &[100, 90, 110, 120]), [1 << 20; 4], "close enough");
        let parts = CacheParts::new(4 << 20, 4);
        let moved = after(&parts, 1_000, &[0, 0, 0, 50]);
        assert!(moved[..3].iter().all(|&bytes| bytes >= (1 << 20) / 4), "{moved:?}");
        assert!(moved[3] > 3 << 20, "{moved:?}");
        assert!(moved.iter().sum::<usize>() <= 4 << 20);
        // The load moves on, and the memory follows.
        let back = after(&parts, 1_000, &[50_000, 0, 0, 50]);
        assert!(back[0] > 3 << 20 && back[3] < 1 << 20, "{back:?}");
    }

    #[test]
    fn one_shard_keeps_all() {
        let parts = CacheParts::new(1 << 20, 1);
        assert_eq!(after(&parts, 100, &[1_000]), [1 << 20]);
    }
}
