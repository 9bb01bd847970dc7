//! Replies into a connection's output, and what is counted of them; and the commands that need the connection's
//! own past: `WAIT`, `DBSIZE`.

use super::{
    Connection, Door, Gather, Pending, Ready, Wanted, Work,
    counted::is_write,
    execute::Start,
    render::{self, Scene, Shape, Verdict},
};
use crate::{
    server::{clock::Reading, metrics::ShardMetrics},
    shard::{CountTargets, ShardState, Waiting},
};
use clockwise_core::{ids::MemberNumber, layout::Layout, limits::CELLS, slot::Slot};
use clockwise_wire::resp::ReplyWriter;
use std::{collections::BTreeMap, sync::Arc};

/// What replies need of the shard.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    pub(crate) layout: Option<&'a Layout>,
    pub(crate) clock_threshold: usize,
    pub(crate) metrics: &'a ShardMetrics,
    pub(crate) reading: Reading,
}

impl Stage<'_> {
    /// Appends a reply whose turn it is to the connection's output. The answer is its size, for a command over
    /// several keys by key, in bytes.
    pub(crate) fn write(&self, client: &mut Connection, ready: Ready) -> usize {
        let before = client.output.waiting();
        let mut parts = 1;
        let protocol = client.session.protocol;
        match ready {
            Ready::Bytes(bytes) => client.output.buffer().extend_from_slice(&bytes),
            Ready::One(pending, outcome) => {
                let mut scene = Scene {
                    wall_ms: self.reading.now.wall_ms,
                    layout: self.layout,
                    clock_threshold: self.clock_threshold,
                    clock_cuts: 0,
                };
                let mut writer = ReplyWriter::new(client.output.buffer(), protocol);
                if let Work::One(shape) = &pending.work {
                    let verdict = render::one(shape, &outcome, &mut scene, &mut writer);
                    self.count(&pending, verdict);
                }
                if scene.clock_cuts > 0 {
                    self.metrics.clock_cuts.add(scene.clock_cuts);
                }
            }
            Ready::Many(pending) => {
                let mut writer = ReplyWriter::new(client.output.buffer(), protocol);
                if let Work::Many(gather) = &pending.work {
                    parts = gather.started().max(1);
                    let verdict = render::many(gather, &mut writer);
                    self.count(&pending, verdict);
                }
            }
        }
        let bytes = (client.output.waiting() - before) / parts;
        client.replied(bytes);
        bytes
    }

    fn count(&self, pending: &Pending, verdict: Verdict) {
        let counters = &self.metrics.commands[pending.command];
        match verdict {
            Verdict::Done => counters.done.one(),
            Verdict::Rejected => counters.rejected.one(),
            Verdict::Unknown => counters.unknown.one(),
        }
        let took_us = self.reading.mono_us.saturating_sub(pending.started_us);
        match is_write(pending.command) {
            Some(true) => self.metrics.writes.record(took_us),
            Some(false) => self.metrics.reads.record(took_us),
            None => {}
        }
    }
}

impl ShardState {
    /// `WAIT`: everything before it is finished; answers on how many replicas besides the coordinator the writes
    /// since the last `WAIT` are. It never waits for more than the writes' own level did.
    pub(super) fn wait(&mut self, start: Start) {
        let Some(client) = self.connections.get_mut(start.connection) else { return };
        let replicas = client.least_acks.take().map_or(0, |acks| acks.saturating_sub(1));
        self.say_as(start, |writer| writer.integer(i64::try_from(replicas).unwrap_or(i64::MAX)));
    }

    /// `DBSIZE`: on the cluster port the slots whose row of the map names this server, else all.
    pub(super) fn count_keys(&mut self, start: Start) {
        let me = self.me();
        let only_mine = self.door(start.connection) == Door::Cluster;
        let Some(topology) = self.shared.topology() else { return self.say_not_ready(start) };
        let mut by_master: BTreeMap<MemberNumber, Vec<(Slot, Slot)>> = BTreeMap::new();
        for row in topology.map.rows.iter().filter(|row| !only_mine || Some(row.master) == me) {
            by_master.entry(row.master).or_default().push((row.first, row.last));
        }
        let targets: Arc<CountTargets> = Arc::new(by_master.into_iter().collect());
        if targets.is_empty() {
            return self.say_as(start, |writer| writer.integer(0));
        }
        let cells = usize::from(CELLS);
        let gather = Box::new(Gather::of_started(Wanted::Sum, cells));
        let pending =
            Pending { command: start.kind, started_us: self.reading.mono_us, work: Work::Many(gather) };
        let Some(client) = self.connections.get_mut(start.connection) else { return };
        let seq = client.replies.start(pending, None);
        client.barrier = Some(seq);
        for cell in 0..CELLS {
            let waiting = Waiting::Client { connection: start.connection, seq, part: u32::from(cell) };
            self.submit_count(waiting, cell, &targets);
        }
    }

    /// `CLUSTER COUNTKEYSINSLOT`.
    pub(super) fn count_slot(&mut self, start: Start, slot: Slot) {
        let Some(topology) = self.shared.topology() else { return self.say_not_ready(start) };
        let targets = Arc::new(vec![(topology.map.row(slot).master, vec![(slot, slot)])]);
        let work = Work::One(Shape::Number);
        let pending = Pending { command: start.kind, started_us: self.reading.mono_us, work };
        let Some(client) = self.connections.get_mut(start.connection) else { return };
        let seq = client.replies.start(pending, None);
        let waiting = Waiting::Client { connection: start.connection, seq, part: 0 };
        self.submit_count(waiting, slot.cell(), &targets);
    }

    /// This server's number.
    pub(crate) fn me(&self) -> Option<MemberNumber> {
        self.core.as_ref()?.layout().by_node(self.shared.node).map(|member| member.number)
    }

    /// The error of a server without a layout.
    pub(super) fn say_not_ready(&mut self, start: Start) {
        let text = super::Failure::Rejected(clockwise_core::request::Rejected::NotReady).text();
        self.say_as(start, |writer| writer.error(&text));
    }
}
