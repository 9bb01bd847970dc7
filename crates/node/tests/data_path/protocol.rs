//! What each command answers.

use crate::harness::{Client, Cluster, text};
use clockwise_wire::resp::Reply;

#[test]
fn strings_keys_and_expiries() {
    let cluster = Cluster::start([1, 2, 3]);
    let mut a = cluster.servers[0].client();
    let mut b = cluster.servers[1].client();
    let mut plain = cluster.servers[2].plain_client();
    for (line, answer) in [
        ("SET a 1", "OK"),
        ("GET a", "1"),
        ("GET missing", "(nil)"),
        ("MSET b 2 c 3 {tag}d 4", "OK"),
        ("MGET a b missing c {tag}d", "1 2 (nil) 3 4"),
        ("EXISTS a a b missing", "3"),
        ("DEL a missing b", "2"),
        ("DEL a", "0"),
        ("EXISTS a", "0"),
        ("SET e 5 EX 100", "OK"),
        ("TTL e", "100"),
        ("TTL c", "-1"),
        ("PTTL missing", "-2"),
        ("SET gone 1 PXAT 1", "OK"),
        ("GET gone", "(nil)"),
        ("SET x 1 NX", "ERR option NX of 'set' is not supported yet; nothing was written"),
        ("PING", "PONG"),
        ("ECHO hello", "hello"),
        ("SELECT 0", "OK"),
        ("SELECT 1", "ERR DB index is out of range"),
        ("NOSUCH x", "ERR unknown command 'NOSUCH', with args beginning with: 'x' "),
        ("READONLY", "OK"),
        ("CLIENT SETNAME tester", "OK"),
        ("CLIENT GETNAME", "tester"),
        ("CLUSTER KEYSLOT foo", "12182"),
        ("CONFIG GET save", "save "),
    ] {
        assert_eq!(a.text(line), answer, "{line}");
    }
    assert_eq!(b.text("MGET c {tag}d e"), "3 4 5");
    assert_eq!(plain.text("GET c"), "3");
    assert_eq!(plain.text("CLUSTER SLOTS"), "ERR This instance has cluster support disabled");
    assert!(plain.text("INFO").contains("redis_mode:standalone"));
    assert!(a.text("INFO server").contains("redis_mode:cluster"));
}

#[test]
fn counts_are_global_on_the_plain_port_and_a_share_on_the_cluster_port() {
    let cluster = Cluster::start([2, 1, 3]);
    let mut client = cluster.servers[0].client();
    for key in 0..300 {
        assert_eq!(client.text(&format!("SET key:{key} x")), "OK");
    }
    let shares: Vec<u64> =
        cluster.servers.iter().map(|server| server.client().text("DBSIZE").parse().unwrap()).collect();
    assert_eq!(shares.iter().sum::<u64>(), 300, "{shares:?}");
    assert!(shares.iter().all(|&share| share > 50), "{shares:?}");
    for server in &cluster.servers {
        assert_eq!(server.plain_client().text("DBSIZE"), "300");
    }
    client.text("DEL key:7");
    assert_eq!(client.text("CLUSTER COUNTKEYSINSLOT 0"), "0");
    assert_eq!(cluster.servers[1].plain_client().text("DBSIZE"), "299");
}

#[test]
fn both_protocol_versions_say_the_same() {
    let cluster = Cluster::start_with(&[2], |_| {});
    let mut old = cluster.servers[0].client();
    let mut new = cluster.servers[0].client();
    let hello = new.say("HELLO 3 SETNAME n");
    assert!(matches!(&hello, Reply::Map(_)));
    assert_eq!(hello.field(b"mode").map(text), Some("cluster".to_owned()));
    assert!(matches!(old.say("HELLO"), Reply::Array(_)));
    new.say("CW.SET k v");
    for client in [&mut old, &mut new] {
        let answer = client.say("CW.GET k");
        let values = answer.field(b"values").and_then(Reply::as_elements).unwrap();
        assert_eq!(values.len(), 1);
        assert_eq!(values[0].field(b"value").map(text), Some("v".to_owned()));
        assert_eq!(values[0].field(b"clock").map(text), Some("([s1,1])".to_owned()));
        let acks = answer.field(b"receipt").and_then(|receipt| receipt.field(b"acks")).unwrap();
        assert_eq!(acks.as_elements().map(<[Reply]>::len), Some(1));
    }
    let missing = new.say("CW.GET missing");
    assert_eq!(missing.field(b"values").and_then(Reply::as_elements).map(<[Reply]>::len), Some(0));
    assert_eq!(missing.field(b"tombstone"), Some(&Reply::Boolean(false)));
    assert!(missing.field(b"context").is_some_and(|context| !text(context).is_empty()));
    assert_eq!(new.text("RESET"), "RESET");
    assert!(matches!(new.say("HELLO"), Reply::Array(_)));
}

#[test]
fn one_server_alone_is_a_full_cluster() {
    let cluster = Cluster::start_with(&[4], |_| {});
    let mut client = cluster.servers[0].client();
    assert_eq!(client.text("SET a 1"), "OK");
    assert_eq!(client.text("GET a"), "1");
    let slots = client.say("CLUSTER SLOTS");
    let rows = slots.as_elements().unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(text(&rows[0].as_elements().unwrap()[1]), "16383");
}

#[test]
fn before_a_layout_only_questions_about_the_server_are_answered() {
    let mut cluster = Cluster::uninitialised(&[1, 2, 1], |_| {});
    let mut client = cluster.servers[0].client();
    assert_eq!(client.text("PING"), "PONG");
    for line in ["SET a 1", "GET a", "MGET a b", "DBSIZE", "CLUSTER SLOTS", "CW.GET a"] {
        assert!(client.text(line).starts_with("CLUSTERDOWN"), "{line}");
    }
    assert!(client.text("CLUSTER INFO").contains("cluster_state:fail"));
    assert!(client.text("CW.IDENTIFY").contains(&cluster.servers[0].node.to_string()));
    assert!(client.text("CW.STATUS").contains("\"epoch\":0"));
    let layout = cluster.layout([9; 16]).encode();
    let hex: String = layout.iter().map(|byte| format!("{byte:02x}")).collect();
    for server in &cluster.servers {
        let mut client = server.client();
        assert_eq!(client.text(&format!("CW.INSTALL {hex}")), "OK");
        assert_eq!(client.text(&format!("CW.INSTALL {hex}")), "OK", "again is fine");
    }
    cluster.wait_ready();
    assert_eq!(client.text("SET a 1"), "OK");
    let other: String = cluster.layout([8; 16]).encode().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(client.text(&format!("CW.INSTALL {other}")), "ERR this server belongs to another cluster");
    assert_eq!(client.text("CW.INSTALL 00"), "ERR the layout is malformed");
}

#[test]
fn strangers_stay_outside_until_they_say_the_password() {
    let cluster = Cluster::start_with(&[1], |settings| settings.password = Some("open".to_owned()));
    let mut client = cluster.servers[0].client();
    assert_eq!(client.text("GET a"), "NOAUTH Authentication required.");
    assert!(client.text("AUTH wrong").starts_with("WRONGPASS"));
    assert!(client.text("HELLO 3").starts_with("NOAUTH"));
    assert_eq!(client.text("AUTH open"), "OK");
    assert_eq!(client.text("SET a 1"), "OK");
    let mut other = cluster.servers[0].client();
    assert!(matches!(other.say("HELLO 3 AUTH default open"), Reply::Map(_)));
    assert_eq!(other.text("GET a"), "1");
    assert_eq!(other.text("QUIT"), "OK");
    assert_eq!(other.try_reply(), None);
}

#[test]
fn garbage_is_answered_and_the_connection_closed() {
    use std::io::Write;
    let cluster = Cluster::start_with(&[1], |_| {});
    for garbage in [&b"*1\r\n$-5\r\n"[..], b"*9999999999\r\n", b"*2\r\n+x\r\n"] {
        let mut client: Client = cluster.servers[0].client();
        client.stream.write_all(garbage).unwrap();
        assert!(matches!(client.try_reply(), Some(Reply::Error(_))), "{garbage:?}");
        assert_eq!(client.try_reply(), None);
    }
}
