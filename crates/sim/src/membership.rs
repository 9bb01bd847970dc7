//! A server's part in gossip: its first shard hosts the machine, as in production, and all shards learn its verdicts.

use crate::{
    server::{Input, Process},
    world::World,
};
use clockwise_core::{
    gossip::{Gossip, GossipConfig, Membership, Verdict},
    hlc::Now,
    ids::MemberNumber,
    layout::Layout,
    limits::{DOWN_AFTER_MS, GOSSIP_INTERVAL_MS},
};

/// A verdict as it was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Said {
    /// When, in microseconds of virtual time.
    pub(crate) at_us: u64,
    /// By which server; an index.
    pub(crate) by: usize,
    /// Of whom.
    pub(crate) of: MemberNumber,
    /// What.
    pub(crate) verdict: Verdict,
}

/// The machine of a process that starts now.
pub(crate) fn machine(me: MemberNumber, starts: u32, layout: &Layout, now: Now, at_us: u64) -> Gossip {
    let addresses = layout.member(me).map(|member| member.addresses.clone()).unwrap_or_default();
    let config = GossipConfig {
        me,
        starts,
        interval_ms: GOSSIP_INTERVAL_MS,
        down_after_ms: DOWN_AFTER_MS,
        addresses,
        seed: (at_us << 20) ^ (u64::from(me.0) << 10) ^ u64::from(starts),
    };
    Gossip::new(config, &Membership::of(layout), now.mono_ms)
}

impl Process {
    /// What the machine must know of an input of the first shard before that has it.
    pub(crate) fn tell_gossip(&mut self, shard: usize, input: &Input, now: Now) {
        if let (0, Input::Layout(layout)) = (shard, input) {
            self.gossip.on_layout(&Membership::of(layout), now.mono_ms);
        }
    }

    /// Lets the machine take what arrived and, with a tick, let time pass.
    pub(crate) fn host_gossip(&mut self, tick: bool, now: Now) {
        let Some(host) = self.units.first_mut() else { return };
        if !tick && host.out.gossip.is_empty() {
            return;
        }
        let said = host.shard.host_gossip(&mut self.gossip, tick, now, &mut host.store, &mut host.out);
        for &(member, verdict) in &said.verdicts {
            self.units.iter_mut().for_each(|unit| unit.shard.on_verdict(member, verdict));
        }
        self.verdicts.extend(said.verdicts);
    }
}

impl World {
    /// Notes the verdicts that a server came to.
    pub(crate) fn note_verdicts(&mut self, by: usize) {
        let Some(process) = &mut self.servers[by].process else { return };
        let at_us = self.queue.now_us();
        for (of, verdict) in std::mem::take(&mut process.verdicts) {
            self.said.push(Said { at_us, by, of, verdict });
        }
    }
}
