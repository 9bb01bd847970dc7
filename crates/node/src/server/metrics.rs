//! What is counted while the server runs, by whom, and how it looks at one moment.

use super::counter::{Counter, Histogram, HistogramSnapshot};
use crate::redis::COUNTED;
use clockwise_core::{
    collect::CollectStats, exchange::ExchangeStats, fill::FillStats, hints::HintsFor, hlc::Hlc,
    ids::MemberNumber, outbox::Event, shard::ShardStats,
};
use clockwise_store::{EngineStats, RecoveryReport};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

/// How often a command ended in which way.
#[derive(Debug, Default)]
pub(crate) struct CommandCounters {
    pub(crate) done: Counter,
    pub(crate) rejected: Counter,
    pub(crate) unknown: Counter,
}

const EVENTS: [&str; 13] = [
    "peer_suspected",
    "peer_alive",
    "peer_skewed",
    "own_clock_skewed",
    "amnesia",
    "second_round",
    "beaten_below_majority",
    "read_repair",
    "clock_cut",
    "damaged",
    "member_down",
    "member_up",
    "tree_repaired",
];

fn event_number(event: Event) -> usize {
    match event {
        Event::PeerSuspected(_) => 0,
        Event::PeerAlive(_) => 1,
        Event::PeerSkewed(_) => 2,
        Event::OwnClockSkewed(_) => 3,
        Event::Amnesia => 4,
        Event::SecondRound => 5,
        Event::BeatenBelowMajority => 6,
        Event::ReadRepair => 7,
        Event::ClockCut => 8,
        Event::Damaged => 9,
        Event::MemberDown(_) => 10,
        Event::MemberUp(_) => 11,
        Event::TreeRepaired => 12,
    }
}

/// Numbers of one shard; its thread is their only writer.
#[derive(Debug, Default)]
pub(crate) struct ShardMetrics {
    pub(crate) commands: [CommandCounters; COUNTED.len()],
    pub(crate) reads: Histogram,
    pub(crate) writes: Histogram,
    pub(crate) clients: Counter,
    pub(crate) slow_clients: Counter,
    pub(crate) client_bytes_in: Counter,
    pub(crate) client_bytes_out: Counter,
    pub(crate) peer_bytes_in: Counter,
    pub(crate) peer_bytes_out: Counter,
    pub(crate) messages_in: Counter,
    pub(crate) messages_out: Counter,
    pub(crate) send_failures: Counter,
    pub(crate) messages_crossed: Counter,
    pub(crate) flushes: Counter,
    pub(crate) clock_cuts: Counter,
    pub(crate) late_ticks: Counter,
    pub(crate) links_up: Counter,
    pub(crate) links_wanted: Counter,
    events: [Counter; EVENTS.len()],
    pub(crate) own_clock_skewed: Counter,
    gauges: Mutex<Gauges>,
}

#[derive(Clone, Debug, Default)]
struct Gauges {
    shard: ShardStats,
    fill_waits: BTreeMap<MemberNumber, u64>,
    engine: EngineStats,
    live_keys: u64,
    hints_for: Vec<HintsFor>,
    collect_waits: BTreeMap<MemberNumber, u64>,
}

impl ShardMetrics {
    pub(crate) fn event(&self, event: Event) {
        self.events[event_number(event)].one();
    }

    /// Notes how things stand; now and then, as it takes a lock that readers share.
    pub(crate) fn set_gauges(
        &self,
        shard: ShardStats,
        engine: EngineStats,
        live_keys: u64,
        hints_for: Vec<HintsFor>,
        collect_waits: BTreeMap<MemberNumber, u64>,
        fill_waits: BTreeMap<MemberNumber, u64>,
    ) {
        let gauges = Gauges { shard, engine, live_keys, hints_for, collect_waits, fill_waits };
        *self.gauges.lock().unwrap_or_else(PoisonError::into_inner) = gauges;
    }
}

/// Syncs of the commit log.
#[derive(Debug, Default)]
pub(crate) struct SyncTimes(Histogram);

impl SyncTimes {
    pub(crate) fn record(&self, took: Duration) {
        self.0.record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }
}

/// All counters of a server.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) shards: Vec<Arc<ShardMetrics>>,
    pub(crate) log_syncs: SyncTimes,
    pub(crate) refused_clients: std::sync::atomic::AtomicU64,
    /// What recovery found when the server started.
    recovery: OnceLock<Vec<(&'static str, u64)>>,
}

/// How often a command ended in which way.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct CommandCounts {
    /// Its name; some commands are counted together.
    pub command: &'static str,
    /// Done, errors of syntax among it.
    pub done: u64,
    /// Certainly not applied.
    pub rejected: u64,
    /// May have been applied.
    pub unknown: u64,
}

/// Numbers of one shard.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct ShardNumbers {
    /// Which shard.
    pub shard: usize,
    /// Operations in flight.
    pub operations: u64,
    /// Operations parked behind disk reads.
    pub loading: u64,
    /// Reads of hot keys that were answered without a question of their own.
    pub shared_reads: u64,
    /// Writes held for servers that are down; one for two servers counts twice.
    pub hints: u64,
    /// Their bytes.
    pub hint_bytes: u64,
    /// When the oldest of them was written, in wall-clock milliseconds; 0 if there is none.
    pub hint_oldest_ms: u64,
    /// Delivered since the start.
    pub hints_delivered: u64,
    /// Not taken because the room for hints is used up.
    pub hints_refused: u64,
    /// Taken from stand-ins, as an owner.
    pub hints_taken: u64,
    /// Damaged on the disk.
    pub hints_lost: u64,
    /// Slots of which an owner has missed something that nobody holds.
    pub hint_slots_behind: u64,
    /// Anti-entropy, by name.
    pub exchange: Vec<(&'static str, u64)>,
    /// Slots of which the own copy is not whole, by name.
    pub fill: Vec<(&'static str, u64)>,
    /// For which owners such slots wait, and how many.
    pub fill_waits: Vec<(String, u64)>,
    /// Collection of deleted and expired records, by name.
    pub collect: Vec<(&'static str, u64)>,
    /// Client connections.
    pub clients: u64,
    /// Links to peers that are up.
    pub links_up: u64,
    /// Links to peers that there should be.
    pub links_wanted: u64,
    /// Live keys in its cells, replicas among them.
    pub live_keys: u64,
    /// Times that effects were carried out.
    pub flushes: u64,
    /// Bytes read from clients.
    pub client_bytes_in: u64,
    /// Bytes written to clients.
    pub client_bytes_out: u64,
    /// Bytes read from peers.
    pub peer_bytes_in: u64,
    /// Bytes written to peers.
    pub peer_bytes_out: u64,
    /// Messages from peers.
    pub messages_in: u64,
    /// Messages to peers, each receiver counted.
    pub messages_out: u64,
    /// Messages that found their link down or full.
    pub send_failures: u64,
    /// Messages for slots of another shard; dropped.
    pub messages_crossed: u64,
    /// The own clock is off against two others, as this shard sees it.
    pub own_clock_skewed: bool,
    /// Times that the shard did not run for half a second.
    pub late_ticks: u64,
    /// Clients that were cut off because they did not read.
    pub slow_clients: u64,
    /// The engine's own numbers, by name.
    pub engine: Vec<(&'static str, u64)>,
}

/// All numbers at one moment.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct MetricsSnapshot {
    /// Commands of clients.
    pub commands: Vec<CommandCounts>,
    /// From the arrival of a read to its reply.
    pub read_latency: HistogramSnapshot,
    /// From the arrival of a write to its reply.
    pub write_latency: HistogramSnapshot,
    /// Duration of syncs of the commit log.
    pub log_sync: HistogramSnapshot,
    /// Bytes that wait for the commit log.
    pub log_backlog_bytes: u64,
    /// Client connections over all shards.
    pub clients: u64,
    /// Clients that were refused because there were too many.
    pub refused_clients: u64,
    /// What recovery found when the server started, by name.
    pub recovery: Vec<(&'static str, u64)>,
    /// What `core` reported, by name.
    pub events: Vec<(&'static str, u64)>,
    /// Slots whose row of the routing map names a master that owns them.
    pub owned_slots: u64,
    /// The other members by their state, as gossip tells it.
    pub members: Vec<(&'static str, u64)>,
    /// The other members, with the milliseconds since the last news of their heartbeats.
    pub heartbeat_ages: Vec<(String, u64)>,
    /// Times that this server did not run for so long that it began to listen for heartbeats anew.
    pub gossip_stalls: u64,
    /// Each shard.
    pub shards: Vec<ShardNumbers>,
}

impl MetricsSnapshot {
    /// Whether writes are refused because the disk is nearly full, as of about a second ago.
    pub fn disk_full(&self) -> bool {
        self.shards.iter().flat_map(|shard| &shard.engine).any(|&(name, on)| name == "disk_full" && on > 0)
    }

    /// Slots whose data recovery found damaged.
    pub fn damaged_slots(&self) -> u64 {
        self.recovery.iter().find(|(name, _)| *name == "damaged_slots").map_or(0, |(_, slots)| *slots)
    }
}

impl Metrics {
    pub(crate) fn new(shards: usize) -> Metrics {
        Metrics {
            shards: (0..shards).map(|_| Arc::default()).collect(),
            log_syncs: SyncTimes::default(),
            refused_clients: Default::default(),
            recovery: OnceLock::new(),
        }
    }

    /// Notes what recovery found.
    pub(super) fn recovered(&self, report: &RecoveryReport) {
        // Once is all: a server recovers when it starts.
        self.recovery.get_or_init(|| recovery_numbers(report));
    }

    pub(super) fn snapshot(&self) -> MetricsSnapshot {
        let mut all = MetricsSnapshot {
            commands: COUNTED
                .iter()
                .map(|&command| CommandCounts { command, ..Default::default() })
                .collect(),
            events: EVENTS.iter().map(|&event| (event, 0)).collect(),
            refused_clients: self.refused_clients.load(std::sync::atomic::Ordering::Relaxed),
            recovery: self.recovery.get().cloned().unwrap_or_default(),
            ..Default::default()
        };
        self.log_syncs.0.add_to(&mut all.log_sync);
        for (number, shard) in self.shards.iter().enumerate() {
            for (total, counters) in all.commands.iter_mut().zip(&shard.commands) {
                total.done += counters.done.get();
                total.rejected += counters.rejected.get();
                total.unknown += counters.unknown.get();
            }
            for ((_, total), counter) in all.events.iter_mut().zip(&shard.events) {
                *total += counter.get();
            }
            shard.reads.add_to(&mut all.read_latency);
            shard.writes.add_to(&mut all.write_latency);
            if let Some((_, cuts)) = all.events.iter_mut().find(|(event, _)| *event == "clock_cut") {
                *cuts += shard.clock_cuts.get();
            }
            all.clients += shard.clients.get();
            all.shards.push(shard.numbers(number));
        }
        all
    }
}

/// What a server tells others that it carries.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Load {
    /// Bytes of tables.
    pub(crate) kept_bytes: u64,
    /// Free bytes of the disk.
    pub(crate) disk_free_bytes: u64,
    /// Keys with a live version.
    pub(crate) live_keys: u64,
}

impl Metrics {
    /// As of about a second ago.
    pub(crate) fn load(&self) -> Load {
        let mut load = Load::default();
        for shard in &self.shards {
            let gauges = shard.gauges.lock().unwrap_or_else(PoisonError::into_inner);
            load.kept_bytes += gauges.engine.table_bytes;
            load.live_keys += gauges.live_keys;
            // All shards share one disk.
            load.disk_free_bytes = load.disk_free_bytes.max(gauges.engine.disk_free_bytes);
        }
        load
    }
}

impl Metrics {
    /// What is held for each server that is down, over all shards, as of about a second ago.
    pub(crate) fn hints_held(&self) -> BTreeMap<MemberNumber, HintsFor> {
        let mut held: BTreeMap<MemberNumber, HintsFor> = BTreeMap::new();
        for shard in &self.shards {
            let gauges = shard.gauges.lock().unwrap_or_else(PoisonError::into_inner);
            for &more in &gauges.hints_for {
                let entry = HintsFor { target: more.target, bytes: 0, oldest: more.oldest };
                let all = held.entry(more.target).or_insert(entry);
                all.bytes += more.bytes;
                all.oldest = all.oldest.min(more.oldest).or(all.oldest).or(more.oldest);
            }
        }
        held
    }

    /// For whom collections wait that this server leads, with the number of slots; as of about a second ago.
    pub(crate) fn collect_waits(&self) -> BTreeMap<MemberNumber, u64> {
        let mut waits = BTreeMap::new();
        for shard in &self.shards {
            let gauges = shard.gauges.lock().unwrap_or_else(PoisonError::into_inner);
            for (&member, &slots) in &gauges.collect_waits {
                *waits.entry(member).or_default() += slots;
            }
        }
        waits
    }
}

impl ShardMetrics {
    fn numbers(&self, shard: usize) -> ShardNumbers {
        let gauges = self.gauges.lock().unwrap_or_else(PoisonError::into_inner).clone();
        ShardNumbers {
            shard,
            operations: gauges.shard.operations as u64,
            loading: gauges.shard.loading as u64,
            shared_reads: gauges.shard.shared_reads,
            hints: gauges.shard.hints.held,
            hint_bytes: gauges.shard.hints.bytes,
            hint_oldest_ms: gauges.shard.hints.oldest.map_or(0, Hlc::wall_ms),
            hints_delivered: gauges.shard.hints.delivered,
            hints_refused: gauges.shard.hints.refused,
            hints_taken: gauges.shard.hints.taken,
            hints_lost: gauges.shard.hints.lost,
            hint_slots_behind: gauges.shard.hints.behind,
            exchange: exchange_numbers(&gauges.shard.exchange),
            fill: fill_numbers(&gauges.shard.fill),
            fill_waits: gauges.fill_waits.iter().map(|(owner, slots)| (owner.to_string(), *slots)).collect(),
            collect: collect_numbers(&gauges.shard.collect),
            clients: self.clients.get(),
            links_up: self.links_up.get(),
            links_wanted: self.links_wanted.get(),
            live_keys: gauges.live_keys,
            flushes: self.flushes.get(),
            client_bytes_in: self.client_bytes_in.get(),
            client_bytes_out: self.client_bytes_out.get(),
            peer_bytes_in: self.peer_bytes_in.get(),
            peer_bytes_out: self.peer_bytes_out.get(),
            messages_in: self.messages_in.get(),
            messages_out: self.messages_out.get(),
            send_failures: self.send_failures.get(),
            messages_crossed: self.messages_crossed.get(),
            own_clock_skewed: self.own_clock_skewed.get() > 0,
            late_ticks: self.late_ticks.get(),
            slow_clients: self.slow_clients.get(),
            engine: engine_numbers(&gauges.engine),
        }
    }
}

fn exchange_numbers(exchange: &ExchangeStats) -> Vec<(&'static str, u64)> {
    vec![
        ("sessions", exchange.sessions),
        ("given_up", exchange.given_up),
        ("slots_differed", exchange.slots_differed),
        ("keys_listed", exchange.keys_listed),
        ("records_fetched", exchange.records_fetched),
        ("received_bytes", exchange.bytes),
        ("received_record_bytes", exchange.record_bytes),
        ("slots_in_doubt", exchange.slots_in_doubt),
        ("oldest_doubt_ms", exchange.oldest_doubt_ms),
        ("round_age_ms", exchange.round_age_ms),
        ("slots_counted", exchange.slots_counted),
        ("trees_repaired", exchange.trees_repaired),
        ("slots_waiting", exchange.slots_waiting),
    ]
}

fn fill_numbers(fill: &FillStats) -> Vec<(&'static str, u64)> {
    vec![
        ("slots_salvaging", fill.slots_salvaging),
        ("slots_filling", fill.slots_filling),
        ("slots_waiting", fill.slots_waiting),
        ("slots_damaged", fill.slots_damaged),
        ("slots_filled", fill.slots_filled),
        ("slots_forced", fill.slots_forced),
        ("writes_salvaged", fill.writes_salvaged),
        ("versions_not_salvaged", fill.versions_not_salvaged),
        ("records_fetched", fill.records_fetched),
        ("writes_buffered", fill.writes_buffered),
        ("discarded", fill.discarded),
    ]
}

fn collect_numbers(collect: &CollectStats) -> Vec<(&'static str, u64)> {
    vec![
        ("rounds_begun", collect.rounds_begun),
        ("rounds_done", collect.rounds_done),
        ("rounds_void", collect.rounds_void),
        ("frames", collect.frames),
        ("fetches", collect.fetches),
        ("fetches_failed", collect.fetches_failed),
        ("fetched_bytes", collect.fetched_bytes),
        ("records_collected", collect.collected),
        ("slots_swept", collect.slots_swept),
        ("slots_waiting", collect.slots_waiting),
        ("oldest_wait_ms", collect.oldest_wait_ms),
    ]
}

fn recovery_numbers(report: &RecoveryReport) -> Vec<(&'static str, u64)> {
    vec![
        ("batches", report.batches),
        ("replayed", report.replayed),
        ("torn_bytes", report.torn_bytes),
        ("damaged_log_places", report.damaged_log_places),
        ("damaged_tables", report.damaged_tables.len() as u64),
        ("damaged_slots", report.damaged_slots.len() as u64),
        ("tables", report.tables),
        ("orphans", report.orphans),
    ]
}

fn engine_numbers(engine: &EngineStats) -> Vec<(&'static str, u64)> {
    vec![
        ("active_bytes", engine.active_bytes),
        ("frozen_bytes", engine.frozen_bytes),
        ("cache_bytes", engine.cache_bytes),
        ("record_bytes", engine.record_bytes),
        ("records", engine.records),
        ("index_bytes", engine.index_bytes),
        ("tables", engine.tables),
        ("most_tables", engine.most_tables),
        ("table_bytes", engine.table_bytes),
        ("table_entries", engine.table_entries),
        ("applies", engine.applies),
        ("logged_bytes", engine.logged_bytes),
        ("memtable_hits", engine.memtable_hits),
        ("record_hits", engine.record_hits),
        ("cache_hits", engine.cache_hits),
        ("filtered", engine.filtered),
        ("cold_reads", engine.cold_reads),
        ("blocks_read", engine.blocks_read),
        ("bloom_skips", engine.bloom_skips),
        ("bloom_false", engine.bloom_false),
        ("damaged_reads", engine.damaged_reads),
        ("failed_reads", engine.failed_reads),
        ("scans", engine.scans),
        ("flushes", engine.flushes),
        ("flushed_bytes", engine.flushed_bytes),
        ("compactions", engine.compactions),
        ("compacted_in_bytes", engine.compacted_in_bytes),
        ("compacted_out_bytes", engine.compacted_out_bytes),
        ("filtered_entries", engine.filtered_entries),
        ("damaged_tables", engine.damaged_tables),
        ("failed_jobs", engine.failed_jobs),
        ("pressure", engine.pressure),
        ("backlog", engine.backlog),
        ("refusals", engine.refusals),
        ("disk_full", u64::from(engine.disk_full)),
        ("disk_free_bytes", engine.disk_free_bytes),
    ]
}
