//! The texts agree with each other and with the map.

use super::{entry_of, info, nodes, split};
use crate::{
    server::{Control, Life, Shared, Standing, Topology},
    settings::Settings,
};
use clockwise_core::{
    hlc::Hlc,
    ids::{Epoch, MemberNumber, NodeId},
    layout::{Addresses, Layout, LayoutSpec, Member, RoutingMap},
    version::{DigestKey, TokenKey},
};
use clockwise_wire::resp::{Protocol, Reply, ReplyParser, ReplyWriter};
use std::sync::Arc;

fn addresses(server: u32) -> Addresses {
    Addresses {
        peer: format!("10.0.0.{server}:9001"),
        cluster: format!("10.0.0.{server}:7001"),
        plain: String::new(),
        http: String::new(),
    }
}

fn topology(down: u32) -> (Shared, Topology) {
    let members = (1..=5).map(|number| Member {
        number: MemberNumber(number),
        node: NodeId([number as u8; 20]),
        token_seed: u64::from(number),
        weight: 1,
        dc: "dc1".to_owned(),
        rack: "rack1".to_owned(),
        addresses: addresses(number),
    });
    let layout = Layout::new(LayoutSpec {
        cluster: [1; 16],
        epoch: Epoch(4),
        replicas: 3,
        token_key: TokenKey([1; 16]),
        digest_key: DigestKey([1; 16]),
        members: members.collect(),
    });
    let layout = Arc::new(layout.unwrap());
    let live: Vec<MemberNumber> = (1..=5).filter(|&number| number != down).map(MemberNumber).collect();
    let map = RoutingMap::new(&layout, &|number| live.contains(&number));
    let life = Life { incarnation: 1, starts: 1, clock_floor: Hlc(0), clock_reserved: Hlc(0) };
    let settings = Settings { advertise: addresses(1), ..Settings::default() };
    let (control, _steps) = std::sync::mpsc::sync_channel::<Control>(1);
    let shared = Shared::new(settings, NodeId([1; 20]), life, Standing::default(), control);
    (shared, Topology { layout, map, live })
}

fn parse(write: impl FnOnce(&mut ReplyWriter<'_>)) -> Reply {
    let mut bytes = Vec::new();
    write(&mut ReplyWriter::new(&mut bytes, Protocol::Resp3));
    let mut input = bytes::BytesMut::from(&bytes[..]);
    ReplyParser::new().next(&mut input).unwrap().unwrap()
}

fn items(reply: &Reply) -> &[Reply] {
    match reply {
        Reply::Array(items) => items,
        other => panic!("{other:?} is no array"),
    }
}

fn field<'a>(reply: &'a Reply, name: &str) -> &'a Reply {
    let Reply::Map(pairs) = reply else { panic!("{reply:?} is no map") };
    let found = pairs.iter().find(|(key, _)| matches!(key, Reply::Bulk(key) if key == name));
    &found.unwrap().1
}

fn number(reply: &Reply) -> i64 {
    match reply {
        Reply::Integer(number) => *number,
        other => panic!("{other:?} is no integer"),
    }
}

fn text(reply: &Reply) -> String {
    match reply {
        Reply::Bulk(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        other => panic!("{other:?} is no text"),
    }
}

/// Slot → node id, from each of the three shapes.
fn from_slots(reply: &Reply) -> Vec<String> {
    let mut masters = vec![String::new(); 16_384];
    for row in items(reply) {
        let row = items(row);
        for slot in number(&row[0])..=number(&row[1]) {
            masters[slot as usize] = text(&items(&row[2])[2]);
        }
    }
    masters
}

fn from_shards(reply: &Reply) -> Vec<String> {
    let mut masters = vec![String::new(); 16_384];
    for shard in items(reply) {
        let master = items(field(shard, "nodes")).iter().find(|node| text(field(node, "role")) == "master");
        let id = text(field(master.unwrap(), "id"));
        for range in items(field(shard, "slots")).chunks(2) {
            for slot in number(&range[0])..=number(&range[1]) {
                masters[slot as usize] = id.clone();
            }
        }
    }
    masters
}

fn from_nodes(text: &str) -> Vec<String> {
    let mut masters = vec![String::new(); 16_384];
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        for range in &words[8..] {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
            masters[first..=last].fill(words[0].to_owned());
        }
    }
    masters
}

#[test]
fn slots_shards_and_nodes_name_the_same_masters() {
    let (shared, topology) = topology(3);
    let slots = from_slots(&parse(|writer| super::slots::write(&shared, &topology, writer)));
    let shards = from_shards(&parse(|writer| super::shards::write(&shared, &topology, writer)));
    let nodes_text = nodes::text(&shared, Some(&topology));
    assert!(slots.iter().all(|id| id.len() == 40));
    assert_eq!(slots, shards);
    assert_eq!(slots, from_nodes(&nodes_text));
    let down = NodeId([3; 20]).to_string();
    let line = nodes_text.lines().find(|line| line.starts_with(&down)).unwrap();
    assert_eq!(line, format!("{down} 10.0.0.3:7001@9001 master,fail - 0 0 4 disconnected"));
    assert!(nodes_text.contains("10.0.0.1:7001@9001 myself,master - 0 0 4 connected"));
    let info = info::text(Some(&topology), Some(MemberNumber(1)));
    assert!(info.contains("cluster_known_nodes:5\r\n") && info.contains("cluster_size:4\r\n"), "{info}");
}

#[test]
fn whoever_is_a_master_is_called_so_first_and_last() {
    let (shared, topology) = topology(3);
    let reply = parse(|writer| super::slots::write(&shared, &topology, writer));
    let mut called: std::collections::BTreeMap<String, Vec<bool>> = Default::default();
    for row in items(&reply) {
        for (place, node) in items(row)[2..].iter().enumerate() {
            called.entry(text(&items(node)[2])).or_default().push(place == 0);
        }
    }
    assert_eq!(called.len(), 4);
    assert!(called.values().any(|roles| roles.contains(&false)), "there are replicas");
    for (node, roles) in called {
        assert_eq!((roles.first(), roles.last()), (Some(&true), Some(&true)), "{node}");
    }
}

#[test]
fn a_server_without_a_layout_stands_alone_and_fails() {
    let (shared, _) = topology(0);
    let text = nodes::text(&shared, None);
    assert_eq!(text, format!("{} 10.0.0.1:7001@9001 myself,master - 0 0 0 connected\n", NodeId([1; 20])));
    assert!(info::text(None, None).starts_with("cluster_state:fail\r\n"));
}

#[test]
fn addresses_are_split_into_host_and_port() {
    assert_eq!(split("[::1]:7001"), ("::1".to_owned(), 7001));
    assert_eq!(split("db1.example.com:80"), ("db1.example.com".to_owned(), 80));
    assert_eq!(entry_of("id".to_owned(), &Addresses::default()).port, 0);
}
