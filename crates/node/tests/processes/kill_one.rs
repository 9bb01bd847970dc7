//! `kill -9` of one of three under load: the others go on, nothing acknowledged is lost, and it comes back.

use super::harness::{TestCluster, Writers, alone};
use std::time::Duration;

#[test]
fn a_quorum_goes_on_without_one_and_takes_it_back() {
    let _turn = alone();
    let mut cluster = TestCluster::ready(3, &[]);
    let servers: Vec<_> = (0..3).map(|server| cluster.cluster(server)).collect();
    let writers = Writers::start("one", 6, &servers);
    writers.wait_for(2_000);
    cluster.kill(1);
    writers.wait_for(2_000);
    cluster.start(1, &[]);
    cluster.wait_until_it_answers(1);
    writers.wait_for(2_000);
    let told = writers.finish();
    cluster.wait_until_ready();
    let pause = told.iter().map(|client| client.longest_pause).max().unwrap();
    assert!(pause < Duration::from_secs(2), "a client waited for {pause:?}");
    for server in 0..3 {
        let mut pipe = cluster.pipe(server);
        for client in &told {
            client.check(&mut pipe).unwrap_or_else(|why| panic!("server {server}: {why}"));
        }
    }
    cluster.serves();
    (0..3).for_each(|server| cluster.stop(server));
}
