//! Reads of a hot key share questions, and each sees what it would have seen alone.

use super::{
    cluster::{Cluster, level},
    values,
};
use clockwise_core::{
    canary::Canary,
    limits::HOT_READS,
    message::Body,
    request::{Basis, Op, Outcome, Rejected, Ticket},
};

const MANY: usize = 500;

/// So many reads at once through s1, and how many questions they put to the others.
fn ask(cluster: &mut Cluster, reads: usize) -> (Vec<Ticket>, usize) {
    let tickets = (0..reads).map(|_| cluster.begin(1, "k", Op::Get, level(2, true))).collect();
    let questions = cluster.queue.iter().filter(|sent| matches!(sent.2.body, Body::Read { .. }));
    (tickets, questions.count())
}

fn assert_all_read(cluster: &Cluster, tickets: &[Ticket], value: &str) {
    for ticket in tickets {
        match cluster.replies.get(ticket) {
            Some(Outcome::Read(answer)) => assert_eq!(values(&answer.record), [value]),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn reads_of_a_hot_key_share_their_questions() {
    let mut cluster = Cluster::new(3, 3, Canary::None);
    cluster.set(1, "k", "first", Basis::Plain, level(3, true));
    let (tickets, questions) = ask(&mut cluster, MANY);
    assert!(questions <= 2 * usize::from(HOT_READS), "{questions} questions for {MANY} reads");
    cluster.settle();
    assert_all_read(&cluster, &tickets, "first");
    let saved = cluster.servers[0].shard.stats().shared_reads;
    assert_eq!(saved, (MANY - usize::from(HOT_READS)) as u64);
    // Cooled down, each asks for itself.
    cluster.pass(50);
    let (tickets, questions) = ask(&mut cluster, 3);
    assert_eq!(questions, 6);
    cluster.settle();
    assert_all_read(&cluster, &tickets, "first");
}

#[test]
fn a_read_that_comes_after_a_write_is_not_served_by_a_question_from_before() {
    let mut cluster = Cluster::new(3, 3, Canary::None);
    cluster.set(1, "k", "first", Basis::Plain, level(3, true));
    let (before, _) = ask(&mut cluster, MANY);
    // The questions are answered, but no answer has come back.
    for (from, to, message) in cluster.hold(|body| matches!(body, Body::Read { .. })) {
        cluster.with(to.0, |shard, now, store, out| shard.on_message(from, message, now, store, out));
    }
    let answers = cluster.hold(|body| matches!(body, Body::ReadAck { .. }));
    assert!(!answers.is_empty());
    cluster.set(2, "k", "second", Basis::Plain, level(2, false));
    let (after, questions) = ask(&mut cluster, MANY);
    assert_eq!(questions, 0, "all wait for the one under way");
    cluster.queue.extend(answers);
    cluster.settle();
    for ticket in before {
        assert!(matches!(cluster.replies.get(&ticket), Some(Outcome::Read(_))));
    }
    assert_all_read(&cluster, &after, "second");
}

#[test]
fn who_waits_keeps_its_own_deadline() {
    let mut cluster = Cluster::new(3, 3, Canary::None);
    cluster.set(1, "k", "first", Basis::Plain, level(3, true));
    cluster.cut = vec![(1, 2), (1, 3)];
    let (tickets, _) = ask(&mut cluster, MANY);
    cluster.pass(20_000);
    for ticket in tickets {
        let reply = cluster.replies.get(&ticket);
        let late = |why: &Rejected| matches!(why, Rejected::ReadTimeout { .. } | Rejected::NoQuorum { .. });
        assert!(matches!(reply, Some(Outcome::Rejected(why)) if late(why)), "{reply:?}");
    }
    assert_eq!(cluster.servers[0].shard.stats().operations, 0);
    cluster.cut.clear();
    cluster.pass(3_000);
    let (tickets, _) = ask(&mut cluster, MANY);
    cluster.settle();
    assert_all_read(&cluster, &tickets, "first");
}
