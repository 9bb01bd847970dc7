//! Known bugs that the simulator must catch, each chosen by name. Without the feature `canaries` the question
//! is answered "no" at compile time.

/// A bug that can be switched on in one shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Canary {
    /// The unmodified code.
    #[default]
    None,
    /// Writes are acknowledged before the commit log is synced.
    AckBeforeSync,
    /// One acknowledgement fewer than asked for is enough.
    AckAtWMinusOne,
    /// A restart forgets how far the counters of the own actor went.
    CounterReset,
    /// An unclean restart goes on with the old incarnation.
    IncarnationNotDurable,
    /// Of concurrent causal versions only the latest is kept.
    LastWriteWins,
    /// A causal write's context is ignored, as if the write were blind.
    ContextIgnored,
    /// A plain write that a replica reports as beaten is not written once more.
    NoSecondRound,
    /// A strict plain write is minted without asking a majority for its mark.
    MarkNotAsked,
    /// A strict read answers before its read repair is acknowledged.
    ReadRepairNotAwaited,
    /// A replica serves messages of an older layout.
    StaleEpochAccepted,
    /// Of the keys of a slot that differs, deleted ones are not listed.
    ExchangeIgnoresTombstones,
    /// Recovery takes the torn tail of the commit log for good.
    TornTailAccepted,
    /// A write that a stand-in holds counts at strict levels too.
    StandInsCountAtStrictLevels,
    /// A hint goes when it is sent, not when its owner has it on disk.
    HintDroppedWhenSent,
    /// A hint that goes leaves nothing in the slot's lines.
    HintLeavesNoLines,
    /// A stand-in mints without looking at the slot's lines.
    StandInForgetsUsed,
    /// A hint takes the place of those of the same key, whether it carries them along or not.
    HintsReplaceEachOther,
    /// A slot that is filled acknowledges writes before it has the lines of a complete owner.
    FillAckBeforeItsLine,
    /// A slot that is filled answers as if it were complete.
    FillingServes,
    /// What was given under a lower collect line stays when a higher one is learned.
    FillKeptAboveItsLine,
    /// What can be read of a damaged slot is not told to anybody.
    SalvageSkipped,
    /// Deleted records are collected by the own clock.
    CollectEarly,
    /// A round ends when all owners but one have confirmed.
    RoundWithoutAll,
    /// A stand-in's floor does not look at the hints that it holds.
    FloorIgnoresHints,
    /// An owner confirms a round before what it fetched is on its disk.
    ConfirmBeforeSync,
    /// A collected record leaves nothing in the slot's lines.
    CollectForgetsUsed,
}

impl Canary {
    /// Every bug that seeds must catch, for the test that they do.
    pub const ALL: [Canary; 22] = [
        Canary::AckBeforeSync,
        Canary::AckAtWMinusOne,
        Canary::CounterReset,
        Canary::IncarnationNotDurable,
        Canary::LastWriteWins,
        Canary::ContextIgnored,
        Canary::NoSecondRound,
        Canary::MarkNotAsked,
        Canary::ReadRepairNotAwaited,
        Canary::StaleEpochAccepted,
        Canary::ExchangeIgnoresTombstones,
        Canary::TornTailAccepted,
        Canary::StandInsCountAtStrictLevels,
        Canary::HintDroppedWhenSent,
        Canary::HintLeavesNoLines,
        Canary::StandInForgetsUsed,
        Canary::HintsReplaceEachOther,
        Canary::CollectEarly,
        Canary::RoundWithoutAll,
        Canary::FloorIgnoresHints,
        Canary::ConfirmBeforeSync,
        Canary::CollectForgetsUsed,
    ];

    /// Bugs that no seed can show, since nothing rots in them: scenarios and tests of `core` catch each of them.
    pub const OF_DAMAGE: [Canary; 4] = [
        Canary::FillAckBeforeItsLine,
        Canary::FillingServes,
        Canary::FillKeptAboveItsLine,
        Canary::SalvageSkipped,
    ];

    /// Whether this is the bug `bug`. Always false unless the feature `canaries` is on.
    #[inline(always)]
    pub fn is(self, bug: Canary) -> bool {
        cfg!(feature = "canaries") && self == bug
    }
}
