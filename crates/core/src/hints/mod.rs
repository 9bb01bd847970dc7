//! Hinted hand-off: what a stand-in keeps for owners that are down, and how they get it back.
//!
//! | file | owns |
//! |---|---|
//! | `held` | the writes held of one key, with the owners that each is for |
//! | `ledger` | how much is held for whom, within its budget |
//! | `keep` | the door into storage: every change of what is held passes here |
//! | `replay` | deliveries to owners that are back, within the credit that they grant |
//! | `bisect` | where hints behind damage can be read again |
//! | `behind` | slots of which an owner has missed a write that nobody holds |
//! | `receive` | an owner takes what was held for it |
//!
//! What always holds: a hint is the very write that was minted; it goes when an owner that it is for has it on its
//! disk or has settled it (rule R6 of the specification), or when a later write carries it along. In the same batch
//! the slot's lines rise above all that is forgotten, so that this server never claims a counter again.
//!
//! This room does not choose stand-ins and counts no answers: the coordinator does.

mod behind;
mod bisect;
mod held;
mod keep;
mod ledger;
mod receive;
mod replay;

pub(crate) use bisect::{Cursor, Progress};
pub(crate) use held::{Held, Hint, Targets};
pub(crate) use keep::HintTask;
pub use ledger::{HintBudget, HintStats, HintsFor};

use crate::storage::JobId;
use alloc::collections::BTreeMap;
use behind::Behind;
use ledger::Ledger;
use receive::Receiving;
use replay::Replays;

/// What a shard knows of the hints that it keeps, delivers and receives.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    pub(crate) ledger: Ledger,
    pub(crate) behind: Behind,
    replays: Replays,
    receiving: Receiving,
    /// Pages that were asked for, and by whom.
    pages: BTreeMap<JobId, replay::Reader>,
}
