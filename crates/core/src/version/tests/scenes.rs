//! The worked examples of the specification, section 3, exactly.

use super::{Server, dot, dots, joined};
use crate::version::Token;

/// D1 and D2 of Dynamo's figure, by s1.
fn d2() -> Server {
    let mut s1 = Server::new(1);
    s1.blind(1, 10);
    assert_eq!(s1.clocks(), ["([s1,1])"]);
    let d2 = s1.put(&s1.token(), 2, 20);
    assert_eq!(s1.clocks(), ["([s1,2])"]);
    assert_eq!(d2.reply, s1.token(), "a lone client's reply is all there is");
    s1
}

#[test]
fn dynamos_d1_to_d5_come_out_exactly() {
    let mut s1 = d2();
    let (mut s2, mut s3) = (Server::new(2), Server::new(3));
    s2.receive(&s1.record);
    s3.receive(&s1.record);
    s2.put(&s1.token(), 3, 30);
    s3.put(&s1.token(), 4, 30);
    assert_eq!(s2.clocks(), ["([s1,2],[s2,1])"]);
    assert_eq!(s3.clocks(), ["([s1,2],[s3,1])"]);
    s1.receive(&s2.record);
    s1.receive(&s3.record);
    assert_eq!(s1.clocks(), ["([s1,2],[s2,1])", "([s1,2],[s3,1])"]);
    s1.put(&s1.token(), 5, 40);
    assert_eq!(s1.clocks(), ["([s1,3],[s2,1],[s3,1])"]);
    assert_eq!(s1.values(), [5]);
}

#[test]
fn d3_by_a_server_that_never_saw_the_key_is_the_same_and_drops_d2_later() {
    let s1 = d2();
    let mut s2 = Server::new(2);
    s2.put(&s1.token(), 3, 30);
    assert_eq!(s2.clocks(), ["([s1,2],[s2,1])"]);
    let before = s2.record.clone();
    s2.receive(&s1.record);
    assert_eq!(s2.record, before);
}

#[test]
fn textbook_conflict() {
    // D([s0,1],[s1,2]) and D([s0,2],[s1,1]) conflict.
    let mut s1 = Server::new(1);
    let mut s2 = Server::new(2);
    let first = s1.blind(1, 10);
    s2.receive(&s1.record);
    let second = s2.put(&first.reply, 2, 20);
    let mut ahead_at_s2 = s2.clone();
    ahead_at_s2.put(&second.reply, 3, 30);
    s1.receive(&s2.record);
    s1.put(&second.reply, 4, 30);
    assert_eq!(ahead_at_s2.clocks(), ["([s1,1],[s2,2])"]);
    assert_eq!(s1.clocks(), ["([s1,2],[s2,1])"]);
    s1.receive(&ahead_at_s2.record);
    assert_eq!(s1.values(), [3, 4]);
}

#[test]
fn two_blind_puts_through_one_server() {
    let mut s1 = Server::new(1);
    s1.blind(1, 10);
    let second = s1.blind(2, 20);
    assert_eq!(s1.clocks(), ["([s1,1])", "([s1,2*])"]);
    assert_eq!(second.reply.seen, dots(&[(1, 2, 2)]));
    let mut s2 = Server::new(2);
    s2.put(&second.reply, 3, 30);
    assert_eq!(s2.clocks(), ["([s1,2],[s2,1])"]);
    s1.receive(&s2.record);
    assert_eq!(s1.values(), [1, 3], "nothing is lost");
}

#[test]
fn two_clients_interleaved_end_with_two_siblings() {
    for coordinators in [1, 2] {
        let mut servers = [Server::new(1), Server::new(2)];
        let mut tokens = [Token::EMPTY, Token::EMPTY];
        for round in 0..100u64 {
            for (client, token) in tokens.iter_mut().enumerate() {
                let at = client % coordinators;
                let minted = servers[at].put(token, client as u8, 2 * round + client as u64);
                if coordinators == 2 {
                    servers[1 - at].receive_write(&minted);
                }
                *token = minted.reply;
            }
        }
        assert_eq!(servers[0].values(), [0, 1]);
        let ranges = servers[0].record.versions.iter().map(|it| it.ctx.ranges().len());
        assert_eq!(ranges.max(), Some(if coordinators == 1 { 99 } else { 1 }));
        assert_eq!(servers[0].record.seen.ranges().len(), coordinators, "the record itself has no gaps");
    }
}

#[test]
fn lone_client_over_three_servers_never_sees_a_sibling() {
    let mut servers = [Server::new(1), Server::new(2), Server::new(3)];
    let mut token = Token::EMPTY;
    for step in 0..60 {
        let at = step % 3;
        token = servers[at].put(&token, step as u8, 10 + step as u64).reply;
        assert_eq!(servers[at].values(), [step as u8]);
        if step % 4 == 0 {
            let record = servers[at].record.clone();
            servers[(step + 1) % 3].receive(&record);
        }
    }
    let all = joined(&[&servers[0].record, &servers[1].record, &servers[2].record]);
    assert_eq!(super::values(&all), [59]);
    assert_eq!(all.seen, dots(&[(1, 1, 20), (2, 1, 20), (3, 1, 20)]));
}

#[test]
fn plain_write_replaces_causal_siblings() {
    let mut s1 = Server::new(1);
    s1.blind(1, 10);
    s1.blind(2, 20);
    s1.set(3, 30);
    assert_eq!(s1.values(), [3]);
    assert_eq!(s1.clocks(), ["([s1,3])"]);
}

#[test]
fn blind_causal_put_beside_a_plain_write_and_get_takes_the_later() {
    let mut s1 = Server::new(1);
    s1.set(1, 10);
    s1.blind(2, 20);
    assert_eq!(s1.values(), [1, 2]);
    assert_eq!(s1.record.plain(0).map(|version| version.dot), Some(dot(1, 2)));
}

#[test]
fn plain_get_is_the_latest_live_version() {
    let mut s1 = Server::new(1);
    s1.blind(1, 10);
    let intent = crate::version::Intent::Causal(&Token::EMPTY);
    s1.write(intent, super::expiring(2, 1_000), 20);
    assert_eq!(s1.record.plain(999).map(|version| version.dot), Some(dot(1, 2)));
    assert_eq!(s1.record.plain(1_000).map(|version| version.dot), Some(dot(1, 1)), "hidden at its instant");
    s1.del(30);
    assert_eq!(s1.record.plain(0), None);
    assert!(s1.record.is_tombstone() && !s1.record.is_empty());
}
