//! `explain`: what each owner holds of a key, and how it found it.

use super::operation::{ExplainOp, Kind, Members, Operation, Origin};
use crate::{
    ids::MemberNumber,
    message::{Body, OpId},
    replica::Task,
    request::{Explanation, Holding, Outcome, Request},
    shard::{Context, Shard},
    slot::Slot,
    storage::{Probe, Storage},
    version::Record,
};
use alloc::vec::Vec;

/// An owner that has not answered after this long is reported as silent, in milliseconds.
const PATIENCE_MS: u64 = 1_000;

impl Shard {
    pub(crate) fn begin_explain<S: Storage>(
        &mut self,
        origin: Origin,
        slot: Slot,
        request: Request,
        cx: &mut Context<'_, S>,
    ) {
        let me = self.config.me;
        let owners = self.layout.owners(slot);
        let up: Members = owners.iter().copied().filter(|&o| o != me && self.liveness.is_up(o)).collect();
        let mut outstanding = up.clone();
        outstanding.push(me);
        let op = self.operations.insert(Operation {
            origin,
            key: request.key.clone(),
            slot,
            level: request.level,
            required: owners.len(),
            epoch: self.layout.epoch(),
            deadline_ms: Shard::deadline_ms(request.timeout_ms.min(PATIENCE_MS), cx.now.mono_ms),
            kind: Kind::Explain(ExplainOp { holdings: Vec::new(), outstanding }),
        });
        self.send_all(up, Some(slot), PATIENCE_MS as u32, Body::Probe { op, key: request.key.clone() }, cx);
        self.with_record(slot, request.key, Task::Explain(op), cx);
    }

    /// An owner told what it holds, or that it cannot.
    pub(crate) fn explained<S: Storage>(
        &mut self,
        op: OpId,
        member: MemberNumber,
        record: Option<Record>,
        probe: Probe,
        cx: &mut Context<'_, S>,
    ) {
        let Some(operation) = self.operations.get(op) else { return };
        let Kind::Explain(explain) = &mut operation.kind else { return };
        if !super::read::take(&mut explain.outstanding, member) {
            return;
        }
        explain.holdings.push(Holding { member, record, probe });
        if explain.outstanding.is_empty() {
            self.finish_explain(op, cx);
        }
    }

    /// Everybody answered, or patience ran out.
    pub(crate) fn finish_explain<S: Storage>(&mut self, op: OpId, cx: &mut Context<'_, S>) {
        let Some(operation) = self.operations.remove(op) else { return };
        let Kind::Explain(explain) = operation.kind else { return };
        let mut heard = explain.holdings;
        let mut holdings = Vec::new();
        for &member in self.layout.owners(operation.slot) {
            let at = heard.iter().position(|holding| holding.member == member);
            let silent = Holding { member, record: None, probe: Probe::default() };
            holdings.push(at.map_or(silent, |at| heard.swap_remove(at)));
        }
        let explanation = Explanation { epoch: operation.epoch, slot: operation.slot, holdings };
        self.answer_origin(operation.origin, Outcome::Explained(explanation), cx);
    }
}
