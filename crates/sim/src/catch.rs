//! How long a known bug stays hidden: the seeds of its mix are run from several places on until one convicts it.

use crate::{
    mix::{Mix, StoreKind},
    run::{Options, Report, run},
};
use clockwise_core::canary::Canary;

/// Seeds between two places to begin at.
const APART: u64 = 10_000;
/// Seeds after which a bug counts as not caught.
const MOST: u64 = 2_000;

/// The mix that is most about a bug; the tests convict it with the seeds that they run of it.
pub fn mix_against(canary: Canary) -> Mix {
    match canary {
        Canary::None => Mix::Everything,
        Canary::AckBeforeSync => Mix::Crash,
        Canary::AckAtWMinusOne => Mix::Network,
        Canary::CounterReset => Mix::Crash,
        Canary::IncarnationNotDurable => Mix::Crash,
        Canary::LastWriteWins => Mix::Calm,
        Canary::ContextIgnored => Mix::Calm,
        Canary::NoSecondRound => Mix::Clock,
        Canary::MarkNotAsked => Mix::Clock,
        Canary::ReadRepairNotAwaited => Mix::Network,
        Canary::StaleEpochAccepted => Mix::Layout,
        Canary::TornTailAccepted => Mix::Crash,
        Canary::ExchangeIgnoresTombstones => Mix::Deletes,
        Canary::StandInsCountAtStrictLevels => Mix::StandIn,
        Canary::HintDroppedWhenSent => Mix::StandIn,
        Canary::HintLeavesNoLines => Mix::StandIn,
        Canary::StandInForgetsUsed => Mix::StandIn,
        Canary::HintsReplaceEachOther => Mix::StandIn,
        Canary::FillAckBeforeItsLine
        | Canary::FillingServes
        | Canary::FillKeptAboveItsLine
        | Canary::SalvageSkipped => Mix::Rot,
        Canary::CollectEarly
        | Canary::RoundWithoutAll
        | Canary::FloorIgnoresHints
        | Canary::ConfirmBeforeSync
        | Canary::CollectForgetsUsed => Mix::Deletes,
    }
}

/// Bugs that tests convict step by step, in scenarios of this crate or of core: what they need is rare in seeds.
pub const BY_SCENARIO: [Canary; 9] = [
    Canary::FillAckBeforeItsLine,
    Canary::FillingServes,
    Canary::FillKeptAboveItsLine,
    Canary::SalvageSkipped,
    Canary::CollectEarly,
    Canary::RoundWithoutAll,
    Canary::FloorIgnoresHints,
    Canary::ConfirmBeforeSync,
    Canary::CollectForgetsUsed,
];

/// What it took to convict a bug once.
#[derive(Clone, Debug)]
pub struct Catch {
    /// Seeds that were run, the last of which convicted it.
    pub seeds: u64,
    /// Client operations in them.
    pub operations: u64,
    /// Virtual time in them, in milliseconds.
    pub simulated_ms: u64,
    /// The run that did.
    pub report: Report,
}

/// Runs seeds from `first` on until one convicts the bug; `None` if too many did not.
pub fn catch(canary: Canary, first: u64) -> Option<Catch> {
    let mix = mix_against(canary);
    let (mut operations, mut simulated_ms) = (0, 0);
    for seeds in 1..=MOST {
        let seed = first + seeds - 1;
        let report = run(Options { mix, seed, canary, store: StoreKind::Files, trace: false });
        operations += report.operations;
        simulated_ms += report.simulated_us / 1_000;
        if !report.violations.is_empty() {
            return Some(Catch { seeds, operations, simulated_ms, report });
        }
    }
    None
}

/// Convicts a bug so many times, each from another place on; `None` for a time that it was not caught.
pub fn catch_often(canary: Canary, times: u64) -> Vec<Option<Catch>> {
    (0..times).map(|time| catch(canary, 1 + time * APART)).collect()
}

/// The middle one, without those that never ended counting as the longest; `None` if that is what the middle one is.
pub fn median<T: Ord + Copy>(values: impl Iterator<Item = Option<T>>) -> Option<T> {
    let mut values: Vec<Option<T>> = values.collect();
    values.sort_by_key(|value| (value.is_none(), *value));
    values.get(values.len().saturating_sub(1) / 2).copied().flatten()
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn what_was_never_caught_counts_as_longest() {
        assert_eq!(median([Some(3), None, Some(1)].into_iter()), Some(3));
        assert_eq!(median([None, None, Some(1)].into_iter()), None);
        assert_eq!(median([Some(2), Some(9), Some(4)].into_iter()), Some(4));
        assert_eq!(median::<u8>([].into_iter()), None);
    }
}
