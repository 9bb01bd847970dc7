//! One server is stopped (SIGSTOP) under load: it neither answers nor refuses. The others go on, and what they would
//! send to it does not pile up in their memory.

use super::harness::{TestCluster, Writers, alone, eventually};
use std::time::{Duration, Instant};

/// Memory that a stopped peer may cost the others, in bytes.
const MEMORY_BYTES: u64 = 64 << 20;

/// Ten seconds, or as many as `CLOCKWISE_TEST_PAUSE_S` says.
fn pause() -> Duration {
    let seconds = std::env::var("CLOCKWISE_TEST_PAUSE_S").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(10))
}

#[test]
fn a_stopped_server_costs_the_others_little() {
    let _turn = alone();
    // A small memtable, so that what grows is not the data.
    let cluster =
        TestCluster::ready(3, &["--memtable", "8MiB", "--cache", "8MiB", "--durability", "periodic"]);
    let servers = [cluster.cluster(0), cluster.cluster(1)];
    let writers = Writers::start("paused", 4, &servers);
    writers.wait_for(20_000);
    let before: Vec<u64> = (0..2).map(|server| cluster.process(server).memory_bytes()).collect();
    cluster.process(2).signal("-STOP");
    let began = Instant::now();
    let mut most = [0; 2];
    while began.elapsed() < pause() {
        std::thread::sleep(Duration::from_millis(100));
        for (server, most) in most.iter_mut().enumerate() {
            *most = cluster.process(server).memory_bytes().saturating_sub(before[server]).max(*most);
        }
    }
    writers.wait_for(1_000);
    cluster.process(2).signal("-CONT");
    let told = writers.finish();
    assert!(most.iter().all(|grown| *grown < MEMORY_BYTES), "grown by {most:?} bytes");
    let longest = told.iter().map(|client| client.longest_pause).max().unwrap();
    assert!(longest < Duration::from_secs(2), "a client waited for {longest:?}");
    eventually("the stopped one is taken back", Duration::from_secs(10), || {
        cluster.process(2).memory_bytes() > 0
            && (0..3).all(|server| {
                let http = cluster.http(server).to_string();
                matches!(clockwise::client::is_ready(&http, Duration::from_secs(1)), Ok(Ok(())))
            })
    });
    for mut client in told {
        // Some of the very many.
        client.once.retain(|_, value| value.ends_with("00"));
        client.check(&mut cluster.pipe(2)).unwrap();
    }
}
