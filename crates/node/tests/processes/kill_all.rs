//! `kill -9` of all three under load, twenty times: every acknowledged write is there.

use super::harness::{TestCluster, Writers, alone, eventually};
use std::time::Duration;

const ROUNDS: usize = 20;
const WRITES: usize = 1_000;

#[test]
fn what_was_acknowledged_survives_the_death_of_all() {
    let _turn = alone();
    let mut cluster = TestCluster::ready(3, &["--durability", "sync"]);
    let servers: Vec<_> = (0..3).map(|server| cluster.cluster(server)).collect();
    let mut all = Vec::new();
    for round in 0..ROUNDS {
        let writers = Writers::start(&format!("all-{round}"), 4, &servers);
        writers.wait_for(WRITES);
        // Not at the same instant, and never in the same order.
        (0..3).for_each(|at| cluster.kill((at + round) % 3));
        let told = writers.finish();
        assert!(told.iter().map(|client| client.once.len()).sum::<usize>() > WRITES / 4);
        (0..3).for_each(|server| cluster.start(server, &[]));
        let server = round % 3;
        cluster.wait_until_it_answers(server);
        for client in told {
            // Until the others are back there is no quorum, and an answer that says so is none.
            eventually(&format!("round {round}: all of it"), Duration::from_secs(20), || {
                match client.check(&mut cluster.pipe(server)) {
                    Ok(()) => true,
                    Err(why) if why.contains("NOQUORUM") || why.contains("CLUSTERDOWN") => false,
                    Err(why) => {
                        let logs: Vec<String> = (0..3).map(|server| cluster.log(server)).collect();
                        panic!("round {round}, server {server}: {why}\n{}", logs.join("\n\n"))
                    }
                }
            });
            all.push(client);
        }
    }
    cluster.wait_until_ready();
    for server in 0..3 {
        let mut pipe = cluster.pipe(server);
        for client in &all {
            client.check(&mut pipe).unwrap_or_else(|why| panic!("at the end, server {server}: {why}"));
        }
    }
}
