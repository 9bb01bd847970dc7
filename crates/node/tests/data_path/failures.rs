//! Servers that stop, come back, and do not belong.

use crate::harness::{Cluster, wait_until};
use bytes::Bytes;
use clockwise::server::Exit;
use clockwise_core::{
    request::{Level, Need, Op, Outcome, Request},
    shard::Durability,
};

#[test]
fn two_of_three_go_on_and_the_third_comes_back_with_its_data() {
    for durability in [Durability::Sync, Durability::Periodic] {
        let mut cluster = Cluster::start_with(&[2, 1, 3], |settings| settings.durability = durability);
        let mut client = cluster.servers[0].client();
        for key in 0..200 {
            assert_eq!(client.text(&format!("SET k:{key} {key}")), "OK");
        }
        assert_eq!(cluster.servers[1].stop(), Exit::Clean);
        for key in 0..200 {
            assert_eq!(client.text(&format!("SET k:{key} {key}b")), "OK");
        }
        wait_until("the map forgets the server", || {
            !client.text("CLUSTER SLOTS").contains(&cluster.servers[1].node.to_string())
        });
        cluster.servers[1].start();
        cluster.wait_ready();
        let mut back = cluster.servers[1].client();
        for key in 0..200 {
            assert_eq!(back.text(&format!("GET k:{key}")), format!("{key}b"));
        }
        let incarnations = |at: usize| cluster.servers[at].handle().status().incarnation;
        assert_eq!(incarnations(1), 1, "a clean stop keeps the incarnation");
    }
}

#[test]
fn all_three_come_back_from_their_folders() {
    let mut cluster = Cluster::start([1, 2, 1]);
    let mut client = cluster.servers[0].client();
    for key in 0..100 {
        assert_eq!(client.text(&format!("SET k:{key} {key}")), "OK");
    }
    for server in &mut cluster.servers {
        assert_eq!(server.stop(), Exit::Clean);
    }
    for (server, shards) in cluster.servers.iter_mut().zip([2, 1, 4]) {
        // The number of shards may change at any restart.
        server.settings.shards = shards;
        server.start();
    }
    cluster.wait_ready();
    let mut client = cluster.servers[2].client();
    for key in 0..100 {
        assert_eq!(client.text(&format!("GET k:{key}")), key.to_string());
    }
    assert_eq!(cluster.servers[0].plain_client().text("DBSIZE"), "100");
}

#[test]
fn a_server_with_another_secret_is_not_let_in() {
    let mut cluster = Cluster::uninitialised(&[1, 1, 1], |_| {});
    let layout = Bytes::from(cluster.layout([5; 16]).encode());
    cluster.servers[2].stop();
    cluster.servers[2].settings.cluster_secret = b"wrong".to_vec();
    cluster.servers[2].start();
    for server in &cluster.servers {
        server.handle().install_layout(layout.clone()).unwrap();
    }
    let live =
        |at: usize| cluster.servers[at].handle().status().members.iter().filter(|member| member.live).count();
    wait_until("the two see each other", || live(0) == 2 && live(1) == 2);
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!((live(0), live(1), live(2)), (2, 2, 1));
    assert!(cluster.servers[2].client().text("SET a 1").starts_with("TRYAGAIN NOQUORUM required=2 alive=1"));
    // One of two others is not enough to confirm a process: it goes on with an incarnation of its own.
    wait_until("the first one takes writes", || cluster.servers[0].client().text("SET a 1") == "OK");
}

#[test]
fn a_minority_refuses_and_says_how_many_answer() {
    let mut cluster = Cluster::start([1, 2, 1]);
    cluster.servers[1].stop();
    cluster.servers[2].stop();
    let mut client = cluster.servers[0].client();
    wait_until("the stopped servers are noticed", || {
        client.text("SET a 1").starts_with("TRYAGAIN NOQUORUM required=2 alive=1")
    });
    assert!(client.text("MGET a b c").starts_with("TRYAGAIN"));
    assert!(client.text("GET a").starts_with("TRYAGAIN"));
    assert!(client.text("CLUSTER INFO").contains("cluster_state:ok"));
    client.text("CW.SESSION R 1 W 1");
    assert_eq!(client.text("SET a 1"), "OK");
    assert_eq!(client.text("GET a"), "1");
}

#[test]
fn other_threads_reach_the_shards_through_the_handle() {
    let cluster = Cluster::start([3, 1, 1]);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let request = |key: &'static str, op| Request {
        key: Bytes::from(key),
        op,
        level: Level { need: Need::Quorum, strict: true },
        timeout_ms: 1_000,
    };
    for key in ["a", "b", "c", "d", "e"] {
        let set = Op::Set {
            basis: clockwise_core::request::Basis::Plain,
            value: Bytes::from(key),
            expires_ms: None,
        };
        let written = runtime.block_on(cluster.servers[0].handle().request(request(key, set)));
        assert!(matches!(written, Outcome::Written(_)), "{written:?}");
        let read = runtime.block_on(cluster.servers[1].handle().request(request(key, Op::Get)));
        assert!(matches!(&read, Outcome::Read(read) if read.record.plain(0).is_some()), "{read:?}");
    }
    let metrics = cluster.servers[0].handle().metrics();
    assert_eq!(metrics.shards.len(), 3);
    assert!(metrics.log_sync.count() > 0);
}
