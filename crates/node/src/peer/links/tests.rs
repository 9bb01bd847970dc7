//! What happens to connections when the other members change. Shard 0 of 5 meets a peer with 3 shards: over three
//! links in a cluster of five servers, over one in a cluster of six.

use super::{Change, Followed, Links};
use crate::shard::output::Output;
use clockwise_core::{
    hlc::Hlc,
    ids::{Epoch, MemberNumber},
    message::{Body, Message, ReplicaSet},
    shard::LinkState::{Down, Up},
    slot::Slot,
};
use std::net::Ipv4Addr;
use tokio::net::{TcpListener, TcpStream};

const PEER: MemberNumber = MemberNumber(2);

fn follow(links: &mut Links, others: u16, shards: u16) -> Followed {
    let members: Vec<_> = (2..2 + others).map(|member| (MemberNumber(member.into()), Some(shards))).collect();
    links.follow(7, &members)
}

/// The remote shards of [`PEER`] among them.
fn of_peer(list: &[(MemberNumber, u16)]) -> Vec<u16> {
    list.iter().filter(|(peer, _)| *peer == PEER).map(|&(_, shard)| shard).collect()
}

/// Outputs of connections that somebody holds at the other end.
async fn outputs(count: usize) -> (Vec<Output>, Vec<TcpStream>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free");
    let (mut outputs, mut others) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let stream = TcpStream::connect(listener.local_addr().expect("it listens")).await;
        outputs.push(Output::new(stream.expect("somebody listens").into_split().1));
        others.push(listener.accept().await.expect("somebody connects").0);
    }
    (outputs, others)
}

/// The link that a message about a cell takes.
fn taken(links: &mut Links, cell: u16) -> Option<u16> {
    let message = Message {
        epoch: Epoch(1),
        set: ReplicaSet::Current,
        deadline_ms: 0,
        time: Hlc(1),
        slot: Slot::new(cell),
        body: Body::Ping { sent_ms: 1 },
    };
    let (mut dirty, mut failed) = (Vec::new(), Vec::new());
    links.send(&[PEER], message, &mut dirty, &mut failed);
    assert_eq!(dirty.len() + failed.len(), 1);
    for &(peer, shard) in &dirty {
        links.output(peer, shard).expect("it was just used").dirty = false;
    }
    dirty.first().map(|&(_, shard)| shard)
}

#[test]
fn links_that_are_not_needed_any_more_carry_what_is_under_way() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (outputs, _others) = outputs(3).await;
        let mut links = Links::new(0, 5);
        assert_eq!(of_peer(&follow(&mut links, 4, 3).needed), [0, 1, 2]);
        let mut states = Vec::new();
        for (shard, output) in (0..).zip(outputs) {
            states.extend(links.connect(PEER, shard, 1, output).expect("it is needed").states);
        }
        assert_eq!(states, [Up]);
        assert_eq!([0, 5, 10, 15].map(|cell| taken(&mut links, cell)), [0, 2, 1, 0].map(Some));

        // One more server.
        let followed = follow(&mut links, 5, 3);
        assert_eq!((of_peer(&followed.needed), of_peer(&followed.leaving)), (vec![0], vec![1, 2]));
        assert!(followed.changes.is_empty() && links.is_up(PEER));
        assert!((0..3).all(|shard| links.is_current(PEER, shard, 1)), "what arrives is still read");
        assert_eq!([0, 5, 10, 15].map(|cell| taken(&mut links, cell)), [0; 4].map(Some));
        assert!(follow(&mut links, 5, 3).leaving.is_empty(), "it is said once");

        // The peer closes one; answers on it may be lost. The other one ends here.
        let lost = Change { states: vec![Down, Up], concerns_all: true };
        assert_eq!(links.disconnect(PEER, 2, 1), lost);
        links.close_leaving(PEER, 1);
        links.close_leaving(PEER, 0);
        assert_eq!([0, 1, 2].map(|shard| links.is_current(PEER, shard, 1)), [true, false, false]);
        assert!(links.is_up(PEER));

        // Back to few servers: until the links are there, the peer carries the messages on.
        let followed = follow(&mut links, 4, 3);
        assert_eq!(of_peer(&followed.needed), [0, 1, 2]);
        assert!(followed.changes.contains(&(PEER, Down)) && !links.is_up(PEER));
        assert_eq!([0, 5, 10, 15].map(|cell| taken(&mut links, cell)), [0; 4].map(Some));
        assert_eq!(links.disconnect(PEER, 0, 1).states, []);
        assert_eq!(taken(&mut links, 0), None);
    });
}

#[test]
fn a_leaving_link_takes_no_new_connection_and_stays_if_it_is_needed_again() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (mut outputs, _others) = outputs(3).await;
        let mut links = Links::new(0, 5);
        follow(&mut links, 4, 3);
        links.connect(PEER, 1, 1, outputs.remove(0)).expect("it is needed");
        follow(&mut links, 5, 3);
        assert!(links.connect(PEER, 1, 2, outputs.remove(0)).is_err());
        follow(&mut links, 4, 3);
        links.close_leaving(PEER, 1);
        assert!(links.is_connected(PEER, 1), "it is needed again");
        // A peer that comes back with another number of shards is another process: its links are of no use.
        let followed = follow(&mut links, 4, 5);
        assert_eq!(of_peer(&followed.needed), [0]);
        assert!(followed.leaving.is_empty() && !links.is_connected(PEER, 1));
    });
}
