//! Writers that have not read, and writers that have.

use super::{Lab, QUORUM};
use clockwise_core::canary::Canary;

#[test]
fn two_blind_writes_through_one_server_stay_until_somebody_has_seen_both() {
    let mut lab = Lab::new(3, Canary::None);
    let (first, _) = lab.put(1, None);
    let (second, _) = lab.put(1, None);
    assert_eq!(lab.values(2, QUORUM), [first, second]);
    let (_, both) = lab.get(2, QUORUM);
    let (merged, _) = lab.put(3, Some(&both));
    assert_eq!(lab.values(1, QUORUM), [merged]);
}

#[test]
fn a_reply_covers_the_writers_own_past_only() {
    let mut lab = Lab::new(3, Canary::None);
    let (first, _) = lab.put(1, None);
    let (_, reply) = lab.put(1, None);
    let (third, _) = lab.put(2, Some(&reply));
    assert_eq!(lab.values(3, QUORUM), [first, third]);
}

#[test]
fn two_clients_that_take_turns_leave_two_values() {
    let mut lab = Lab::new(3, Canary::None);
    let mut contexts = [None, None];
    let mut last = [0, 0];
    for turn in 0..200 {
        let (client, server) = (turn % 2, turn % 3 + 1);
        let (number, context) = lab.put(server, contexts[client].as_ref());
        contexts[client] = Some(context);
        last[client] = number;
    }
    assert_eq!(lab.values(1, QUORUM), last);
}

#[test]
fn what_was_deleted_with_its_context_leaves_the_rest() {
    let mut lab = Lab::new(3, Canary::None);
    let (_, seen) = lab.put(1, None);
    let (unseen, _) = lab.put(2, None);
    let delete = clockwise_core::request::Op::Delete {
        basis: clockwise_core::request::Basis::Causal(clockwise_core::version::Token::EMPTY),
    };
    lab.ask(3, delete, QUORUM, Some(&seen));
    assert_eq!(lab.values(1, QUORUM), [unseen]);
}
