//! The first round of a strict plain write: what is the highest plain write that a majority of the owners knows?
//!
//! The write is then minted above it, so that it has one name and one time from its first copy on. Together with the
//! awaited repair of strict reads this is the multi-writer register of Attiya, Bar-Noy and Dolev ("Sharing memory
//! robustly in message-passing systems", 1995; two rounds for writers as in Lynch and Shvartsman, 1997): plain reads
//! and writes at strict levels of a majority are linearizable. Whatever still beats such a write runs beside it, so
//! that no second round follows.
//!
//! Writes of one key are minted in the order in which they were asked for.

use super::operation::{Kind, Origin};
use crate::{
    canary::Canary,
    message::OpId,
    request::{Basis, Level, Need, Op, Outcome, Rejected, Request},
    shard::{Context, Shard},
    slot::Slot,
    storage::Storage,
    version::Token,
};
use alloc::{collections::BTreeMap, vec::Vec};
use bytes::Bytes;

/// Writes that wait for a majority's mark, by key, in the order of their beginning.
#[derive(Debug, Default)]
pub(crate) struct Asking {
    keys: BTreeMap<Bytes, Vec<OpId>>,
}

impl Asking {
    /// Takes out a write and those before it: what was asked after they had begun answers them too.
    fn up_to(&mut self, key: &Bytes, op: OpId) -> Vec<OpId> {
        let Some(waiting) = self.keys.get_mut(key) else { return Vec::new() };
        let Some(at) = waiting.iter().position(|&other| other == op) else { return Vec::new() };
        let ready = waiting.drain(..=at).collect();
        if waiting.is_empty() {
            self.keys.remove(key);
        }
        ready
    }

    /// Takes out one write.
    pub(super) fn forget(&mut self, key: &Bytes, op: OpId) {
        let Some(waiting) = self.keys.get_mut(key) else { return };
        waiting.retain(|&other| other != op);
        if waiting.is_empty() {
            self.keys.remove(key);
        }
    }
}

impl Shard {
    /// Whether a write has to ask before it is minted: a plain one at a strict level of a majority or more.
    pub(crate) fn must_ask(&mut self, op: OpId) -> bool {
        let epoch = self.layout.epoch();
        let Some(operation) = self.operations.get(op) else { return false };
        let (level, slot, required) = (operation.level, operation.slot, operation.required);
        let Kind::Write(write) = &operation.kind else { return false };
        if !level.strict
            || write.basis != Basis::Plain
            || write.minted.is_some()
            || write.asked == Some(epoch)
        {
            return false;
        }
        let majority = self.layout.owners(slot).len() / 2 + 1;
        majority > 1 && required >= majority && !self.config.canary.is(Canary::MarkNotAsked)
    }

    /// Asks a majority.
    pub(crate) fn ask_marks<S: Storage>(&mut self, op: OpId, cx: &mut Context<'_, S>) {
        let Some(operation) = self.operations.get(op) else { return };
        let (slot, key, deadline_ms) = (operation.slot, operation.key.clone(), operation.deadline_ms);
        self.asking.keys.entry(key.clone()).or_default().push(op);
        let timeout_ms = u64::from(Shard::remaining_ms(deadline_ms, cx.now.mono_ms));
        // Not strict: a mark that is lost again with the power was above all that counts.
        let level = Level { need: Need::Quorum, strict: false };
        self.begin_read(Origin::Asking(op), slot, Request { key, op: Op::Get, level, timeout_ms }, cx);
    }

    /// A majority has said what it knows, or did not.
    pub(super) fn marks_known<S: Storage>(&mut self, op: OpId, outcome: &Outcome, cx: &mut Context<'_, S>) {
        let Some(operation) = self.operations.get(op) else { return };
        let (slot, key) = (operation.slot, operation.key.clone());
        let reason = match outcome {
            Outcome::Read(answer) => {
                let known = answer.record.token();
                for op in self.asking.up_to(&key, op) {
                    self.mint_above(op, slot, &key, known.clone(), cx);
                }
                return;
            }
            Outcome::Rejected(Rejected::ReadTimeout { required, acked }) => {
                Rejected::NoQuorum { required: *required, alive: *acked }
            }
            Outcome::Rejected(reason) => *reason,
            _ => Rejected::NotReady,
        };
        if self.is_asking(op) {
            self.write_rejected(op, reason, cx);
        }
    }

    /// Whether a write still waits for a majority's mark.
    pub(super) fn is_asking(&mut self, op: OpId) -> bool {
        let asking = &self.asking;
        let waits = |key: &Bytes| asking.keys.get(key).is_some_and(|ops| ops.contains(&op));
        self.operations.get(op).is_some_and(|operation| waits(&operation.key))
    }

    fn mint_above<S: Storage>(
        &mut self,
        op: OpId,
        slot: Slot,
        key: &Bytes,
        known: Token,
        cx: &mut Context<'_, S>,
    ) {
        let Some(operation) = self.operations.get(op) else { return };
        let epoch = operation.epoch;
        let Kind::Write(write) = &mut operation.kind else { return };
        write.learned = Some(known);
        write.asked = Some(epoch);
        self.prepare(op, slot, key.clone(), cx);
    }
}
