//! Which tables of a cell to merge: size-tiered, newest first, always neighbours in age. Pure arithmetic over
//! sizes. See `docs/decisions/own-engine.md` for why.
//!
//! Two rules. *Space*: when the newer tables together are as large as the oldest, all are merged, so that dead
//! entries never take more than the live ones (and a few flushes). *Reads*: otherwise as many of the newest
//! tables as possible are merged such that the oldest of them is at most half of the others together. So an
//! entry is rewritten about once each time its table grows threefold, and where nothing can be merged sizes
//! grow by half from each table to the next older one, which bounds their number by a logarithm.

use crate::limits::COMPACT_RUNS;

/// The oldest table of a merge is at most the others' sum divided by this.
const DOMINANCE: u64 = 2;

/// A table as the rules see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Run {
    /// Bytes of its file.
    pub(crate) bytes: u64,
    /// Whether it can be merged; a damaged one cannot, and nothing is merged across it.
    pub(crate) mergeable: bool,
}

/// How many of the newest tables (first in the list) to merge now; 0 for none.
pub(crate) fn pick(runs: &[Run]) -> usize {
    let mergeable = runs.iter().take_while(|run| run.mergeable).count();
    let mut newer = 0u64;
    let mut best = 0;
    for (at, run) in runs[..mergeable].iter().enumerate() {
        let count = at + 1;
        let factor = if count == runs.len() { 1 } else { DOMINANCE };
        if count >= COMPACT_RUNS && run.bytes.saturating_mul(factor) <= newer {
            best = count;
        }
        newer = newer.saturating_add(run.bytes);
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(bytes: &[u64]) -> Vec<Run> {
        bytes.iter().map(|&bytes| Run { bytes, mergeable: true }).collect()
    }

    #[test]
    fn waits_for_enough_tables_of_a_size() {
        assert_eq!(pick(&runs(&[1, 1, 1])), 0);
        assert_eq!(pick(&runs(&[1, 1, 1, 100])), 0);
        assert_eq!(pick(&runs(&[1, 1, 1, 1, 100])), 4);
        assert_eq!(pick(&runs(&[1, 1, 4, 4, 4, 1000])), 5, "the newer ones go along");
    }

    #[test]
    fn merges_all_when_half_may_be_dead() {
        assert_eq!(pick(&runs(&[10, 10, 10, 31])), 0);
        assert_eq!(pick(&runs(&[10, 40, 50, 100])), 4);
    }

    #[test]
    fn never_reaches_across_a_damaged_table() {
        let mut list = runs(&[1; 10]);
        list[3].mergeable = false;
        assert_eq!(pick(&list), 0);
        list[3].mergeable = true;
        list[5].mergeable = false;
        assert_eq!(pick(&list), 5);
    }

    #[test]
    fn an_overwrite_heavy_run_stays_bounded() {
        // Flushes of 1 into a cell whose live data is 100: a full merge leaves 100, others their sum.
        let mut sizes: Vec<u64> = Vec::new();
        let (mut written, mut most, mut most_runs) = (0, 0, 0);
        for _ in 0..5000 {
            sizes.insert(0, 1);
            let count = pick(&runs(&sizes));
            if count > 0 {
                let merged = sizes.drain(..count).sum::<u64>().min(100);
                written += merged;
                sizes.insert(0, merged);
            }
            most = most.max(sizes.iter().sum());
            most_runs = most_runs.max(sizes.len());
        }
        assert!(most <= 210, "{most} bytes for 100 live ones");
        assert!(most_runs <= 16, "{most_runs} tables");
        assert!(written <= 5000 * 6, "write amplification of {}", written / 5000);
    }
}
