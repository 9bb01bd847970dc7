//! Anti-entropy: the owners of a slot compare what they hold, all the time, and fetch what they lack.
//!
//! A shard asks one other owner at a time about the slots of one cell that both own: first the sum of all their roots,
//! then those of groups of 128 slots that differ, then the slots' own, then the sums of a slot that differs, then
//! the keys of the sums that differ, and at last the records of the keys that differ. So what is sent
//! follows what differs, not what is stored. It only *pulls*: the other one asks as well, in its turn.
//!
//! What always holds: a record is joined under rule R5 of the specification, by the stamp of the frame in which it came;
//! the asker names its lines first, the answerer raises its own to them, then reads. Answers carry the asker's
//! session; an answer that nobody waits for changes nothing. Nothing is kept over a restart: the next round finds the
//! same differences. Both sides are bounded in sessions, slots, keys and bytes, and yield to requests.
//!
//! | file | owns |
//! |---|---|
//! | `message` | what is said |
//! | `ask` | the asker: rounds, pace, sessions |
//! | `slot` | the asker, within one slot: sums, keys, records |
//! | `serve` | the answerer |
//! | `tend` | counting the own sums anew |
//! | `stats` | how far it is |
//!
//! It never deletes: that a key is not there says nothing.

mod ask;
mod message;
mod serve;
mod slot;
mod stats;
pub(crate) mod tend;

pub use message::{Exchange, Lines};
pub use stats::ExchangeStats;

pub(crate) use ask::Asking;
pub(crate) use serve::Serving;

use crate::{
    ids::MemberNumber,
    message::StampedRecord,
    shard::{Context, Shard},
    slot::Slot,
    storage::{LoadError, Storage},
};
use bytes::Bytes;

/// A part of an exchange that needs the record of a key.
#[derive(Debug)]
pub(crate) enum ExchangeTask {
    /// Is the own record the one with this digest, shortened?
    Compare { session: u64, key: Bytes, digest: u64 },
    /// A record that was asked for.
    Join { session: u64, record: StampedRecord },
    /// Another owner wants it: the list that it is for.
    Give { list: u64 },
}

impl Shard {
    /// The slots of a cell that this server and another one own, in order.
    fn common(&self, cell: u16, peer: MemberNumber) -> impl Iterator<Item = Slot> {
        let me = self.config.me;
        Slot::all().skip(usize::from(cell)).step_by(usize::from(crate::limits::CELLS)).filter(move |&slot| {
            let owners = self.layout.owners(slot);
            owners.contains(&me) && owners.contains(&peer)
        })
    }

    /// The root of a slot at its own collect line; 0 if its sums are not known, or say nothing.
    fn root<S: Storage>(&self, slot: Slot, store: &S) -> u128 {
        if self.withholds(slot, store) {
            return 0;
        }
        let Some(sums) = store.sums(slot) else { return 0 };
        match sums {
            [] => 0,
            sums => crate::tree::total(sums, self.lines(slot, store).collect),
        }
    }

    /// The record cannot be read, or nothing may be asked of it any more.
    pub(crate) fn exchange_refused<S: Storage>(
        &mut self,
        slot: Slot,
        task: ExchangeTask,
        error: LoadError,
        cx: &mut Context<'_, S>,
    ) {
        match task {
            ExchangeTask::Compare { session, key, .. } => {
                // A damaged copy is one that is lacking, though it takes a fill to mend it.
                self.compared(session, slot, error == LoadError::Damaged, key, cx);
            }
            ExchangeTask::Join { session, .. } => self.joined(session, slot, cx),
            ExchangeTask::Give { list } => self.given(list, None, cx),
        }
    }
}

/// The group of a slot within its cell.
fn group(slot: Slot) -> u8 {
    (usize::from(slot.number() / crate::limits::CELLS) / crate::limits::EXCHANGE_GROUP) as u8
}

/// Groups of a cell.
const GROUPS: usize = (crate::limits::SLOTS / crate::limits::CELLS) as usize / crate::limits::EXCHANGE_GROUP;
