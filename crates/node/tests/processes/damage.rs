//! Bytes that change on one server's disk while all are down: it says so, serves nothing of it, and what was
//! acknowledged comes back from the others.

use super::harness::{TestCluster, alone, eventually};
use bytes::Bytes;
use clockwise_wire::resp::Reply;
use std::{fs, os::unix::fs::FileExt, path::PathBuf, time::Duration};

const KEYS: usize = 400;

fn value(key: usize) -> Bytes {
    Bytes::from(format!("value {key} {}", "x".repeat(100)))
}

/// What a server answers to `GET` of every key, at quorum or from its own copy.
fn answers(cluster: &TestCluster, server: usize, r: &[u8]) -> Vec<Reply> {
    let mut pipe = cluster.pipe(server);
    pipe.call(&[b"CW.SESSION", b"R", r]).unwrap();
    let keys: Vec<String> = (0..KEYS).map(|key| format!("key-{key}")).collect();
    pipe.send(&keys.iter().map(|key| vec![&b"GET"[..], key.as_bytes()]).collect::<Vec<_>>()).unwrap();
    keys.iter().map(|_| pipe.receive().unwrap()).collect()
}

/// The segment of a server's log with the most in it, and where its frames end.
fn longest_segment(cluster: &TestCluster, server: usize) -> (PathBuf, usize) {
    let segments = fs::read_dir(cluster.data(server).join("log")).unwrap().map(|entry| entry.unwrap().path());
    let written = segments.map(|path| {
        let bytes = fs::read(&path).unwrap();
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        (path, end)
    });
    written.max_by_key(|(_, end)| *end).unwrap()
}

#[test]
fn damage_in_the_middle_of_a_log_is_told_and_healed() {
    let _turn = alone();
    let mut cluster = TestCluster::ready(3, &["--durability", "sync"]);
    for key in 0..KEYS {
        // Each with a sync of its own, so that later frames know of it; on all three, so that one may lose it.
        let (name, value) = (format!("key-{key}"), value(key));
        let mut pipe = cluster.pipe(key % 3);
        pipe.call(&[b"CW.SESSION", b"W", b"all"]).unwrap();
        assert_eq!(pipe.call(&[b"SET", name.as_bytes(), &value]).unwrap(), super::harness::ok());
    }
    (0..3).for_each(|server| cluster.kill(server));
    let (path, end) = longest_segment(&cluster, 1);
    let middle = (4096 + end) / 2;
    assert!(end > 3 * 4096, "too little to have a middle");
    let file = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let mut bytes = [0; 2_000];
    file.read_exact_at(&mut bytes, middle as u64).unwrap();
    file.write_all_at(&bytes.map(|byte| byte ^ 0x5a), middle as u64).unwrap();

    (0..3).for_each(|server| cluster.start(server, &[]));
    cluster.wait_until_it_answers(1);
    cluster.wait_until_ready();
    let log = cluster.log(1);
    assert!(log.contains("ERROR") && log.contains("some of the data is damaged"), "{log}");
    for (server, damaged) in [(0, false), (1, true), (2, false)] {
        for number in ["damaged_log_places", "damaged_slots"] {
            let told = cluster.metric(server, &format!("clockwise_recovery{{number=\"{number}\"}}"));
            assert_eq!(told > 0.0, damaged, "server {server}: {number} {told}");
        }
    }
    // The spoiled copies are withheld: a key is never wrong, and never said not to be there.
    for (key, found) in answers(&cluster, 1, b"one").into_iter().enumerate() {
        assert!(found == Reply::Bulk(value(key)) || matches!(found, Reply::Error(_)), "key {key}: {found:?}");
    }
    let fill = |number: &str| cluster.metric_with(1, "clockwise_fill{", &format!("number=\"{number}\""));
    eventually("the slots are filled from the others", Duration::from_secs(60), || {
        fill("slots_filled") > 0.0 && fill("slots_salvaging") + fill("slots_filling") == 0.0
    });
    assert!(fill("records_fetched") > 0.0);
    for server in [1, 0, 2] {
        for (key, found) in answers(&cluster, server, b"quorum").iter().enumerate() {
            assert_eq!(*found, Reply::Bulk(value(key)), "key {key} through server {server}");
        }
    }
    let own = answers(&cluster, 1, b"one");
    assert!((0..KEYS).all(|key| own[key] == Reply::Bulk(value(key))));
    cluster.serves();
    for server in 0..3 {
        assert!(!cluster.log(server).contains("panicked"), "{}", cluster.log(server));
        cluster.stop(server);
    }
}
