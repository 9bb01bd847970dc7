//! Servers with numbers of shards that do not fit each other, and more pairs of shards than a server may have links:
//! each shard meets each server once, and messages cross over to the shard that they are for.

use super::harness::{TestCluster, Writers, alone, eventually, skipped};
use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};

/// Connections to and from peers that a process holds, as the kernel counts them.
fn peer_sockets(cluster: &TestCluster, server: usize) -> usize {
    let held: BTreeSet<String> = fs::read_dir(format!("/proc/{}/fd", cluster.process(server).pid()))
        .unwrap()
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let peers: Vec<u16> = (0..cluster.servers.len()).map(|server| cluster.peer(server).port()).collect();
    let port = |field: &str| u16::from_str_radix(field.rsplit(':').next().unwrap(), 16).unwrap();
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let rows = table.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>());
    let established = rows.filter(|row| row[3] == "01" && held.contains(row[9]));
    established.filter(|row| peers.contains(&port(row[1])) || peers.contains(&port(row[2]))).count()
}

/// The sum over all shards of one number.
fn number(http: SocketAddr, name: &str) -> u64 {
    let mut text = String::new();
    let mut stream = TcpStream::connect(http).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
    stream.read_to_string(&mut text).unwrap();
    let rows: Vec<&str> = text.lines().filter(|row| row.starts_with(&format!("{name}{{"))).collect();
    assert!(!rows.is_empty(), "{name}: {text}");
    rows.iter()
        .map(|row| row.rsplit(' ').next().unwrap().trim_end_matches(".0").parse::<u64>().unwrap())
        .sum()
}

/// Starts a server once more, with this many shards, and waits until it has this many links.
fn restart(cluster: &mut TestCluster, server: usize, shards: &str, links: usize) {
    cluster.start(server, &["--shards", shards]);
    cluster.wait_until_it_answers(server);
    eventually(&format!("{links} links of {shards} shards"), Duration::from_secs(20), || {
        peer_sockets(cluster, server) == links
    });
    cluster.wait_until_ready();
    cluster.wait_until_all_meet();
    cluster.serves();
    let wanted = || number(cluster.http(server), "clockwise_links_wanted");
    eventually("it says so itself", Duration::from_secs(5), || wanted() == links as u64);
    assert_eq!(peer_sockets(cluster, server), links, "nothing else is opened");
}

#[test]
fn shards_meet_servers_where_they_are_too_many_to_meet_each_other() {
    let _turn = alone();
    if !Path::new("/proc/net/tcp").exists() {
        return skipped("link cap", "only Linux tells which sockets a process holds");
    }
    let mut cluster = TestCluster::ready_sharded(6, 3, &[]);
    let crossed =
        |cluster: &TestCluster, server| number(cluster.http(server), "clockwise_messages_crossed_total");
    assert_eq!(peer_sockets(&cluster, 0), 15);
    assert_eq!((0..6).map(|server| crossed(&cluster, server)).sum::<u64>(), 0);
    let servers: Vec<_> = (0..6).map(|server| cluster.cluster(server)).collect();
    let writers = Writers::start("cap", 6, &servers);
    writers.wait_for(500);
    // 15 of 5 × 3 pairs of shards have a common cell: 75 links to five peers would be too many.
    cluster.stop(0);
    restart(&mut cluster, 0, "5", 25);
    writers.wait_for(500);
    assert!(crossed(&cluster, 0) > 0 && crossed(&cluster, 1) > 0, "answers cross as well as questions");
    assert_eq!(number(cluster.http(1), "clockwise_links_wanted"), 4 * 3 + 5);
    // 12 pairs: 60 links are as many as there may be.
    cluster.kill(0);
    restart(&mut cluster, 0, "4", 60);
    writers.wait_for(500);
    assert_eq!(crossed(&cluster, 0), 0, "every message takes the link of its shard");
    // 16 pairs again.
    cluster.kill(0);
    restart(&mut cluster, 0, "7", 35);
    writers.wait_for(500);
    assert!(crossed(&cluster, 0) > 0);
    let told = writers.finish();
    for server in 0..6 {
        let mut pipe = cluster.pipe(server);
        for client in &told {
            client.check(&mut pipe).unwrap_or_else(|why| panic!("server {server}: {why}"));
        }
    }
    (0..6).for_each(|server| cluster.stop(server));
}

#[test]
fn few_servers_meet_shard_by_shard() {
    let _turn = alone();
    if !Path::new("/proc/net/tcp").exists() {
        return skipped("few links", "only Linux tells which sockets a process holds");
    }
    let mut cluster = TestCluster::ready_sharded(3, 8, &[]);
    cluster.serves();
    assert_eq!(peer_sockets(&cluster, 0), 16);
    cluster.stop(0);
    restart(&mut cluster, 0, "5", 32);
    cluster.kill(1);
    restart(&mut cluster, 1, "1", 5 + 8);
    (0..3).for_each(|server| cluster.stop(server));
}
