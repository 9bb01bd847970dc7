//! Shard 0 hosts the server's part in gossip: it brings messages and time, tells all shards the verdicts, and shows
//! what is known.

use super::{Letter, ShardState};
use crate::server::MembershipView;
use clockwise_core::{
    gossip::{Gossip, GossipConfig, GossipOut, Membership, Verdict},
    ids::MemberNumber,
    layout::Layout,
};

impl ShardState {
    /// Gossip begins with the first layout and follows the newer ones.
    pub(super) fn follow_gossip(&mut self, me: MemberNumber, layout: &Layout) {
        if self.id != 0 {
            return;
        }
        let (membership, now_ms) = (Membership::of(layout), self.reading.now.mono_ms);
        if let Some(gossip) = &mut self.gossip {
            return gossip.on_layout(&membership, now_ms);
        }
        let mut seed = [0; 8];
        // Without randomness partners are only less spread.
        let _ = getrandom::fill(&mut seed);
        let settings = &self.shared.settings;
        let config = GossipConfig {
            me,
            starts: self.shared.life().starts,
            interval_ms: settings.gossip_interval_ms,
            down_after_ms: settings.down_after_ms,
            addresses: settings.advertise.clone(),
            seed: u64::from_le_bytes(seed),
        };
        self.gossip = Some(Gossip::new(config, &membership, now_ms));
    }

    /// Hands over what arrived; with a tick, time passes too.
    pub(super) fn host_gossip(&mut self, tick: bool) {
        let (Some(core), Some(gossip)) = (&mut self.core, &mut self.gossip) else {
            // Nobody gossips with another shard.
            return self.outbox.gossip.clear();
        };
        let said = core.host_gossip(gossip, tick, self.reading.now, &mut self.store, &mut self.outbox);
        self.report(said);
    }

    fn report(&mut self, said: GossipOut) {
        let GossipOut { verdicts, conflicts, outlived, changed, .. } = said;
        for member in changed {
            let contents = self.gossip.as_ref().and_then(|gossip| gossip.contents(member));
            if let Some(contents) = contents {
                self.shared.book.hear(member, &contents.addresses);
            }
        }
        for &(member, verdict) in &verdicts {
            self.log_verdict(member, verdict);
            self.shared.tell_all(|| Letter::Verdict(member, verdict));
        }
        if !verdicts.is_empty() {
            self.publish_membership();
        }
        for member in conflicts {
            tracing::error!(%member, "this member has another layout of the same epoch: stop it and find out why");
        }
        if outlived {
            tracing::error!(
                "others know a later process of this server than this one: its data folder was copied or set back"
            );
        }
    }

    fn log_verdict(&self, member: MemberNumber, verdict: Verdict) {
        let now_ms = self.reading.now.mono_ms;
        let view = self.gossip.as_ref().and_then(|gossip| gossip.view(member, now_ms));
        match (verdict, view) {
            (Verdict::Down, Some(view)) => {
                let said_by: Vec<String> = view.said_by.iter().map(ToString::to_string).collect();
                tracing::warn!(
                    %member,
                    heartbeat_age_ms = view.age_ms,
                    window_ms = view.window_ms,
                    said_by = said_by.join(","),
                    "a member is down: its heartbeat stands still and it does not answer"
                );
            }
            (Verdict::Down, None) => tracing::warn!(%member, "a member is down"),
            (Verdict::Up, _) => tracing::info!(%member, "a member is up again"),
        }
    }

    /// A verdict counts for this shard from now on.
    pub(super) fn on_verdict(&mut self, member: MemberNumber, verdict: Verdict) {
        if let Some(core) = &mut self.core {
            core.on_verdict(member, verdict);
        }
    }

    /// Tells what this server carries, and shows what is known of the others.
    pub(super) fn publish_membership(&mut self) {
        let Some(gossip) = &mut self.gossip else { return };
        let load = self.shared.metrics.load();
        gossip.set_load(&[load.kept_bytes, load.disk_free_bytes, load.live_keys]);
        self.shared.set_membership(MembershipView::of(gossip, self.reading.now.mono_ms));
    }
}
