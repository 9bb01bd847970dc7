//! Five servers and three replicas: with one killed, writes go on at the default level without an error, others hold
//! what it misses, and hand it over when it is back.

use super::harness::{TestCluster, alone, eventually, finish, ok};
use bytes::Bytes;
use clockwise_wire::resp::Reply;
use std::time::Duration;

const KEYS: usize = 120;
/// The disk of a machine that tests may be nearly full: that is not what is tested here.
const FLAGS: [&str; 2] = ["--disk-reserve", "16MiB"];

fn hints(cluster: &TestCluster, servers: &[usize]) -> f64 {
    servers.iter().map(|&server| cluster.metric(server, "clockwise_hints{")).sum()
}

/// The servers that own a key. A server's number is one above its place.
fn owners(cluster: &TestCluster, key: &str) -> Vec<usize> {
    let reply = cluster.call(0, &["CW.EXPLAIN", key]);
    let holdings = reply.field(b"owners").and_then(Reply::as_elements).expect("a list of owners");
    let member = |holding: &Reply| match holding.field(b"member") {
        Some(Reply::Bulk(name)) => {
            String::from_utf8_lossy(name).trim_start_matches('s').parse::<usize>().unwrap()
        }
        other => panic!("{other:?}"),
    };
    holdings.iter().map(|holding| member(holding) - 1).collect()
}

#[test]
fn what_a_killed_server_missed_it_gets_back_from_stand_ins() {
    let _turn = alone();
    let mut cluster = TestCluster::ready(5, &FLAGS);
    let key = |number: usize| format!("key-{number}");
    let gone = 4;
    cluster.kill(gone);
    let mut pipe = cluster.pipe(0);
    for number in 0..KEYS {
        let value = format!("v{number}");
        let reply = pipe.call(&[b"SET", key(number).as_bytes(), value.as_bytes()]);
        assert_eq!(reply.unwrap(), ok(), "{}", key(number));
    }
    let rest = [0, 1, 2, 3];
    let missed: Vec<bool> = (0..KEYS).map(|number| owners(&cluster, &key(number)).contains(&gone)).collect();
    let count = missed.iter().filter(|missed| **missed).count() as f64;
    assert!(count > 0.0 && count < KEYS as f64);
    eventually("each missed write is held once", Duration::from_secs(5), || hints(&cluster, &rest) == count);
    eventually("status shows for whom they are held", Duration::from_secs(5), || {
        let page = finish(["status", "--server", &cluster.cluster(0).to_string()]).out;
        let lines = page.lines().filter(|line| line.contains(" bytes for s5, the oldest of "));
        lines.count() == rest.iter().filter(|&&server| hints(&cluster, &[server]) > 0.0).count()
    });
    cluster.start(gone, &[]);
    cluster.wait_until_it_answers(gone);
    eventually("hints drain", Duration::from_secs(10), || hints(&cluster, &rest) == 0.0);
    eventually("it took them", Duration::from_secs(5), || {
        cluster.metric(gone, "clockwise_hints_taken") >= count
    });
    // With all others gone, a strict read at level one is answered by its own replica alone.
    rest.iter().for_each(|&server| cluster.kill(server));
    eventually("it knows that it is alone", Duration::from_secs(5), || {
        matches!(cluster.call(gone, &["CW.GET", &key(0), "R", "all"]), Reply::Error(_))
    });
    for (number, missed) in missed.into_iter().enumerate().filter(|(_, missed)| *missed) {
        let reply = cluster.call(gone, &["CW.GET", &key(number), "R", "1", "STRICT"]);
        let values = reply.field(b"values").and_then(Reply::as_elements).map(<[Reply]>::len);
        assert_eq!(values, Some(1), "{}: {missed} {reply:?}", key(number));
    }
}

#[test]
fn with_two_owners_gone_only_sloppy_levels_take_writes() {
    let _turn = alone();
    let mut cluster = TestCluster::ready(5, &FLAGS);
    let two = owners(&cluster, "k");
    assert_eq!(two.len(), 3, "three replicas");
    cluster.kill(two[1]);
    cluster.kill(two[2]);
    let at = two[0];
    eventually("strict levels refuse", Duration::from_secs(5), || {
        let reply = cluster.call(at, &["CW.SET", "k", "strict", "W", "quorum", "STRICT"]);
        matches!(reply, Reply::Error(text) if text.starts_with(b"TRYAGAIN NOQUORUM"))
    });
    assert_eq!(cluster.call(at, &["SET", "k", "sloppy"]), ok());
    assert_eq!(cluster.call(at, &["GET", "k"]), Reply::Bulk(Bytes::from("sloppy")));
    for server in [two[1], two[2]] {
        cluster.start(server, &[]);
        cluster.wait_until_it_answers(server);
    }
    eventually("hints drain", Duration::from_secs(10), || hints(&cluster, &[0, 1, 2, 3, 4]) == 0.0);
    cluster.wait_until_all_meet();
    let reply = cluster.call_when_able(two[2], &["CW.GET", "k", "R", "all", "STRICT"]);
    let values = reply.field(b"values").and_then(Reply::as_elements).map(<[Reply]>::len);
    assert_eq!(values, Some(1), "{reply:?}");
}
