//! Contexts, siblings, sessions and levels through three servers.

use crate::harness::{Client, Cluster, text};
use clockwise_wire::resp::Reply;

fn context(reply: &Reply) -> String {
    reply.field(b"context").map(text).unwrap_or_else(|| panic!("no context in {reply:?}"))
}

fn clocks(reply: &Reply) -> Vec<String> {
    let values = reply.field(b"values").and_then(Reply::as_elements).unwrap();
    values.iter().map(|value| value.field(b"clock").map(text).unwrap()).collect()
}

#[test]
fn the_example_of_the_dynamo_paper_comes_out_exactly() {
    let cluster = Cluster::start([1, 2, 1]);
    let mut s1 = cluster.servers[0].client();
    let mut s2 = cluster.servers[1].client();
    let mut s3 = cluster.servers[2].client();
    let d1 = context(&s1.say("CW.SET d 1 W all"));
    let d2 = context(&s1.say(&format!("CW.SET d 2 CONTEXT {d1} W all")));
    assert_eq!(clocks(&s1.say("CW.GET d R all")), ["([s1,2])"]);
    s2.say(&format!("CW.SET d 3 CONTEXT {d2} W all"));
    assert_eq!(clocks(&s3.say("CW.GET d R all")), ["([s1,2],[s2,1])"]);
    s3.say(&format!("CW.SET d 4 CONTEXT {d2} W all"));
    let both = s1.say("CW.GET d R all");
    assert_eq!(clocks(&both), ["([s1,2],[s2,1])", "([s1,2],[s3,1])"]);
    s1.say(&format!("CW.SET d 5 CONTEXT {} W all", context(&both)));
    assert_eq!(clocks(&s2.say("CW.GET d R all")), ["([s1,3],[s2,1],[s3,1])"]);
    let seen = context(&s3.say("CW.GET d R all"));
    s3.say(&format!("CW.DEL d CONTEXT {seen} W all"));
    let gone = s1.say("CW.GET d R all");
    assert!(clocks(&gone).is_empty());
    assert_eq!(gone.field(b"tombstone"), Some(&Reply::Integer(1)));
    assert_eq!(s1.text("GET d"), "(nil)");
}

#[test]
fn contexts_that_were_not_given_out_are_refused() {
    let cluster = Cluster::start_with(&[1], |_| {});
    let mut client = cluster.servers[0].client();
    let mine = context(&client.say("CW.SET a 1"));
    assert!(client.text(&format!("CW.SET b 1 CONTEXT {mine}")).starts_with("BADCONTEXT"));
    let forged: String = mine.chars().rev().collect();
    let answer = client.text(&format!("CW.SET a 1 CONTEXT {forged}"));
    assert!(answer.starts_with("BADCONTEXT") || answer.starts_with("ERR invalid context"), "{answer}");
}

#[test]
fn a_session_sets_the_levels_of_plain_commands() {
    let mut cluster = Cluster::start([1, 1, 1]);
    let mut client = cluster.servers[0].client();
    assert_eq!(client.text("CW.SESSION W all TIMEOUT 500"), "OK");
    assert_eq!(client.say("CW.SESSION").field(b"w").map(text), Some("all".to_owned()));
    assert_eq!(client.text("SET a 1"), "OK");
    cluster.servers[2].stop();
    let refused = client.text("SET a 2");
    assert!(
        refused.starts_with("TRYAGAIN NOQUORUM required=3") || refused.starts_with("UNKNOWN"),
        "{refused}"
    );
    let mut other: Client = cluster.servers[0].client();
    assert_eq!(other.text("SET a 3"), "OK", "the default is quorum");
    assert_eq!(client.text("CW.SESSION W 1"), "OK");
    assert_eq!(client.text("SET a 4"), "OK");
}

#[test]
fn explain_shows_what_every_owner_holds() {
    let cluster = Cluster::start([2, 1, 1]);
    let mut client = cluster.servers[1].client();
    client.text("CW.SESSION W all");
    assert_eq!(client.text("SET foo bar"), "OK");
    let answer = client.say("CW.EXPLAIN foo");
    assert_eq!(answer.field(b"slot").map(text), Some("12182".to_owned()));
    let owners = answer.field(b"owners").and_then(Reply::as_elements).unwrap();
    assert_eq!(owners.len(), 3);
    for owner in owners {
        assert_eq!(owner.field(b"answered"), Some(&Reply::Integer(1)), "{owner:?}");
        assert_eq!(owner.field(b"versions").and_then(Reply::as_elements).map(<[Reply]>::len), Some(1));
    }
}
