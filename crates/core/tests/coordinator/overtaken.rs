//! Beaten plain writes at sloppy levels whose place was taken before their second round. In all of them s1 alone holds
//! "fast", a write of a clock that is ahead, and so beats every first round through s3.

use super::{
    cluster::{Cluster, level},
    values,
};
use clockwise_core::{
    canary::Canary,
    ids::MemberNumber,
    outbox::Event,
    request::{Basis, Level, Need, Op, Outcome},
};

const ALL: Level = Level { need: Need::All, strict: true };

/// And s3 has written `other` once.
fn with_fast(key: &str) -> Cluster {
    let mut cluster = Cluster::new(3, 3, Canary::None);
    cluster.set(3, "other", "first", Basis::Plain, Level::DEFAULT);
    // Only now: its acknowledgement would have taken the clock of s3 along.
    cluster.servers[0].skew_ms = 400;
    cluster.cut = vec![(1, 2), (1, 3)];
    cluster.set(1, key, "fast", Basis::Plain, level(1, false));
    cluster.cut = vec![];
    cluster
}

fn plain(value: &'static str) -> Op {
    Op::Set { basis: Basis::Plain, value: value.into(), expires_ms: None }
}

/// How many writes through s3 were about to be written once more.
fn second_rounds(cluster: &Cluster) -> usize {
    cluster.events.iter().filter(|event| **event == (MemberNumber(3), Event::SecondRound)).count()
}

#[test]
fn a_beaten_write_that_another_server_overwrote_meanwhile_is_done() {
    let mut cluster = Cluster::new(3, 3, Canary::None);
    cluster.servers[1].skew_ms = 400;
    // A write that only s2 knows, with a fast clock.
    cluster.cut = vec![(2, 1), (2, 3)];
    cluster.set(2, "k", "fast", Basis::Plain, level(1, false));
    // s3 reaches s2 only, and its disk is slow: its own copy is acknowledged last.
    cluster.cut = vec![(3, 1)];
    cluster.servers[2].store.instant = false;
    let ticket = cluster.begin(3, "k", plain("beaten"), Level::DEFAULT);
    cluster.settle();
    cluster.set(2, "k", "over both", Basis::Plain, Level::DEFAULT);
    assert!(!cluster.replies.contains_key(&ticket));
    let store = &mut cluster.servers[2].store;
    (store.instant, store.durable) = (true, store.last);
    cluster.with(3, |shard, now, store, out| shard.on_durable(now, store, out));
    cluster.cut = vec![];
    cluster.settle();
    assert_eq!(second_rounds(&cluster), 1);
    assert!(matches!(cluster.replies[&ticket], Outcome::Written(_)), "{:?}", cluster.replies[&ticket]);
    assert_eq!(cluster.value(1, "k", ALL).as_deref(), Some("over both"));
}

#[test]
fn a_set_does_not_come_back_after_the_delete_behind_it() {
    // A pipeline of one client through s3: SET, DEL. The delete is minted before the SET's second round.
    let mut cluster = with_fast("k");
    let set = cluster.begin(3, "k", plain("beaten"), Level::DEFAULT);
    let delete = cluster.begin(3, "k", Op::Delete { basis: Basis::Plain }, Level::DEFAULT);
    cluster.settle();
    assert_eq!(second_rounds(&cluster), 2, "both were beaten");
    assert_eq!(values(&cluster.get(2, "k", ALL).record), [""; 0]);
    for ticket in [set, delete] {
        assert!(matches!(cluster.replies[&ticket], Outcome::Written(_)), "{:?}", cluster.replies[&ticket]);
    }
}

#[test]
fn a_write_does_not_come_back_after_what_replaced_it_was_deleted() {
    let mut cluster = with_fast("k");
    let beaten = cluster.begin(3, "k", plain("beaten"), Level::DEFAULT);
    // A client reads it at s3, replaces it and deletes that, all before the first acknowledgement arrives. Causal
    // writes leave the mark with the plain one.
    let one = level(1, false);
    let read = cluster.begin(3, "k", Op::Get, one);
    let Outcome::Read(answer) = &cluster.replies[&read] else { panic!("{:?}", cluster.replies[&read]) };
    assert_eq!(values(&answer.record), ["beaten"]);
    let basis = Basis::Causal(answer.record.token());
    let replaced = cluster.begin(3, "k", Op::Set { basis, value: "instead".into(), expires_ms: None }, one);
    let Outcome::Written(answer) = &cluster.replies[&replaced] else {
        panic!("{:?}", cluster.replies[&replaced])
    };
    let basis = Basis::Causal(answer.token.clone());
    let deleted = cluster.begin(3, "k", Op::Delete { basis }, one);
    assert!(matches!(cluster.replies[&deleted], Outcome::Written(_)));
    cluster.settle();
    assert_eq!(second_rounds(&cluster), 1);
    // The client deleted what it had read, and not the other one, which it has never seen.
    assert_eq!(values(&cluster.get(2, "k", ALL).record), ["fast"]);
    // That one beats the first round for good, and nobody may say that the write stood.
    assert_eq!(cluster.replies[&beaten], Outcome::Unknown { required: 2, acked: 0 });
}

#[test]
fn the_heir_of_a_write_is_not_looked_for_among_other_keys() {
    let mut cluster = with_fast("k");
    let beaten = cluster.begin(3, "k", plain("beaten"), Level::DEFAULT);
    // Its heir, which is done at once, and a write of another key for a majority have the same dot: the second of s3.
    let heir = cluster.begin(3, "k", plain("heir"), level(1, false));
    let other = cluster.begin(3, "other", plain("second"), Level::DEFAULT);
    let Outcome::Written(answer) = &cluster.replies[&heir] else { panic!("{:?}", cluster.replies[&heir]) };
    let heir = answer.token.clone();
    assert!(!cluster.replies.contains_key(&other), "it is under way");
    cluster.settle();
    assert_eq!(second_rounds(&cluster), 1);
    let Outcome::Written(answer) = &cluster.replies[&other] else { panic!("{:?}", cluster.replies[&other]) };
    assert_eq!(answer.token.seen, heir.seen, "the test is about equal dots");
    // The heir was written for one copy only and lost to "fast": what became of the write nobody knows.
    assert_eq!(values(&cluster.get(2, "k", ALL).record), ["fast"]);
    assert_eq!(cluster.replies[&beaten], Outcome::Unknown { required: 2, acked: 0 });
}
