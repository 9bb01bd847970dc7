//! The server's numbers, given names and units for Prometheus.

use super::{Family, Sample, Served, Value};
use crate::server::{HistogramSnapshot, MetricsSnapshot, ServerHandle, ShardNumbers};

impl Served for ServerHandle {
    fn ready(&self) -> Result<(), String> {
        ServerHandle::ready(self)
    }

    fn families(&self) -> Vec<Family> {
        let mut families = server(&self.metrics());
        families.push(
            Family::one(
                "uptime",
                "Time since this server started",
                Value::Gauge(self.status().uptime_ms as f64 / 1_000.0),
            )
            .in_unit("seconds"),
        );
        families
    }
}

fn server(numbers: &MetricsSnapshot) -> Vec<Family> {
    let outcomes = numbers.commands.iter().flat_map(|command| {
        [("done", command.done), ("rejected", command.rejected), ("unknown", command.unknown)].map(
            |(outcome, count)| Sample {
                labels: vec![("command", command.command.to_owned()), ("outcome", outcome.to_owned())],
                value: Value::Counter(count),
            },
        )
    });
    let mut families = vec![
        Family {
            name: "commands",
            help: "Commands of clients by how they ended",
            unit: None,
            samples: outcomes.collect(),
        },
        latency("read_latency", "From the arrival of a read to its reply", &numbers.read_latency),
        latency("write_latency", "From the arrival of a write to its reply", &numbers.write_latency),
        latency("log_sync", "Duration of syncs of the commit log", &numbers.log_sync),
        Family::one("log_backlog", "What waits for the commit log", gauge(numbers.log_backlog_bytes))
            .in_unit("bytes"),
        Family::one(
            "refused_clients",
            "Clients refused because there were too many",
            Value::Counter(numbers.refused_clients),
        ),
        Family::one(
            "owned_slots",
            "Slots whose row of the routing map names an owner",
            gauge(numbers.owned_slots),
        ),
        labelled(
            "members",
            "Other members by their state, as gossip tells it",
            "state",
            &numbers.members,
            gauge,
        ),
        heartbeats(&numbers.heartbeat_ages),
        Family::one(
            "gossip_stalls",
            "Times that this server did not run and began to listen for heartbeats anew",
            Value::Counter(numbers.gossip_stalls),
        ),
        labelled("events", "What happened to replication, by name", "event", &numbers.events, Value::Counter),
        labelled("recovery", "What recovery found at the start, by name", "number", &numbers.recovery, gauge),
    ];
    families.extend(SHARD_NUMBERS.iter().map(|(name, help, value)| {
        Family {
            name,
            help,
            unit: None,
            samples: numbers
                .shards
                .iter()
                .map(|shard| Sample { labels: vec![("shard", shard.shard.to_string())], value: value(shard) })
                .collect(),
        }
    }));
    let shards = &numbers.shards;
    families.extend([
        named("engine", "Numbers of the storage engine, by name", shards, |shard| &shard.engine),
        named("exchange", "Numbers of anti-entropy, by name", shards, |shard| &shard.exchange),
        named("fill", "Numbers of slots that damage hit, by name", shards, |shard| &shard.fill),
        named("collect", "Numbers of the collection of deletes, by name", shards, |shard| &shard.collect),
    ]);
    families
}

type Read = fn(&ShardNumbers) -> Value;

/// Numbers that every shard has.
const SHARD_NUMBERS: [(&str, &str, Read); 25] = [
    ("clients", "Client connections", |shard| gauge(shard.clients)),
    ("operations", "Operations in flight", |shard| gauge(shard.operations)),
    ("loading", "Operations that wait for a read from disk", |shard| gauge(shard.loading)),
    ("shared_reads", "Reads of hot keys that were answered without a question of their own", |shard| {
        Value::Counter(shard.shared_reads)
    }),
    ("hints", "Writes held for servers that are down", |shard| gauge(shard.hints)),
    ("hint_bytes", "Bytes of the writes held for servers that are down", |shard| gauge(shard.hint_bytes)),
    ("hint_oldest_ms", "When the oldest write that is held was made, 0 if none is", |shard| {
        gauge(shard.hint_oldest_ms)
    }),
    ("hints_delivered", "Held writes that their owners have got", |shard| {
        Value::Counter(shard.hints_delivered)
    }),
    ("hints_refused", "Writes not held because the room for hints is used up", |shard| {
        Value::Counter(shard.hints_refused)
    }),
    ("hints_taken", "Writes taken from stand-ins", |shard| Value::Counter(shard.hints_taken)),
    ("hints_lost", "Held writes that were damaged on the disk", |shard| Value::Counter(shard.hints_lost)),
    ("hint_slots_behind", "Slots of which an owner missed something that nobody holds", |shard| {
        gauge(shard.hint_slots_behind)
    }),
    ("links_up", "Links to other servers that are up", |shard| gauge(shard.links_up)),
    ("links_wanted", "Links to other servers that there should be", |shard| gauge(shard.links_wanted)),
    ("live_keys", "Keys with a live version, replicas among them", |shard| gauge(shard.live_keys)),
    ("flushes", "Times that effects were carried out", |shard| Value::Counter(shard.flushes)),
    ("client_bytes_in", "Bytes read from clients", |shard| Value::Counter(shard.client_bytes_in)),
    ("client_bytes_out", "Bytes written to clients", |shard| Value::Counter(shard.client_bytes_out)),
    ("peer_bytes_in", "Bytes read from other servers", |shard| Value::Counter(shard.peer_bytes_in)),
    ("peer_bytes_out", "Bytes written to other servers", |shard| Value::Counter(shard.peer_bytes_out)),
    ("messages_in", "Messages from other servers", |shard| Value::Counter(shard.messages_in)),
    ("messages_out", "Messages to other servers", |shard| Value::Counter(shard.messages_out)),
    ("send_failures", "Messages that found their link down or full", |shard| {
        Value::Counter(shard.send_failures)
    }),
    ("messages_crossed", "Messages from other servers that were handed to another shard", |shard| {
        Value::Counter(shard.messages_crossed)
    }),
    ("slow_clients", "Clients cut off because they did not read", |shard| Value::Counter(shard.slow_clients)),
];

/// A part's own numbers; some are levels and some are counts, so all are written as they stand.
fn named(
    name: &'static str,
    help: &'static str,
    shards: &[ShardNumbers],
    numbers: fn(&ShardNumbers) -> &Vec<(&'static str, u64)>,
) -> Family {
    let samples = shards.iter().flat_map(|shard| {
        numbers(shard).iter().map(|(name, value)| Sample {
            labels: vec![("shard", shard.shard.to_string()), ("number", (*name).to_owned())],
            value: gauge(*value),
        })
    });
    Family { name, help, unit: None, samples: samples.collect() }
}

fn labelled(
    name: &'static str,
    help: &'static str,
    label: &'static str,
    numbers: &[(&'static str, u64)],
    value: fn(u64) -> Value,
) -> Family {
    let sample = |(of, number): &(&str, u64)| Sample {
        labels: vec![(label, (*of).to_owned())],
        value: value(*number),
    };
    Family { name, help, unit: None, samples: numbers.iter().map(sample).collect() }
}

fn heartbeats(ages: &[(String, u64)]) -> Family {
    let sample = |(member, age_ms): &(String, u64)| Sample {
        labels: vec![("member", member.clone())],
        value: Value::Gauge(*age_ms as f64 / 1_000.0),
    };
    Family {
        name: "heartbeat_age",
        help: "Time since the last news of a member's heartbeat",
        unit: Some("seconds"),
        samples: ages.iter().map(sample).collect(),
    }
}

/// Buckets of powers of two microseconds, as seconds.
fn latency(name: &'static str, help: &'static str, histogram: &HistogramSnapshot) -> Family {
    let last = HistogramSnapshot::BUCKETS - 1;
    let bound = |at: usize| if at == last { f64::INFINITY } else { (1u64 << at) as f64 / 1e6 };
    let buckets = histogram.buckets.iter().enumerate().map(|(at, count)| (bound(at), *count)).collect();
    Family::one(name, help, Value::Histogram { sum: histogram.sum_us as f64 / 1e6, buckets })
        .in_unit("seconds")
}

fn gauge(value: u64) -> Value {
    Value::Gauge(value as f64)
}

#[cfg(test)]
mod tests {
    use super::{super::exposition, server};
    use crate::server::{CommandCounts, MetricsSnapshot, ShardNumbers};

    #[test]
    fn every_number_has_a_name() {
        let mut numbers = MetricsSnapshot {
            commands: vec![CommandCounts { command: "get", done: 3, rejected: 2, unknown: 1 }],
            shards: vec![ShardNumbers {
                shard: 1,
                live_keys: 9,
                engine: vec![("tables", 4)],
                ..Default::default()
            }],
            events: vec![("read_repair", 5)],
            members: vec![("down", 1)],
            heartbeat_ages: vec![("s2".to_owned(), 250)],
            recovery: vec![("damaged_slots", 6)],
            ..Default::default()
        };
        numbers.read_latency.buckets[7] = 2;
        let text = exposition::encode(server(&numbers)).unwrap();
        for line in [
            "clockwise_commands_total{command=\"get\",outcome=\"unknown\"} 1",
            "clockwise_read_latency_seconds_bucket{le=\"0.000128\"} 2",
            "clockwise_read_latency_seconds_bucket{le=\"+Inf\"} 2",
            "clockwise_live_keys{shard=\"1\"} 9.0",
            "clockwise_engine{shard=\"1\",number=\"tables\"} 4.0",
            "clockwise_events_total{event=\"read_repair\"} 5",
            "clockwise_members{state=\"down\"} 1.0",
            "clockwise_heartbeat_age_seconds{member=\"s2\"} 0.25",
            "clockwise_recovery{number=\"damaged_slots\"} 6.0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
