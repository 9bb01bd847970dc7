//! What hub, owners and stand-ins say to each other in a round, one step for one slot. Steps for slots of the same cell
//! travel together.

use crate::{exchange::Lines, hlc::Hlc, ids::MemberNumber};
use alloc::vec::Vec;

/// A step of a round of one slot. `round` names the round among those of the hub, which is the sender of the questions and
/// the receiver of the answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// The hub asks: below which time will you neither take nor mint anything for this slot as a stand-in?
    Ask {
        /// The round.
        round: u64,
    },
    /// The answer.
    Floor {
        /// The round.
        round: u64,
        /// In which of its lives the sender is.
        incarnation: u32,
        /// Nothing older than this comes from the sender; `None`: it does not know yet what it holds.
        floor: Option<Hlc>,
    },
    /// The hub wants all that an owner has up to an instant; it notes the list, raises its lines, then answers.
    Pull {
        /// The round.
        round: u64,
        /// The instant.
        upto: Hlc,
        /// The hub's collect line.
        collect: Hlc,
        /// The owners and the lives in which they take part.
        lives: Vec<(MemberNumber, u32)>,
    },
    /// The answer: what the owner has is to be fetched, unless the hub's root is the same.
    Pulled {
        /// The round.
        round: u64,
        /// In which of its lives the sender is.
        incarnation: u32,
        /// Its lines, raised.
        lines: Lines,
        /// Its root at its collect line; `None` if its sums are not known.
        root: Option<u128>,
    },
    /// All owners have answered: what the hub has now is to be fetched, unless the own root is the same.
    Push {
        /// The round.
        round: u64,
        /// The hub's lines.
        lines: Lines,
        /// Its root at its collect line; `None` if its sums are not known.
        root: Option<u128>,
    },
    /// The answer, once all of it and the refuse line are on disk.
    Confirm {
        /// The round.
        round: u64,
        /// In which of its lives the sender is.
        incarnation: u32,
    },
    /// The answer instead of any other: the sender takes no part in this round.
    Void {
        /// The round.
        round: u64,
    },
    /// How far the lines of an owner are: up to the collect line, all that was ever written is at each owner, or never was.
    Fact {
        /// The lines.
        lines: Lines,
    },
}

impl Step {
    /// The round; a fact holds for itself.
    pub fn round(&self) -> Option<u64> {
        match self {
            Step::Ask { round }
            | Step::Floor { round, .. }
            | Step::Pull { round, .. }
            | Step::Pulled { round, .. }
            | Step::Push { round, .. }
            | Step::Confirm { round, .. }
            | Step::Void { round } => Some(*round),
            Step::Fact { .. } => None,
        }
    }
}
