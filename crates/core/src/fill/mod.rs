//! A slot of which this owner's copy is not whole (rule R9 of the specification): what can still be read of it is told to the
//! other owners, then it begins anew from nothing and is filled from them.
//!
//! Damage may have taken any record of the slot back to an older one, and what is deleted may be alive in it again. So from
//! the moment at which it is known, nothing of the slot is read, compared, sent or built upon:
//!
//! 1. **Salvaging.** Each live version that can be read is offered to the other owners as the write that it was. They judge it
//!    by its time (R4), as any late write. Deletes are not offered: what they deleted may be another write's.
//! 2. **Filling.** In one batch the old data goes and the slot is marked. The other owners give all that they hold. Writes
//!    that come meanwhile wait in a **buffer** (hints for this server itself, beside the slot) and are acknowledged, once
//!    the slot has the lines of a complete owner.
//! 3. **Absorbing.** The buffer is joined, judged by the collect line alone, and the slot is complete again.
//!
//! | file | owns |
//! |---|---|
//! | `work` | what is known of each such slot, and whose turn it is |
//! | `damage` | how it begins: damage, a restart in the middle |
//! | `withhold` | what is refused meanwhile |
//! | `salvage` | telling the others what can be read |
//! | `source` | fetching from the others |
//! | `take` | taking what they gave |
//! | `serve` | giving it |
//! | `buffer` | writes that come meanwhile, and how they get into the slot |
//! | `end` | complete again: by itself or by force (by a round: not connected yet) |
//! | `stats` | how far it is, and for whom it waits |
//!
//! What always holds: the state of a slot is in its lines, in the same batch as what it stands for; what fills have given may be
//! discarded at any time, the buffer never; nothing is minted in such a slot, and what is minted after it is another
//! actor's. A slot with a single owner is not filled, as there is nobody to fill it from: it serves what can be read.
//!
//! Everything else is in memory: after a restart salvage and filling begin anew.

mod buffer;
mod damage;
mod end;
mod salvage;
mod serve;
mod source;
mod stats;
mod take;
mod withhold;
mod work;

pub use stats::FillStats;

pub(crate) use buffer::BufferTask;
pub(crate) use serve::Served;
pub(crate) use take::FillTask;
pub(crate) use withhold::refusal;
pub(crate) use work::Fills;
