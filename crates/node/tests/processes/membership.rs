//! Verdicts among real processes: who was killed is down for the others, who pauses for two seconds is not.

use super::harness::{TestCluster, alone, eventually, finish};
use serde_json::Value;
use std::time::{Duration, Instant};

/// How one server sees another.
fn gossip(cluster: &TestCluster, by: usize, of: usize) -> Value {
    let told = finish(["status", "--json", "--server", &cluster.cluster(by).to_string()]);
    let told: Value = serde_json::from_str(&told.out).unwrap_or_else(|error| panic!("{error}: {told:?}"));
    told["status"]["members"][of]["gossip"].clone()
}

fn is(cluster: &TestCluster, by: usize, of: usize, state: &str) -> bool {
    gossip(cluster, by, of)["state"] == state
}

fn verdicts(cluster: &TestCluster, by: usize) -> f64 {
    cluster.metric(by, "clockwise_events_total{event=\"member_down\"}")
}

#[test]
fn a_killed_server_is_down_for_the_others_until_it_is_back() {
    let _turn = alone();
    let mut cluster = TestCluster::ready(3, &[]);
    eventually("all know each other", Duration::from_secs(10), || {
        (0..3).all(|by| (0..3).all(|of| by == of || is(&cluster, by, of, "up")))
    });
    cluster.kill(2);
    let killed = Instant::now();
    eventually("s3 is down", Duration::from_secs(10), || (0..2).all(|by| is(&cluster, by, 2, "down")));
    println!("down for both others after {:?}", killed.elapsed());
    let seen = gossip(&cluster, 0, 2);
    assert_eq!(seen["said_by"], serde_json::json!(["s2"]), "{seen}");
    let page = finish(["status", "--server", &cluster.cluster(0).to_string()]).out;
    let row: Vec<&str> =
        page.lines().find(|line| line.starts_with("s3")).unwrap().split_whitespace().collect();
    assert_eq!(row[..4], ["s3", "down", "nobody", "s1,s2"], "{page}");
    assert_eq!(cluster.metric(0, "clockwise_members{state=\"down\"}"), 1.0);
    assert!(cluster.log(1).contains("a member is down"), "{}", cluster.log(1));
    cluster.serves();
    cluster.start(2, &[]);
    eventually("s3 is up", Duration::from_secs(10), || (0..2).all(|by| is(&cluster, by, 2, "up")));
    eventually("its load is known", Duration::from_secs(15), || {
        gossip(&cluster, 0, 2)["disk_free_bytes"].as_u64().is_some_and(|bytes| bytes > 0)
    });
    assert_eq!(verdicts(&cluster, 0), 1.0);
}

#[test]
fn a_server_that_is_stopped_for_two_seconds_is_not_declared_down() {
    let _turn = alone();
    let cluster = TestCluster::ready(3, &[]);
    for victim in [2, 0] {
        cluster.process(victim).signal("-STOP");
        std::thread::sleep(Duration::from_secs(2));
        cluster.process(victim).signal("-CONT");
        std::thread::sleep(Duration::from_millis(1_500));
    }
    for by in 0..3 {
        assert_eq!(verdicts(&cluster, by), 0.0, "{}", cluster.log(by));
    }
}
