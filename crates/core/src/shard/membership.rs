//! Where the server's gossip machine meets a shard: one shard hosts it and lends it links and pings, all shards are
//! told the verdicts.

use super::{Context, Shard};
use crate::{
    gossip::{Gossip, GossipOut, Verdict},
    hlc::Now,
    ids::MemberNumber,
    message::Body,
    outbox::{Event, Outbox},
    storage::Storage,
};

impl Shard {
    /// Hands over what was gossiped to this shard, lets time pass for the machine if `tick`, and sends what it wants
    /// said. What is left in the answer is for the whole server; verdicts must go to every shard, this one included.
    pub fn host_gossip<S: Storage>(
        &mut self,
        gossip: &mut Gossip,
        tick: bool,
        now: Now,
        store: &mut S,
        out: &mut Outbox,
    ) -> GossipOut {
        let mut said = GossipOut::default();
        for (from, message) in core::mem::take(&mut out.gossip) {
            gossip.on_message(from, message, now.mono_ms, &mut said);
        }
        if tick {
            gossip.on_tick(now.mono_ms, &|peer| self.liveness.answers(peer), &mut said);
        }
        let cx = &mut Context { now, store, out };
        for (to, message) in said.sends.drain(..) {
            self.send_all(to, None, 0, Body::Gossip(message), cx);
        }
        cx.out.events.extend(said.verdicts.iter().map(|&(member, verdict)| match verdict {
            Verdict::Down => Event::MemberDown(member),
            Verdict::Up => Event::MemberUp(member),
        }));
        for from in said.pulls.drain(..) {
            self.send(from, None, 0, Body::NeedLayout { op: None }, cx);
        }
        said
    }

    /// Gossip came to a verdict: it counts for routing, never for ownership nor for the size of a quorum.
    pub fn on_verdict(&mut self, member: MemberNumber, verdict: Verdict) {
        self.liveness.judged(member, verdict);
    }
}
