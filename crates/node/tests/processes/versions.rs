//! Versions as clients see them through three real servers: the clocks of the Dynamo paper, conflicts, and a key with
//! more writers than its clock may show.

use super::harness::{TestCluster, alone};
use clockwise_wire::resp::Reply;
use std::collections::BTreeSet;

/// One answer to `CW.GET`.
struct Seen {
    context: String,
    /// (value, clock), sorted.
    values: Vec<(String, String)>,
}

fn text(reply: &Reply) -> String {
    String::from_utf8_lossy(reply.as_bytes().expect("a string")).into_owned()
}

fn get(cluster: &TestCluster, server: usize, key: &str) -> Seen {
    let reply = cluster.call_when_able(server, &["CW.GET", key, "R", "all", "STRICT"]);
    let values = reply.field(b"values").and_then(Reply::as_elements).expect("a list");
    let pair = |one: &Reply| {
        (text(one.field(b"value").expect("a value")), text(one.field(b"clock").expect("a clock")))
    };
    let mut values: Vec<_> = values.iter().map(pair).collect();
    values.sort();
    Seen { context: text(reply.field(b"context").expect("a context")), values }
}

fn set(cluster: &TestCluster, server: usize, key: &str, value: &str, context: Option<&str>) -> String {
    let mut command = vec!["CW.SET", key, value, "W", "all"];
    command.extend(context.iter().flat_map(|context| ["CONTEXT", context]));
    let reply = cluster.call_when_able(server, &command);
    text(reply.field(b"context").unwrap_or_else(|| panic!("{command:?}: {reply:?}")))
}

#[test]
fn clocks_come_out_exactly_through_three_servers() {
    let _turn = alone();
    let cluster = TestCluster::ready(3, &[]);
    let clocks = |seen: &Seen| seen.values.iter().map(|(_, clock)| clock.clone()).collect::<Vec<_>>();

    set(&cluster, 0, "d", "D1", None);
    let d1 = get(&cluster, 0, "d");
    assert_eq!(clocks(&d1), ["([s1,1])"]);
    set(&cluster, 0, "d", "D2", Some(&d1.context));
    let d2 = get(&cluster, 1, "d");
    assert_eq!(clocks(&d2), ["([s1,2])"]);
    set(&cluster, 1, "d", "D3", Some(&d2.context));
    set(&cluster, 2, "d", "D4", Some(&d2.context));
    let both = get(&cluster, 2, "d");
    assert_eq!(clocks(&both), ["([s1,2],[s2,1])", "([s1,2],[s3,1])"]);
    set(&cluster, 0, "d", "D5", Some(&both.context));
    assert_eq!(clocks(&get(&cluster, 1, "d")), ["([s1,3],[s2,1],[s3,1])"]);
    drop(cluster);
}

#[test]
fn blind_writes_are_kept_until_a_writer_that_saw_them() {
    let _turn = alone();
    let cluster = TestCluster::ready(3, &[]);
    for (server, value) in [(0, "mine"), (1, "yours"), (0, "theirs")] {
        set(&cluster, server, "k", value, None);
    }
    let seen = get(&cluster, 2, "k");
    assert_eq!(seen.values.len(), 3, "{:?}", seen.values);
    // A gap before the own counter is marked.
    assert!(seen.values.contains(&("theirs".into(), "([s1,2*])".into())), "{:?}", seen.values);
    set(&cluster, 1, "k", "one", Some(&seen.context));
    let merged = get(&cluster, 0, "k");
    assert_eq!(merged.values.len(), 1);
    assert_eq!(merged.values[0].0, "one");
    // A context of another key is refused, and nothing is applied.
    let reply = cluster.call(0, &["CW.SET", "other", "x", "CONTEXT", &seen.context]);
    assert!(matches!(&reply, Reply::Error(_)), "{reply:?}");
    assert_eq!(cluster.call(0, &["GET", "other"]), Reply::Null);
    drop(cluster);
}

/// Many lives of three servers write one key, each seeing what is there: its clock grows to more pairs than the
/// threshold. What is printed is cut; no value is lost and none returns.
#[test]
fn a_clock_longer_than_its_threshold_is_cut_and_nothing_is_lost() {
    let _turn = alone();
    let mut cluster = TestCluster::ready(3, &["--clock-threshold", "4"]);
    let mut context = get(&cluster, 0, "k").context;
    for life in 0..4 {
        for server in 0..3 {
            context = set(&cluster, server, "k", &format!("{life}-{server}"), Some(&context));
        }
        let server = life % 3;
        // An unclean stop: the next life writes under another incarnation.
        cluster.kill(server);
        cluster.start(server, &[]);
        cluster.wait_until_it_answers(server);
        cluster.wait_until_all_meet();
        let seen = get(&cluster, server, "k");
        assert_eq!(seen.values.len(), 1, "{:?}", seen.values);
        assert_eq!(seen.values[0].0, format!("{life}-2"));
        context = seen.context;
    }
    let (_, clock) = get(&cluster, 0, "k").values.remove(0);
    assert_eq!(clock.matches("[s").count(), 4, "{clock}");
    assert!(clock.contains('…'), "{clock}");
    // A writer that saw nothing becomes a sibling of it, whatever the printed clocks say.
    set(&cluster, 1, "k", "blind", None);
    let values: BTreeSet<String> = get(&cluster, 2, "k").values.into_iter().map(|(value, _)| value).collect();
    assert_eq!(values, BTreeSet::from(["3-2".to_owned(), "blind".to_owned()]));
    drop(cluster);
}
