//! Servers that do not belong: another secret, another cluster, another node.

use super::harness::{TestCluster, alone, eventually, finish};
use std::{fs, net::SocketAddr, time::Duration};

/// The line of a server in what the first one says.
fn line(cluster: &TestCluster, of: &str) -> String {
    let table = finish(["status", "--server", &cluster.cluster(0).to_string()]);
    let row = table.out.lines().find(|line| line.starts_with(of)).map(str::to_owned);
    row.unwrap_or_else(|| panic!("{table:?}"))
}

fn state(cluster: &TestCluster, of: &str) -> String {
    line(cluster, of).split_whitespace().nth(1).unwrap_or_default().to_owned()
}

fn is_left_out(cluster: &TestCluster, of: &str) -> bool {
    ["suspected", "down"].contains(&&*state(cluster, of))
}

/// Waits until a server is seen alive at this address: right after its end it may still be at the old one.
fn wait_until_it_is_back(cluster: &TestCluster, of: &str, at: SocketAddr) {
    eventually(&format!("{of} is back at {at}"), Duration::from_secs(20), || {
        line(cluster, of).contains(&at.to_string()) && state(cluster, of) == "live"
    });
}

#[test]
fn a_server_with_another_secret_is_kept_out() {
    let _turn = alone();
    let mut cluster = TestCluster::ready(3, &[]);
    cluster.stop(2);
    let wrong = cluster.folder.path().join("wrong");
    fs::write(&wrong, "another secret of the same length").unwrap();
    cluster.start(2, &["--cluster-secret-file", &wrong.to_string_lossy()]);
    cluster.wait_until_it_answers(2);
    std::thread::sleep(Duration::from_millis(1_500));
    assert!(is_left_out(&cluster, "s3"), "{}", cluster.log(0));
    assert!(cluster.log(2).contains("secret"), "it is told why:\n{}", cluster.log(2));
    let set = cluster.call(0, &["SET", "a", "1"]);
    assert_eq!(set, clockwise_wire::resp::Reply::Simple("OK".into()));
    let alone = cluster.call(2, &["SET", "a", "2"]);
    assert!(format!("{alone:?}").contains("NOQUORUM"), "{alone:?}");
    cluster.stop(2);
    cluster.start(2, &[]);
    eventually("s3 is back", Duration::from_secs(10), || state(&cluster, "s3") == "live");
    cluster.serves();
}

#[test]
fn a_server_of_another_cluster_on_the_same_address_is_kept_out() {
    let _turn = alone();
    let mut cluster = TestCluster::ready(3, &[]);
    assert_eq!(cluster.call(0, &["SET", "ours", "1"]), clockwise_wire::resp::Reply::Simple("OK".into()));
    cluster.stop(2);
    // A new server on the address of s3, and a cluster of its own.
    fs::rename(cluster.data(2), cluster.folder.path().join("aside")).unwrap();
    cluster.start(2, &[]);
    cluster.wait_until_it_answers(2);
    let other = finish(["init", "--server", &cluster.cluster(2).to_string()]);
    assert_eq!(other.code, Some(0), "{other:?}");
    std::thread::sleep(Duration::from_millis(1_500));
    assert!(is_left_out(&cluster, "s3"), "{}", cluster.log(0));
    assert_eq!(cluster.call(2, &["GET", "ours"]), clockwise_wire::resp::Reply::Null, "nothing crossed over");
    assert_eq!(cluster.call(2, &["SET", "theirs", "1"]), clockwise_wire::resp::Reply::Simple("OK".into()));
    assert_eq!(cluster.call(0, &["GET", "theirs"]), clockwise_wire::resp::Reply::Null);
    // The old folder comes back to its place.
    cluster.stop(2);
    fs::remove_dir_all(cluster.data(2)).unwrap();
    fs::rename(cluster.folder.path().join("aside"), cluster.data(2)).unwrap();
    cluster.start(2, &[]);
    eventually("s3 is back", Duration::from_secs(10), || state(&cluster, "s3") == "live");
    cluster.serves();
}

#[test]
fn two_servers_that_got_each_others_folders_are_told_apart() {
    let _turn = alone();
    let mut cluster = TestCluster::ready(3, &[]);
    let mut pipe = cluster.pipe(0);
    for key in 0..100 {
        let set = pipe.call(&[b"SET", format!("key-{key}").as_bytes(), b"v"]).unwrap();
        assert_eq!(set, clockwise_wire::resp::Reply::Simple("OK".into()));
    }
    (1..3).for_each(|server| cluster.kill(server));
    let aside = cluster.folder.path().join("aside");
    fs::rename(cluster.data(1), &aside).unwrap();
    fs::rename(cluster.data(2), cluster.data(1)).unwrap();
    fs::rename(&aside, cluster.data(2)).unwrap();
    (1..3).for_each(|server| cluster.start(server, &[]));
    (1..3).for_each(|server| cluster.wait_until_it_answers(server));
    // Who a server is stands in its folder, and where it is it says itself, to those that it reaches. Each of the two
    // is where the other is looked for: they find each other by what the third passes on.
    wait_until_it_is_back(&cluster, "s2", cluster.cluster(2));
    wait_until_it_is_back(&cluster, "s3", cluster.cluster(1));
    cluster.wait_until_ready();
    cluster.wait_until_all_meet();
    for server in 0..3 {
        let mut pipe = cluster.pipe(server);
        for key in 0..100 {
            let get = pipe.call(&[b"GET", format!("key-{key}").as_bytes()]).unwrap();
            assert_eq!(get, clockwise_wire::resp::Reply::Bulk("v".into()), "key-{key} through {server}");
        }
    }
    cluster.serves();
}

#[test]
fn a_server_that_moved_is_found_again() {
    let _turn = alone();
    let mut cluster = TestCluster::ready(3, &[]);
    cluster.call(0, &["SET", "a", "1"]);
    cluster.stop(2);
    // Same folder, other ports: it says itself where it is.
    let moved = cluster.ports.of(5)[0];
    cluster.start(2, &["--port", &moved.port().to_string()]);
    wait_until_it_is_back(&cluster, "s3", moved);
    for address in [moved, cluster.cluster(0)] {
        let reply = super::harness::Pipe::connect(address).unwrap().call(&[b"GET", b"a"]).unwrap();
        assert_eq!(reply, clockwise_wire::resp::Reply::Bulk("1".into()), "{address}");
    }
}
