//! Answers that must meet the operation that they answer, and no other. Both were found by seeds.

use super::{Lab, QUORUM, STRICT, causal};
use crate::{client::Answer, mix::Plan, server::Stop};
use clockwise_core::canary::Canary;

#[test]
fn a_late_answer_to_the_process_before_acknowledges_nothing() {
    let mut lab = Lab::new(3, Canary::None);
    lab.stop(3, Stop::Kill);
    lab.wait_ms(50);
    // The first write of s1's process waits for s2's disk, and s1 dies.
    lab.world.servers[1].disk_slowness = 1_500;
    lab.send(1, causal(), QUORUM, None);
    lab.wait_ms(20);
    lab.stop(1, Stop::Kill);
    lab.start(1);
    // The first write of its next process does not reach s2, but s2's answer to the one before reaches s1.
    lab.cut(1, 2);
    lab.use_key("another");
    let number = lab.send(1, causal(), QUORUM, None);
    let end = lab.answer(number);
    assert!(matches!(end, Some(Answer::Unknown | Answer::Rejected(_))), "{end:?}");
}

#[test]
fn a_server_without_a_replica_hands_over_from_any_of_its_shards() {
    let mut plan = Plan::quiet(4, Canary::None);
    plan.shards = vec![3; 4];
    let mut lab = Lab::planned(plan);
    for turn in 0..24 {
        lab.use_key(&format!("key-{turn}"));
        let (number, _) = lab.put(turn % 4 + 1, None);
        for server in 1..=4 {
            assert_eq!(lab.values(server, STRICT), [number], "key-{turn} through s{server}");
        }
    }
}
