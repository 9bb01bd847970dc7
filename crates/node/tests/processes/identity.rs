//! Data folders that are older than what their server has done since, or copies of it.

use super::harness::{TestCluster, alone, eventually, finish, ok};
use clockwise_wire::resp::Reply;
use std::{fs, path::Path, process::Command, time::Duration};

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp runs");
    assert!(done.success());
}

#[test]
fn a_folder_that_was_set_back_does_not_serve_again() {
    let _turn = alone();
    let mut cluster = TestCluster::ready(3, &[]);
    assert_eq!(cluster.call(2, &["SET", "a", "old"]), ok());
    cluster.stop(2);
    let backup = cluster.folder.path().join("backup");
    copy(&cluster.data(2), &backup);
    cluster.start(2, &[]);
    cluster.wait_until_ready();
    assert_eq!(cluster.call(2, &["SET", "a", "new"]), ok());
    cluster.stop(2);
    fs::remove_dir_all(cluster.data(2)).unwrap();
    copy(&backup, &cluster.data(2));
    cluster.start(2, &[]);
    let ended = cluster.wait(2, Duration::from_secs(20));
    assert!(!ended.success(), "{ended:?}");
    assert!(cluster.log(2).contains("set back to an older state"), "{}", cluster.log(2));
    assert_eq!(cluster.call(0, &["GET", "a"]), Reply::Bulk("new".into()));
    assert_eq!(cluster.call(1, &["SET", "b", "1"]), ok(), "the others go on");
    // Nor does it when the others have been restarted in between.
    for server in 0..2 {
        cluster.stop(server);
        cluster.start(server, &[]);
        cluster.wait_until_it_answers(server);
    }
    for _ in 0..3 {
        cluster.start(2, &[]);
        assert!(!cluster.wait(2, Duration::from_secs(20)).success());
    }
}

#[test]
fn a_copy_beside_the_original_ends_one_of_them() {
    let _turn = alone();
    let mut cluster = TestCluster::ready(4, &[]);
    // The fourth server's place is taken by a copy of the third one's folder.
    cluster.stop(3);
    cluster.stop(2);
    fs::remove_dir_all(cluster.data(3)).unwrap();
    copy(&cluster.data(2), &cluster.data(3));
    cluster.start(2, &[]);
    cluster.wait_until_it_answers(2);
    eventually("the original is confirmed", Duration::from_secs(10), || {
        cluster.call(2, &["SET", "a", "1"]) == ok()
    });
    cluster.start(3, &[]);
    assert!(!cluster.wait(3, Duration::from_secs(20)).success(), "{}", cluster.log(3));
    assert!(cluster.log(3).contains("is a copy"), "{}", cluster.log(3));
    assert_eq!(cluster.call(2, &["SET", "a", "2"]), ok(), "the original goes on");
}

#[test]
fn a_server_that_nobody_confirms_takes_an_incarnation_of_its_own() {
    let _turn = alone();
    let mut cluster = TestCluster::ready(3, &[]);
    assert_eq!(cluster.call(0, &["SET", "a", "1"]), ok());
    (0..3).for_each(|server| cluster.stop(server));
    cluster.start(0, &[]);
    cluster.wait_until_it_answers(0);
    let early = cluster.call(0, &["CW.SET", "a", "2", "W", "1"]);
    assert!(format!("{early:?}").contains("CLUSTERDOWN"), "{early:?}");
    eventually("it mints", Duration::from_secs(10), || {
        !matches!(cluster.call(0, &["CW.SET", "b", "2", "W", "1"]), Reply::Error(_))
    });
    assert!(cluster.log(0).contains("too few of the other servers"), "{}", cluster.log(0));
    (1..3).for_each(|server| cluster.start(server, &[]));
    cluster.wait_until_ready();
    cluster.serves();
    let check = finish(["status", "--server", &cluster.cluster(0).to_string()]);
    assert_eq!(check.code, Some(0), "{check:?}");
}
