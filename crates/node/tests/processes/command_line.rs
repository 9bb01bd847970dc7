//! The subcommands against real servers.

use super::harness::{Finished, TestCluster, alone, finish};
use std::{fs, net::TcpListener};

fn run(cluster: &TestCluster, server: usize, arguments: &[&str]) -> Finished {
    let address = cluster.cluster(server).to_string();
    finish(arguments.iter().copied().chain(["--server", &address]))
}

#[test]
fn values_versions_and_contexts_from_the_command_line() {
    let _turn = alone();
    let cluster = TestCluster::ready(3, &[]);
    let put = run(&cluster, 0, &["put", "key", "first", "--w", "all", "--level", "strict"]);
    assert_eq!((put.code, put.out.trim()), (Some(0), "OK"), "{put:?}");
    let get = run(&cluster, 1, &["get", "key", "--raw"]);
    assert_eq!((get.code, get.out.as_str()), (Some(0), "first"), "{get:?}");
    // Two writers that do not know of each other; then one that saw both.
    assert_eq!(run(&cluster, 0, &["put", "two", "x", "--causal"]).code, Some(0));
    assert_eq!(run(&cluster, 1, &["put", "two", "y", "--causal"]).code, Some(0));
    let both: serde_json::Value =
        serde_json::from_str(&run(&cluster, 2, &["get", "two", "--json", "--r", "3"]).out).unwrap();
    assert_eq!(both["values"].as_array().unwrap().len(), 2, "{both}");
    let several = run(&cluster, 2, &["get", "two", "--raw"]);
    assert!(several.code == Some(1) && several.err.contains("2 concurrent values"), "{several:?}");
    let context = both["context"].as_str().unwrap();
    let merged = run(&cluster, 0, &["put", "two", "xy", "--context", context]);
    assert_eq!(merged.code, Some(0), "{merged:?}");
    assert_eq!(run(&cluster, 1, &["get", "two", "--raw"]).out, "xy");
    let forged = run(&cluster, 0, &["put", "key", "z", "--context", context]);
    assert_eq!(forged.code, Some(1), "a context of another key: {forged:?}");
    assert_eq!(run(&cluster, 0, &["del", "key"]).code, Some(0));
    let gone = run(&cluster, 1, &["get", "key"]);
    assert!(gone.code == Some(4) && gone.out.contains("(no value)"), "{gone:?}");
    assert_eq!(run(&cluster, 0, &["put", "brief", "v", "--ttl", "50"]).code, Some(0));
    std::thread::sleep(std::time::Duration::from_millis(80));
    assert_eq!(run(&cluster, 1, &["get", "brief"]).code, Some(4));
    let explained = run(&cluster, 2, &["explain", "two"]);
    assert_eq!(explained.code, Some(0));
    for word in ["slot", "s1", "s2", "s3"] {
        assert!(explained.out.contains(word), "{word} is not in\n{}", explained.out);
    }
}

#[test]
fn status_tells_who_answers() {
    let _turn = alone();
    let mut cluster = TestCluster::ready(3, &[]);
    let table = run(&cluster, 0, &["status"]);
    assert_eq!(table.code, Some(0), "{table:?}");
    assert_eq!(table.out.matches(" live ").count(), 3, "{}", table.out);
    cluster.kill(2);
    super::harness::eventually("s3 is suspected", std::time::Duration::from_secs(5), || {
        run(&cluster, 0, &["status"]).out.contains("suspected")
    });
    let json: serde_json::Value = serde_json::from_str(&run(&cluster, 0, &["status", "--json"]).out).unwrap();
    assert_eq!(json["servers"].as_array().unwrap().len(), 3);
    assert!(json["servers"][2]["error"].is_string(), "{json}");
    let nobody = run(&cluster, 2, &["status"]);
    assert!(nobody.code == Some(1) && nobody.err.starts_with("clockwise: "), "{nobody:?}");
}

#[test]
fn init_is_finished_by_running_it_again_and_refuses_what_is_no_cluster() {
    let _turn = alone();
    let mut cluster = TestCluster::servers(3, &[]);
    let command = cluster.init_command();
    let before = cluster.call(0, &["SET", "a", "1"]);
    assert!(format!("{before:?}").contains("CLUSTERDOWN"), "{before:?}");
    let http = cluster.http(0).to_string();
    let ready = clockwise::client::is_ready(&http, std::time::Duration::from_secs(1)).unwrap();
    assert!(ready.unwrap_err().contains("init"));
    cluster.kill(2);
    let half = finish(&command);
    assert_eq!(half.code, Some(1), "a server is down: {half:?}");
    // One that already has the layout: as if the run had been cut off there.
    let one = finish(["init", "--server", &cluster.cluster(0).to_string(), "--replicas", "1"]);
    assert_eq!(one.code, Some(0), "{one:?}");
    cluster.start(2, &[]);
    cluster.wait_until_it_answers(2);
    let refused = finish(&command);
    assert!(refused.code == Some(1) && refused.err.contains("other servers"), "{refused:?}");
    // A new folder is a new server; with it the cluster is made, and made once.
    cluster.stop(0);
    fs::remove_dir_all(cluster.data(0)).unwrap();
    cluster.start(0, &[]);
    cluster.wait_until_it_answers(0);
    let made = finish(&command);
    assert_eq!(made.code, Some(0), "{made:?}");
    let again = finish(&command);
    assert!(again.code == Some(0) && again.out.contains("already"), "{again:?}");
    cluster.wait_until_ready();
    cluster.serves();
}

#[test]
fn a_server_refuses_to_start_on_what_is_not_its_own() {
    let _turn = alone();
    let mut cluster = TestCluster::servers(2, &[]);
    (0..2).for_each(|server| cluster.wait_until_it_answers(server));
    let data = cluster.data(0).to_string_lossy().into_owned();
    let free = super::harness::Ports::reserve();
    let port = free.base.to_string();
    let in_use = finish(["start", "--data", &data, "--port", &port]);
    assert!(in_use.code == Some(1) && in_use.err.contains("in use"), "{in_use:?}");
    cluster.stop(0);
    let other = finish(["start", "--data", &data, "--port", &port, "--node-id", &"5".repeat(40)]);
    assert!(other.code == Some(1) && other.err.contains("belongs to node"), "{other:?}");
    let taken = TcpListener::bind(free.of(0)[3]).unwrap();
    let port_taken = finish(["start", "--data", &data, "--port", &port]);
    assert!(port_taken.code == Some(1) && port_taken.err.contains("peer"), "{port_taken:?}");
    drop(taken);
    let open = finish(["start", "--data", &data, "--host", "0.0.0.0", "--advertise-host", "localhost"]);
    assert!(open.code == Some(1) && open.err.contains("--cluster-secret-file"), "{open:?}");
    let config = cluster.folder.path().join("clockwise.toml");
    fs::write(&config, "port = 7001\nprot = 2\n").unwrap();
    let unknown = finish(["start", "--config", &config.to_string_lossy()]);
    assert!(unknown.code == Some(1) && unknown.err.contains("line 2"), "{unknown:?}");
    // Each refusal is one message, and none of them cost the folder its clean stop.
    cluster.start(0, &[]);
    cluster.wait_until_it_answers(0);
    assert!(
        cluster
            .log(0)
            .lines()
            .filter(|line| line.contains("starting"))
            .all(|line| line.contains("clean_start=true"))
    );
}

#[test]
fn passwords_are_asked_for() {
    let _turn = alone();
    let cluster = TestCluster::servers(1, &["--password", "open sesame"]);
    cluster.wait_until_it_answers(0);
    let address = cluster.cluster(0).to_string();
    let without = finish(["init", "--server", &address]);
    assert!(without.code == Some(1) && without.err.contains("NOAUTH"), "{without:?}");
    let wrong = finish(["init", "--server", &address, "--password", "close sesame"]);
    assert!(wrong.code == Some(1) && wrong.err.contains("WRONGPASS"), "{wrong:?}");
    let file = cluster.folder.path().join("password");
    fs::write(&file, "open sesame\n").unwrap();
    let file = file.to_string_lossy().into_owned();
    let made = finish(["init", "--server", &address, "--password-file", &file]);
    assert_eq!(made.code, Some(0), "{made:?}");
    cluster.wait_until_ready();
    let put = finish(["put", "a", "1", "--server", &address, "--password-file", &file]);
    assert_eq!(put.code, Some(0), "{put:?}");
    for server in ["status", "explain a", "get a"] {
        let words = server.split(' ').chain(["--server", &address, "--password", "open sesame"]);
        assert_eq!(finish(words).code, Some(0), "{server}");
    }
}
